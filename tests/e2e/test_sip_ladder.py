"""The SIP ladder: every message of every leg of a call is kept, in order, and no phone in clear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from masking.plan import Channel
from maskline.demo import Answer, Call, Carrier, Manual, Reject
from maskline.demo.sip import Message
from storage import open_database, sip_messages
from storage.sip_messages import Talk
from storage.vault import Vault
from telephony.hep.glimpse import without_secrets
from tests.support.maskline import Maskline, Session, eventually, user_id
from tests.support.raw_app import Credentials, RawApp


async def ladder(maskline: Maskline, call_id: str) -> list[Talk]:
    """What is kept of a call."""
    vault = Vault.from_file(maskline.data / "vault.key")
    database = open_database(f"sqlite:///{maskline.data / 'maskline.db'}")
    try:
        rows = await database.read(lambda conn: sip_messages.of_call(conn, call_id))
    finally:
        await database.close()
    return [sip_messages.opened(vault, row) for row in rows]


async def whole(maskline: Maskline, session: Session, *legs: Call) -> list[Talk]:
    """The ladder of the session's one call, once it says as much as its legs saw."""
    [record] = await maskline.recorded(session)
    seen = sum(len(messages) for leg in legs for messages in saw(leg))

    def is_whole(talks: list[Talk]) -> bool:
        return sum(len(talk.messages) for talk in talks) >= seen

    talks: list[Talk] = await eventually(
        lambda: ladder(maskline, record["call_id"]), is_whole, 20.0
    )
    for number, leg in enumerate(legs):
        assert said(talks, number) == saw(leg)
    assert {talk.leg for talk in talks} == set(range(len(legs)))
    return talks


def said(talks: list[Talk], leg: int) -> tuple[list[str], list[str]]:
    """What the node sent and received on a leg, in order."""
    messages = [one for talk in talks if talk.leg == leg for one in talk.messages]
    assert messages == sorted(messages, key=lambda one: one.at_us)
    return ([m.text for m in messages if m.sent], [m.text for m in messages if not m.sent])


def saw(call: Call) -> tuple[list[str], list[str]]:
    """What SIPp received and sent in a call, in order."""
    return ([m.raw.decode() for m in call.received], [m.raw.decode() for m in call.sent])


def lines(talks: list[Talk]) -> list[str]:
    """Every message of all legs in order, its repetitions left out: leg, direction, what it is."""
    messages = [(one, talk.leg) for talk in talks for one in talk.messages]
    messages.sort(key=lambda pair: pair[0].at_us)
    first = dict.fromkeys((leg, one.sent, one.text) for one, leg in messages)
    return [
        f"{leg} {'>' if sent else '<'} {text.removeprefix('SIP/2.0 ').split()[0]}"
        for leg, sent, text in first
    ]


async def test_every_message_that_sipp_saw_stands_in_the_ladder_in_order(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Answer(ring_ms=300), number=session.seller)

    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await asyncio.sleep(2)  # a talk: its end is a row of its own
    await call.hang_up()
    await leg.wait_ended()

    talks = await whole(shared, session, call, leg)
    assert {(talk.channel, talk.trunk) for talk in talks} == {(Channel.GSM, "carrier-a")}
    assert len(talks) > 2, "a call's end is not waited for"
    # Who hears what before whom: what is between 200 and ACK on either leg is nobody's promise.
    story = lines(talks)
    told = [one for one in story if one.split()[2] in ("INVITE", "180", "200", "BYE")]
    assert told == [
        *("0 < INVITE", "1 > INVITE", "1 < 180", "0 > 180", "1 < 200", "0 > 200"),
        *("0 < BYE", "0 > 200", "1 > BYE", "1 < 200"),
    ]


async def test_a_leg_that_is_refused_and_a_caller_who_gives_up_stand_in_it(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    busy = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Reject(486), number=busy.seller)
    call = await carrier.call(busy.buyer_dials, from_=busy.buyer)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_ended(), leg.wait_ended())
    talks = await whole(shared, busy, call, leg)
    assert "1 < 486" in lines(talks)

    left = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Manual(), number=left.seller)
    call = await carrier.call(left.buyer_dials, from_=left.buyer)
    leg = await carrier.incoming()
    await leg.ring()
    await call.wait_ringing()
    await call.cancel()
    await leg.wait_ended()
    talks = await whole(shared, left, call, leg)
    assert [one for one in lines(talks) if "CANCEL" in one] == ["0 < CANCEL", "1 > CANCEL"]


async def test_calls_at_once_of_one_session_are_told_apart(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Answer(ring_ms=200), number=session.seller)
    calls = [await carrier.call(session.buyer_dials, from_=session.buyer) for _ in range(3)]
    legs = [await carrier.incoming() for _ in calls]
    await asyncio.gather(*(one.wait_up() for one in (*calls, *legs)))
    for one in calls:
        await one.hang_up()
    await asyncio.gather(*(one.wait_ended() for one in legs))
    records = await shared.recorded(session, 3)

    for record in records:
        talks = await eventually(
            lambda: ladder(shared, record["call_id"]),  # noqa: B023 (awaited in the same round)
            lambda found: len({t.leg for t in found}) == 2 and lines(found).count("1 < 200") == 2,
            20.0,
        )
        assert any(said(talks, 0) == saw(one) for one in calls)
        assert any(said(talks, 1) == saw(one) for one in legs)


async def test_no_phone_stands_in_the_database_and_what_is_searched_finds_the_call(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Reject(486), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_ended(), leg.wait_ended())
    talks = await whole(shared, session, call, leg)
    text = "".join(one.text for talk in talks for one in talk.messages)
    assert session.buyer in text
    assert session.seller in text

    files = b"".join(one.read_bytes() for one in shared.data.glob("maskline.db*"))
    for one in (session.buyer, session.seller):
        assert one[1:].encode() not in files
        assert one[2:].encode() not in files
    assert b":status: 486" in files


@asynccontextmanager
async def in_browser(maskline: Maskline, phone: str) -> AsyncIterator[RawApp]:
    """Somebody's app at a WebSocket, registered."""
    path = f"/v1/users/{user_id(phone)}/app-credentials"
    given = await maskline.ask("POST", path, {"transport": "webrtc"})
    who = Credentials(given["username"], given["password"])
    async with RawApp.over_ws(who, given["ws_url"]) as app:
        assert (await app.register()).status == 200
        app.received.clear()
        yield app


@pytest.mark.usefixtures("carrier_a")  # a session needs a pool
async def test_a_call_between_apps_stands_in_it_whole_though_it_came_by_websocket(
    shared: Maskline, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone), channel_policy="app_only")
    async with (
        in_browser(shared, session.buyer) as buyer,
        in_browser(shared, session.seller) as seller,
    ):

        async def decline() -> None:
            await seller.reply(await seller.request("INVITE"), "486 Busy Here")
            await seller.request("ACK")

        declining = asyncio.create_task(decline())
        mine = f"<sip:{buyer.credentials.username}@maskline>"
        contact = (f"Contact: <{buyer.contact}>",)
        uri = f"sip:{session.id}@maskline"
        answer = await buyer.ask("INVITE", uri, to=f"<{uri}>", from_=mine, headers=contact)
        await declining
        assert answer.status == 486

        def is_whole(talks: list[Talk]) -> bool:
            return lines(talks).count("1 > ACK") == 1 and lines(talks).count("0 < ACK") == 2

        [record] = await shared.recorded(session)
        talks: list[Talk] = await eventually(
            lambda: ladder(shared, record["call_id"]), is_whole, 20.0
        )
    assert {(talk.channel, talk.trunk) for talk in talks} == {(Channel.APP, None)}
    for leg, app in enumerate((buyer, seller)):
        got = [one.raw for one in app.received if _of_calls(one)]
        assert said(talks, leg)[0] == [without_secrets(one).decode() for one in got]
    told = [one for one in lines(talks) if one.split()[2] in ("INVITE", "401", "486")]
    assert told == ["0 < INVITE", "0 > 401", "0 < INVITE", "1 > INVITE", "1 < 486", "0 > 486"]


def _of_calls(message: Message) -> bool:
    return message.header("cseq").split()[1] in ("INVITE", "ACK")


async def test_after_a_controller_died_the_next_one_hears_its_node_again(
    own: Maskline, make_carrier: Callable[..., Awaitable[Carrier]], phone: Iterator[str]
) -> None:
    await own.start()
    carrier = await make_carrier(own)
    await own.add_trunk("carrier-a", carrier.host, carrier.port, max_cps=200)
    await own.add_numbers("carrier-a", "+74951110007", "+74951110008")
    asterisk = own.asterisk_pid
    await own.kill_9()
    await own.start()
    assert own.asterisk_pid == asterisk, "the node was taken over"

    session = await own.open_session(next(phone), next(phone))
    carrier.on_invite(Reject(486), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_ended(), leg.wait_ended())
    await whole(own, session, call, leg)


async def test_switched_off_nothing_is_kept_and_calls_go_on(
    own: Maskline, make_carrier: Callable[..., Awaitable[Carrier]], phone: Iterator[str]
) -> None:
    own.options["sip_ladder"] = "false"
    await own.start()
    carrier = await make_carrier(own)
    await own.add_trunk("carrier-a", carrier.host, carrier.port, max_cps=200)
    await own.add_numbers("carrier-a", "+74951110007", "+74951110008")
    session = await own.open_session(next(phone), next(phone))
    carrier.on_invite(Reject(486), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    await call.wait_ended()
    [record] = await own.recorded(session)
    assert await own.stop() == 0
    assert await ladder(own, record["call_id"]) == []
