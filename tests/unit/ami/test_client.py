from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from telephony.ami import (
    Action,
    ActionRefused,
    ActionTimeout,
    AmiError,
    AuthenticationRefused,
    Client,
    ClosedByUs,
    ConnectFailed,
    ConnectionLost,
    EventHub,
    FrameTooLong,
    Limits,
    ListCancelled,
    ListIncomplete,
    ListTooLong,
    LoginRefused,
    LoginTimeout,
    Monitor,
    NotAmi,
    NotSendable,
    PingTimeout,
    Rejection,
    TooBusy,
    Trouble,
    TroubleKind,
    connect,
)
from tests.unit.ami.fake import (
    SECRET,
    FakeAsterisk,
    Request,
    accept,
    event,
    fake_asterisk,
    item,
    response,
    until,
)


@pytest.fixture
async def fake() -> AsyncIterator[FakeAsterisk]:
    async with fake_asterisk(accept) as running:
        yield running


@pytest.fixture
async def monitor() -> Monitor:
    return Monitor()


@pytest.fixture
async def client(fake: FakeAsterisk, monitor: Monitor) -> AsyncIterator[Client]:
    async with await connect(fake.login(), hub=EventHub(monitor)) as connected:
        yield connected


# -- logging in ----------------------------------------------------------------------------------


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


# -- actions -------------------------------------------------------------------------------------


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


# -- lists ---------------------------------------------------------------------------------------


def listing(*parts: bytes) -> list[bytes]:
    return list(parts)


@pytest.mark.parametrize("end", ["cancelled", "Cancelled"])
async def test_a_cancelled_list_is_no_list(fake: FakeAsterisk, client: Client, end: str) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "CoreShowChannel", Channel="a"))
        r.peer.send(item(r.id, "CoreShowChannelsComplete", EventList=end))

    fake.answer = answer
    with pytest.raises(ListCancelled):
        await client.list_action("CoreShowChannels", deadline_s=5)


async def test_a_list_is_its_items_in_order_and_unsolicited_events_pass_by(
    fake: FakeAsterisk, client: Client
) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start", Message="Channels will follow"))
        r.peer.send(item(r.id, "CoreShowChannel", Channel="a"))
        r.peer.send(event("Hangup", Channel="z", ActionID=r.id))
        r.peer.send(item(r.id, "CoreShowChannel", Channel="b"))
        r.peer.send(item(r.id, "CoreShowChannelsComplete", EventList="Complete", ListItems="2"))

    fake.answer = answer
    hangups = client.subscribe(["Hangup"], name="test")
    items = await client.list_action("CoreShowChannels", deadline_s=5)
    assert [entry.get("Channel") for entry in items] == ["a", "b"]
    assert (await anext(hangups)).get("Channel") == "z"


async def test_an_empty_list_is_empty(fake: FakeAsterisk, client: Client) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "BridgeListComplete", EventList="Complete", ListItems="0"))

    fake.answer = answer
    assert await client.list_action("BridgeList", deadline_s=5) == []


async def test_a_refused_list_raises(fake: FakeAsterisk, client: Client) -> None:
    fake.answer = lambda r: r.peer.send(response(r.id, "Error", Message="No such bridge"))
    with pytest.raises(ActionRefused):
        await client.list_action("BridgeInfo", deadline_s=5)


async def test_a_list_with_entries_missing_is_no_list(fake: FakeAsterisk, client: Client) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "X", Channel="a"))
        r.peer.send(item(r.id, "XComplete", EventList="Complete", ListItems="2"))

    fake.answer = answer
    with pytest.raises(ListIncomplete):
        await client.list_action("X", deadline_s=5)


async def test_a_list_is_bounded(fake: FakeAsterisk, client: Client) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        for _ in range(5):
            r.peer.send(item(r.id, "X", Channel="a"))

    fake.answer = answer
    with pytest.raises(ListTooLong):
        await client.list_action("X", deadline_s=5, max_items=4)


async def test_an_end_smuggled_into_an_item_does_not_end_the_list(
    fake: FakeAsterisk, client: Client
) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "X", Num="1\r\nEventList: Complete", Channel="a"))
        r.peer.send(item(r.id, "X", Channel="b"))
        r.peer.send(item(r.id, "XComplete", EventList="Complete", ListItems="2"))

    fake.answer = answer
    items = await client.list_action("X", deadline_s=5)
    assert [entry.get("Channel") for entry in items] == ["a", "b"]


async def test_items_with_their_id_last_are_believed_only_where_asked_for(
    fake: FakeAsterisk, client: Client, monitor: Monitor
) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id))
        r.peer.send(f"Event: DBGetResponse\r\nVal: x\r\nActionID: {r.id}\r\n\r\n".encode())
        r.peer.send(item(r.id, "DBGetComplete", EventList="Complete", ListItems="1"))

    fake.answer = answer
    with pytest.raises(ListIncomplete):
        await client.list_action("DBGet", deadline_s=5)
    assert monitor.counters.rejected[Rejection.FORGED] == 1
    (entry,) = await client.list_action("DBGet", deadline_s=5, trailing_ids=True)
    assert entry.get("Val") == "x"


# -- how a connection dies -----------------------------------------------------------------------


async def test_every_waiter_learns_the_first_cause_at_once(fake: FakeAsterisk) -> None:
    fake.answer = None
    client = await connect(fake.login())
    tasks = [asyncio.create_task(client.action("Setvar", deadline_s=60)) for _ in range(20)]
    await until(lambda: len(fake.names()) == 20)
    fake.peers[-1].cut()
    async with asyncio.timeout(1):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    causes = {id(r.cause) for r in results if isinstance(r, ConnectionLost) and r.sent}
    assert len(results) == 20
    assert len(causes) == 1
    first = await client.wait_closed()
    assert isinstance(first, ConnectionError)
    with pytest.raises(ConnectionLost) as later:
        await client.action("Setvar", deadline_s=1)
    assert later.value.cause is first
    assert not later.value.sent
    await client.aclose()
    assert await client.wait_closed() is first


async def test_closing_fails_waiters_and_posts_at_once(fake: FakeAsterisk) -> None:
    fake.answer = None
    client = await connect(fake.login())
    task = asyncio.create_task(client.actions([Action.of("A"), Action.of("B")], deadline_s=60))
    client.post([Action.of("C")])
    await until(lambda: len(fake.names()) == 3)
    await client.aclose()
    with pytest.raises(ConnectionLost) as raised:
        await task
    assert isinstance(raised.value.cause, ClosedByUs)


async def test_a_frame_without_end_kills_the_connection(fake: FakeAsterisk) -> None:
    client = await connect(fake.login(), limits=Limits(frame_bytes=10_000))
    fake.send(b"Event: " + b"a" * 20_000)
    assert isinstance(await client.wait_closed(), FrameTooLong)
    await client.aclose()


async def test_no_pong_within_the_deadline_kills_the_connection(fake: FakeAsterisk) -> None:
    client = await connect(fake.login(), limits=Limits(ping_every_s=0.02, pong_within_s=0.1))
    await until(lambda: sum(r["Action"] == "Ping" for r in fake.received) >= 3)
    fake.pong = False
    async with asyncio.timeout(2):
        assert isinstance(await client.wait_closed(), PingTimeout)
    await client.aclose()


async def test_our_own_delay_is_not_taken_for_a_missing_pong(fake: FakeAsterisk) -> None:
    client = await connect(fake.login(), limits=Limits(ping_every_s=0.02, pong_within_s=0.2))
    await until(lambda: any(r["Action"] == "Ping" for r in fake.received))
    loop = asyncio.get_running_loop()
    blocked_until = loop.time() + 0.6
    while loop.time() < blocked_until:
        pass
    before = len(fake.received)
    await until(lambda: len(fake.received) > before + 2)
    assert not client.closed.done()
    await client.aclose()


async def test_a_pong_behind_a_long_burst_is_waited_for_but_not_for_ever(
    fake: FakeAsterisk,
) -> None:
    client = await connect(fake.login(), limits=Limits(ping_every_s=0.02, pong_within_s=0.1))
    await until(lambda: any(r["Action"] == "Ping" for r in fake.received))
    fake.pong = False
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not client.closed.done():
        fake.send(event("Hangup"))
        await asyncio.sleep(0.005)
        assert loop.time() < began_s + 10
    assert isinstance(await client.wait_closed(), PingTimeout)
    assert loop.time() - began_s > 0.3
    await client.aclose()


@pytest.mark.parametrize("step", ["Challenge", "Login", "Originate"])
@pytest.mark.parametrize("answered", [False, True])
async def test_wherever_the_connection_is_cut_an_action_is_written_once_at_most(
    fake: FakeAsterisk, step: str, answered: bool
) -> None:
    """Cut with or without an answer to each of our actions; then connect again."""
    fake.cut_at, fake.cut_answered = step, answered
    try:
        client = await connect(fake.login())
        await client.action("Originate", {"Channel": "x"}, deadline_s=1)
        await client.wait_closed()
    except ConnectionLost as lost:
        assert isinstance(lost.cause, ConnectionError)  # noqa: PT017 - both ends are allowed
    fake.cut_at = None
    async with await connect(fake.login()) as again:
        await again.action("CoreStatus", deadline_s=1)
    assert fake.names().count("Originate") == (step == "Originate")


async def test_a_connection_cut_at_any_byte_of_an_answer_fails_or_answers_once(
    fake: FakeAsterisk,
) -> None:
    for keep in range(0, 60, 7):

        def answer(r: Request, keep: int = keep) -> None:
            r.peer.writer.write(response(r.id, Message="ok")[:keep])
            r.peer.writer.write_eof()

        fake.answer = answer
        client = await connect(fake.login())
        with pytest.raises(ConnectionLost) as raised:
            await client.action("Redirect", deadline_s=5)
        assert raised.value.sent
        await client.aclose()
    assert len(fake.names()) == 9


async def test_forged_frames_are_counted_reported_and_kept_from_subscribers(
    fake: FakeAsterisk,
) -> None:
    troubles: list[Trouble] = []
    monitor = Monitor(troubles.append)
    async with await connect(fake.login(), hub=EventHub(monitor)) as client:
        every = client.subscribe(None, name="test")
        fake.send(b"Event: Hangup\r\nChannel: forged\r\n\r\n" + event("Hangup", Channel="true"))
        assert (await anext(every)).get("Channel") == "true"
    assert monitor.counters.rejected[Rejection.FORGED] == 1
    assert Trouble(TroubleKind.FRAME_REJECTED, "forged") in troubles


async def test_a_burst_leaves_room_for_others_on_the_loop(fake: FakeAsterisk) -> None:
    """Between two rounds of the loop the reader takes only as much as fits into its slice."""
    hub = EventHub(Monitor())
    async with await connect(fake.login(), hub=hub, limits=Limits(read_slice_s=0.0)) as client:
        every = client.subscribe(["Hangup"], name="test", capacity=10_000)
        longest = 0

        async def watch() -> None:
            nonlocal longest
            before = 0
            while len(every) < 5000:
                await asyncio.sleep(0)
                longest, before = max(longest, len(every) - before), len(every)

        watching = asyncio.create_task(watch())
        fake.send(event("Hangup") * 5000)
        async with asyncio.timeout(20):
            await watching
        assert 0 < longest <= 64
        assert hub.monitor.counters.lag_s > 0
