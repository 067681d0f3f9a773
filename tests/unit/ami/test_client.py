"""Logging in, and actions: each gets its own answer, or an error that says what is known."""

from __future__ import annotations

import asyncio

import pytest

from telephony.ami import (
    Action,
    ActionRefused,
    ActionTimeout,
    AmiError,
    AuthenticationRefused,
    Client,
    ConnectFailed,
    ConnectionLost,
    EventHub,
    Limits,
    LoginRefused,
    LoginTimeout,
    Monitor,
    NotAmi,
    NotSendable,
    TooBusy,
    Trouble,
    TroubleKind,
    connect,
)
from tests.unit.ami.fake import SECRET, FakeAsterisk, Request, accept, event, response, until


async def test_the_secret_is_never_written(fake: FakeAsterisk, client: Client) -> None:
    assert fake.logins == 1
    assert all(SECRET not in value for r in fake.received for _, value in r.headers)
    assert SECRET not in repr(fake.login())


async def test_a_wrong_secret_is_refused_for_good(fake: FakeAsterisk) -> None:
    with pytest.raises(AuthenticationRefused):
        await connect(fake.login(secret="wrong"))


async def test_a_login_that_is_in_use_is_refused_for_now(fake: FakeAsterisk) -> None:
    fake.login_answer = lambda i: response(i, "Error", Message="Login Already In Use")
    with pytest.raises(LoginRefused):
        await connect(fake.login())


async def test_no_listener_is_told_at_once(fake: FakeAsterisk) -> None:
    await fake.stop()
    with pytest.raises(ConnectFailed):
        await connect(fake.login())
    await fake.start()


@pytest.mark.parametrize(
    ("greeting", "error"),
    [(b"220 smtp\r\n", NotAmi), (b"Asterisk Call Manager/", LoginTimeout), (b"", LoginTimeout)],
)
async def test_a_strange_greeting_is_refused(
    fake: FakeAsterisk, greeting: bytes, error: type[AmiError]
) -> None:
    fake.greeting = greeting
    with pytest.raises(error):
        await connect(fake.login(), limits=Limits(connect_s=0.1))


async def test_a_login_that_is_never_answered_times_out(fake: FakeAsterisk) -> None:
    fake.login_answer = lambda _: b""
    with pytest.raises(LoginTimeout):
        await connect(fake.login(), limits=Limits(connect_s=0.1))


async def test_cancelling_a_login_closes_the_connection(fake: FakeAsterisk) -> None:
    fake.login_answer = lambda _: b""
    task = asyncio.create_task(connect(fake.login()))
    await until(lambda: len(fake.received) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(fake.peers[-1].reader.at_eof)


async def test_fully_booted_comes_with_the_login(fake: FakeAsterisk, client: Client) -> None:
    booted = await client.wait_fully_booted(deadline_s=1)
    assert booted.get("Uptime") == "5"


async def test_fully_booted_that_comes_later_is_waited_for(fake: FakeAsterisk) -> None:
    fake.after_login = b""
    async with await connect(fake.login()) as client:
        with pytest.raises(ActionTimeout):
            await client.wait_fully_booted(deadline_s=0.02)
        fake.send(event("FullyBooted", Status="Fully Booted"))
        assert (await client.wait_fully_booted(deadline_s=1)).name == "FullyBooted"


async def test_waiting_for_fully_booted_ends_with_the_connection(fake: FakeAsterisk) -> None:
    fake.after_login = b""
    async with await connect(fake.login()) as client:
        fake.peers[-1].cut()
        with pytest.raises(ConnectionLost):
            await client.wait_fully_booted(deadline_s=5)


async def test_an_action_gets_its_own_answer_whatever_the_order(fake: FakeAsterisk) -> None:
    waiting: list[Request] = []
    fake.answer = waiting.append
    async with await connect(fake.login()) as client, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(client.action("Setvar", {"N": "1"}, deadline_s=5))
        second = tasks.create_task(client.action("Setvar", {"N": "2"}, deadline_s=5))
        await until(lambda: len(waiting) == 2)
        for request in reversed(waiting):
            fake.send(response(request.id, Message=request["N"]))
        assert ((await first).message, (await second).message) == ("1", "2")


async def test_a_refused_action_raises_and_its_text_shows_no_value(
    fake: FakeAsterisk, client: Client
) -> None:
    reason = "Channel does not exist: Local/79161234567@x"
    fake.answer = lambda r: r.peer.send(response(r.id, "Error", Message=reason))
    with pytest.raises(ActionRefused) as raised:
        await client.action("Redirect", {"Channel": "x"}, deadline_s=5)
    assert raised.value.reason == reason
    assert "7916" not in str(raised.value)


async def test_several_actions_are_one_segment_and_answered_in_order(
    fake: FakeAsterisk, client: Client
) -> None:
    fake.answer = lambda r: r.peer.send(
        response(r.id, "Error" if r["Action"] == "Setvar" else "Success")
    )
    answers = await client.actions([Action.of("Setvar"), Action.of("Redirect")], deadline_s=5)
    assert fake.names() == ["Setvar", "Redirect"]
    assert [answer.ok for answer in answers] == [False, True]


async def test_posted_actions_are_written_and_their_refusal_is_counted(
    fake: FakeAsterisk,
) -> None:
    troubles: list[Trouble] = []
    monitor = Monitor(troubles.append)
    fake.answer = lambda r: r.peer.send(response(r.id, "Error"))
    async with await connect(fake.login(), hub=EventHub(monitor)) as client:
        client.post([Action.of("Setvar"), Action.of("Redirect")])
        await until(lambda: monitor.counters.refused_unawaited == 2)
    assert [t.detail for t in troubles if t.kind is TroubleKind.REFUSED] == ["Setvar", "Redirect"]


async def test_no_answer_within_the_deadline_raises_and_a_late_one_is_nobodys(
    fake: FakeAsterisk, client: Client, monitor: Monitor
) -> None:
    waiting: list[Request] = []
    fake.answer = waiting.append
    with pytest.raises(ActionTimeout) as raised:
        await client.action("Redirect", deadline_s=0.05)
    assert raised.value.sent
    fake.send(response(waiting[0].id))
    await until(lambda: monitor.counters.unawaited == 1)
    fake.answer = accept
    assert (await client.action("Setvar", deadline_s=5)).ok


async def test_a_cancelled_action_is_forgotten(
    fake: FakeAsterisk, client: Client, monitor: Monitor
) -> None:
    waiting: list[Request] = []
    fake.answer = waiting.append
    task = asyncio.create_task(client.action("Redirect", deadline_s=5))
    await until(lambda: bool(waiting))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    fake.send(response(waiting[0].id))
    await until(lambda: monitor.counters.unawaited == 1)


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "\n", "\0", "x" * 1100])
async def test_what_cannot_be_sent_writes_nothing_at_all(
    fake: FakeAsterisk, client: Client, value: str
) -> None:
    with pytest.raises(NotSendable):
        await client.actions(
            [Action.of("Setvar", {"A": "fine"}), Action.of("Redirect", {"B": value})], deadline_s=5
        )
    with pytest.raises(NotSendable):
        client.post([Action.of("Setvar", {"A": "fine"}), Action.of("Redirect", {"B": value})])
    await client.action("CoreStatus", deadline_s=5)
    assert fake.names() == ["CoreStatus"]


async def test_too_many_waiting_actions_are_refused_before_they_are_written(
    fake: FakeAsterisk,
) -> None:
    fake.answer = None
    async with await connect(fake.login(), limits=Limits(waiting_actions=3)) as client:
        client.post([Action.of("Setvar")] * 2)
        with pytest.raises(TooBusy):
            await client.actions([Action.of("Setvar")] * 2, deadline_s=5)
        client.post([Action.of("Redirect")])
        await until(lambda: fake.names() == ["Setvar", "Setvar", "Redirect"])


async def test_an_asterisk_that_does_not_read_is_not_written_to_without_bound() -> None:
    """The peer stops reading: posts are refused, actions wait for their deadline, unsent."""
    greeted = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        for _ in range(2):
            request = await reader.readuntil(b"\r\n\r\n")
            action_id = request.split(b"ActionID: ")[1].split(b"\r\n")[0].decode()
            writer.write(response(action_id, Challenge="1"))
        greeted.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1000)
    fake = FakeAsterisk(port=server.sockets[0].getsockname()[1])
    limits = Limits(write_buffer_bytes=50_000, waiting_actions=1_000_000)
    async with server, await connect(fake.login(), limits=limits) as client:
        await greeted.wait()
        burst = [Action.of("Setvar", {"V": "x" * 900})] * 100
        written = 0

        def write_on() -> None:
            nonlocal written
            while written < 1000:
                client.post(burst)
                written += 1

        with pytest.raises(TooBusy):
            write_on()
        assert written < 200
        with pytest.raises(ActionTimeout) as raised:
            await client.action("Redirect", deadline_s=0.05)
        assert not raised.value.sent
        writers[0].transport.abort()
