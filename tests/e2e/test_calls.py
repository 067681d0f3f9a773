"""Calls between two phones, as both phones, history and call log have them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from maskline.demo import Answer, Call, Carrier, Manual, Reject, Ring, Silence, Trying
from tests.support.maskline import Maskline, Session, eventually

BUYERS, SELLERS = 450, 700  # Hz


async def _session(shared: Maskline, phone: Iterator[str]) -> Session:
    return await shared.open_session(next(phone), next(phone))


async def _take(carrier: Carrier, session: Session) -> Call:
    """The leg that rings a phone of the session; others' are not ours to take."""
    leg = await carrier.incoming()
    assert leg.dialled in (session.buyer, session.seller)
    return leg


async def test_the_buyer_calls_and_both_hear_each_other(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Answer(ring_ms=300, tone_hz=SELLERS), number=session.seller)

    call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=BUYERS)
    leg = await _take(carrier, session)
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await asyncio.gather(call.hear(SELLERS, 1000), leg.hear(BUYERS, 1000))
    [live] = [one for one in await shared.live() if one["session_id"] == session.id]
    assert live["state"] == "up"
    await call.hang_up()
    await leg.wait_ended()

    assert leg.dialled == session.seller
    assert leg.seen_caller == session.seller_dials
    assert leg.invite.user("p-asserted-identity") == session.seller_dials
    assert session.buyer[1:].encode() not in leg.received_bytes
    assert session.seller[1:].encode() not in call.received_bytes
    [record] = await shared.recorded(session)
    assert record["outcome"] == "answered"
    assert record["ended_by"] == "caller"
    assert record["cause"] == 16
    assert (record["number_in"], record["number_out"]) == (
        session.buyer_dials,
        session.seller_dials,
    )
    assert (record["trunk_in"], record["trunk_out"]) == ("carrier-a", "carrier-a")
    assert 0.9 <= record["talk_s"] <= 10
    assert 0.2 <= record["ring_s"] <= 3
    assert {leg["side"] for leg in record["legs"]} == {"caller", "callee"}


async def test_the_seller_calls_back_and_hangs_up(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Answer(tone_hz=BUYERS), number=session.buyer)

    call = await carrier.call(session.seller_dials, from_=session.seller, tone_hz=SELLERS)
    leg = await _take(carrier, session)
    await asyncio.gather(call.hear(BUYERS), leg.hear(SELLERS))
    await leg.hang_up()
    await call.wait_ended()

    assert leg.seen_caller == session.buyer_dials
    [record] = await shared.recorded(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")
    assert (record["caller"]["role"], record["callee"]["role"]) == ("seller", "buyer")


async def test_one_call_is_one_entry_in_history_and_in_each_call_log(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Answer(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await _take(carrier, session)
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await call.hang_up()
    [record] = await shared.recorded(session)

    [entry] = await shared.history(session.conversation_id)
    [callees] = await shared.call_log(session.seller_id)
    [callers] = await shared.call_log(session.buyer_id)
    assert {entry["call_id"], callees["call_id"], callers["call_id"]} == {record["call_id"]}
    assert (callees["direction"], callers["direction"]) == ("in", "out")
    assert callees["card"]["name"] == "Anna"


@pytest.mark.parametrize(
    ("behaviour", "outcome", "heard_status"),
    [
        pytest.param(Reject(486, "Busy Here"), "busy", 486, id="busy"),
        pytest.param(
            Reject(600, "Busy Everywhere", ring_ms=200), "busy", 486, id="busy-everywhere"
        ),
        pytest.param(Reject(603, "Decline", ring_ms=200), "declined", 403, id="declined"),
        pytest.param(Reject(404, "Not Found"), "unreachable", None, id="no-such-phone"),
        pytest.param(
            Reject(480, "Temporarily Unavailable"), "unreachable", None, id="switched-off"
        ),
    ],
)
async def test_the_callee_cannot_or_will_not_talk(
    shared: Maskline,
    carrier: Carrier,
    phone: Iterator[str],
    behaviour: Reject,
    outcome: str,
    heard_status: int | None,
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(behaviour, number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    await _take(carrier, session)
    await call.wait_ended(30)

    assert not call.answered
    if heard_status is not None:
        assert call.status == heard_status
    [record] = await shared.recorded(session)
    assert record["outcome"] == outcome
    assert record["talk_s"] == 0
    steps = [step for attempt in record["attempts"] for step in attempt["steps"]]
    assert [step["sip_status"] for step in steps] == [behaviour.status]


async def test_the_caller_gives_up_while_it_rings(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Ring(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await _take(carrier, session)
    await call.wait_ringing()
    await call.cancel()
    await leg.wait_ended()

    assert leg.cancelled
    [record] = await shared.recorded(session)
    assert (record["outcome"], record["ended_by"]) == ("missed", "caller")
    [missed] = await shared.call_log(session.seller_id)
    assert (missed["outcome"], missed["unread"]) == ("missed", True)


async def test_the_caller_gives_up_before_it_rings(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Trying(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await _take(carrier, session)
    await call.cancel()
    await leg.wait_ended()

    assert leg.cancelled
    assert not call.rang
    [record] = await shared.recorded(session)
    assert record["outcome"] == "cancelled"
    assert await shared.call_log(session.seller_id) == []


async def test_nobody_answers_within_the_pools_ring_time(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    await shared.ask("PUT", "/v1/pools/short", {"ring_s": 5})
    await shared.add_numbers("carrier-a", "+74951110071", "+74951110072", pool="short")
    session = await shared.open_session(next(phone), next(phone), pool="short")
    carrier.on_invite(Ring(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await _take(carrier, session)
    await call.wait_ended(30)

    await leg.wait_ended(30)
    assert leg.cancelled
    [record] = await shared.recorded(session)
    assert (record["outcome"], record["ended_by"]) == ("missed", "system")
    assert 4.5 <= record["ring_s"] <= 6.5


async def test_early_audio_of_the_callees_network_is_heard(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Manual(tone_hz=SELLERS), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=BUYERS)
    leg = await _take(carrier, session)
    await leg.progress()
    await call.hear(SELLERS)
    assert not call.answered
    await leg.answer()
    await call.wait_up()
    await leg.hear(BUYERS)
    await call.hang_up()
    await leg.wait_ended()
    [record] = await shared.recorded(session)
    assert record["outcome"] == "answered"


async def test_a_call_that_is_up_can_be_ended_over_http(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Answer(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await _take(carrier, session)
    await asyncio.gather(call.wait_up(), leg.wait_up())

    async def ours() -> list[str]:
        live = await shared.live()
        return [one["call_id"] for one in live if one["session_id"] == session.id]

    [call_id] = await eventually(ours, bool)
    await shared.ask("DELETE", f"/v1/live-calls/{call_id}")
    await asyncio.gather(call.wait_ended(), leg.wait_ended())
    [record] = await shared.recorded(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "system")
    assert await ours() == []


async def test_a_mute_carrier_does_not_hold_the_caller_for_ever(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await _session(shared, phone)
    carrier.on_invite(Silence(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    await _take(carrier, session)
    await call.wait_ended(40)

    assert not call.answered
    [record] = await shared.recorded(session)
    assert record["outcome"] in ("unreachable", "failed")
    assert record["talk_s"] == 0
