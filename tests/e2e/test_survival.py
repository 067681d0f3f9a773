"""What outlives what: calls the controller, records everything, and nothing is counted twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from maskline.demo import Answer, Behaviour, Call, CallState, Carrier, Ring, sip
from maskline.demo.g711 import Codec
from tests.support.maskline import Maskline, Session, eventually
from tests.support.wiretap import Tap, caller

MakeCarrier = Callable[..., Awaitable[Carrier]]
NUMBERS = ("+74951110001", "+74951110002", "+74951110003")
pytestmark = pytest.mark.timeout(360)


async def _ready(own: Maskline, make_carrier: MakeCarrier) -> Carrier:
    """A running instance with one carrier, its trunk and numbers."""
    await own.start()
    carrier = await make_carrier(own, "carrier-a")
    await own.add_trunk("carrier-a", carrier.host, carrier.port, max_cps=1000, max_channels=2000)
    await own.add_numbers("carrier-a", *NUMBERS)
    return carrier


async def _sessions(own: Maskline, first: int, count: int) -> list[Session]:
    async with own.api():
        return [
            await own.open_session(f"+7916{first + n:07d}", f"+7926{first + n:07d}")
            for n in range(count)
        ]


def _behave(carrier: Carrier, behaviour: Behaviour, sessions: Sequence[Session]) -> None:
    for session in sessions:
        carrier.on_invite(behaviour, number=session.seller)


async def _dial(carrier: Carrier, sessions: Sequence[Session], rate: float) -> list[Call]:
    """The buyers dial, in the order of `sessions`."""
    calls = await carrier.bulk([(one.buyer_dials, one.buyer) for one in sessions], rate=rate)
    order = {one.buyer: place for place, one in enumerate(sessions)}
    return sorted(calls, key=lambda call: order[call.seen_caller])


async def _all_calls(own: Maskline) -> list[Any]:
    async with own.api() as api:
        return [one async for one in api.every("/v1/calls")]


async def _settled(own: Maskline, count: int) -> list[Any]:
    """All call records, once there are `count`; a moment later there must not be more."""
    await eventually(lambda: _all_calls(own), lambda calls: len(calls) >= count, 30)
    await eventually(own.live, lambda live: live == [])
    calls = await _all_calls(own)
    assert len(calls) == count
    assert len({one["call_id"] for one in calls}) == count
    return calls


async def test_kill_9_of_maskline_with_50_calls_up_and_50_being_set_up(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    carrier = await _ready(own, make_carrier)
    sessions = await _sessions(own, 1000, 100)
    up, rising = sessions[:50], sessions[50:]
    _behave(carrier, Answer(ring_ms=100, tone_hz=700), up[:1])
    _behave(carrier, Answer(ring_ms=100, shared=True), up[1:])
    _behave(carrier, Answer(ring_ms=4000, shared=True), rising)
    talking = await carrier.call(up[0].buyer_dials, from_=up[0].buyer, tone_hz=450)
    calls = [talking, *await _dial(carrier, up[1:], rate=25)]
    await asyncio.gather(*(call.wait_up(30) for call in calls))
    [listening] = [one for one in carrier.calls if one.media and not one.is_caller]
    await asyncio.gather(talking.hear(700), listening.hear(450))
    since = asyncio.get_running_loop().time()
    asterisk = own.asterisk_pid

    setting_up = asyncio.create_task(_dial(carrier, rising, rate=50))
    await eventually(lambda: _count(carrier, CallState.RINGING), lambda ringing: ringing >= 20)
    await own.kill_9()
    later = await setting_up
    await asyncio.gather(*(call.until(_decided, 30) for call in later))

    assert [call for call in calls if call.state is not CallState.UP] == []
    await own.start()
    assert own.asterisk_pid == asterisk
    await asyncio.gather(talking.hear(700), listening.hear(450))
    assert max((*talking.heard(since=since).gaps_ms, 0)) <= 100
    answered = [call for call in (*calls, *later) if call.answered]
    live = await eventually(own.live, lambda found: len(found) >= len(answered))
    assert len(live) == len(answered)
    assert {one["state"] for one in live} == {"up"}

    [ours] = [one["call_id"] for one in live if one["session_id"] == up[0].id]
    await own.ask("DELETE", f"/v1/live-calls/{ours}")
    await asyncio.gather(talking.wait_ended(), listening.wait_ended())
    await asyncio.gather(*(call.hang_up(30) for call in answered if call is not talking))

    records = await _settled(own, 100)
    outcomes = Counter(one["outcome"] for one in records)
    assert outcomes["answered"] == len(answered)
    by_session = Counter(one["session_id"] for one in records if one["session_id"])
    assert set(by_session.values()) == {1}
    for session, call in zip((*up, *rising), (*calls, *later), strict=True):
        assert by_session[session.id] == 1 or not call.answered
        entries = await own.history(session.conversation_id)
        assert len(entries) == by_session[session.id]
    assert await own.stop() == 0


async def _count(carrier: Carrier, state: CallState) -> int:
    return sum(1 for call in carrier.calls if call.is_caller and call.state is state)


def _decided(call: Call) -> bool:
    return call.answered or call.state is CallState.ENDED


async def test_offers_that_waited_while_maskline_was_away_are_carried_on(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    own.options = {"route_timeout_s": "30"}
    carrier = await _ready(own, make_carrier)
    [session] = await _sessions(own, 1, 1)
    carrier.on_invite(Answer(tone_hz=700))
    await own.kill_9()
    call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=450)

    await own.start()
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await asyncio.gather(call.hear(700), leg.hear(450))
    await call.hang_up()

    [record] = await _settled(own, 1)
    assert (record["session_id"], record["outcome"]) == (session.id, "answered")
    assert await own.stop() == 0


async def test_without_a_controller_the_caller_is_told_within_the_route_time_out(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    carrier = await _ready(own, make_carrier)
    [session] = await _sessions(own, 1, 1)
    carrier.on_invite(Answer())
    assert own.process is not None
    os.kill(own.process.pid, signal.SIGSTOP)
    try:
        call = await carrier.call(session.buyer_dials, from_=session.buyer)
        begun = asyncio.get_running_loop().time()
        await call.wait_ringing()  # the announcement is early media
        told = asyncio.get_running_loop().time() - begun
        await call.wait_ended(30)
    finally:
        os.kill(own.process.pid, signal.SIGCONT)

    assert 2.5 <= told <= 4.5
    assert call.heard().speech_ms > 1000
    assert call.status in (500, 503)
    assert carrier.incoming_waiting == 0
    [record] = await _settled(own, 1)
    assert (record["outcome"], record["reason"]) == ("failed", "no_controller")
    carrier.on_invite(Answer())
    again = await carrier.call(session.buyer_dials, from_=session.buyer)
    await again.wait_up()
    await again.hang_up()
    assert await own.stop() == 0


async def test_kill_9_of_asterisk(own: Maskline, make_carrier: MakeCarrier) -> None:
    carrier = await _ready(own, make_carrier)
    sessions = await _sessions(own, 1, 21)
    _behave(carrier, Answer(ring_ms=100, shared=True), sessions)
    calls = await _dial(carrier, sessions[:20], rate=20)
    await asyncio.gather(*(call.wait_up(30) for call in calls))
    died = own.asterisk_pid
    assert died is not None

    os.kill(died, signal.SIGKILL)
    await eventually(lambda: _pid(own), lambda pid: pid not in (None, died), 30)
    records = await _settled(own, 20)

    assert {one["session_id"] for one in records} == {one.id for one in sessions[:20]}
    assert {(one["outcome"], one["ended_by"], one["reason"]) for one in records} == {
        ("answered", "system", "node_died")
    }
    fresh = sessions[20]
    again = await carrier.call(fresh.buyer_dials, from_=fresh.buyer)
    await again.wait_up(30)
    await again.hang_up()
    await _settled(own, 21)
    assert await own.stop() == 0


async def _pid(own: Maskline) -> int | None:
    return own.asterisk_pid


async def test_restart_of_everything_ends_calls_and_loses_nothing(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    carrier = await _ready(own, make_carrier)
    sessions = await _sessions(own, 1, 31)
    _behave(carrier, Answer(ring_ms=100, shared=True), sessions[:20])
    _behave(carrier, Ring(shared=True), sessions[20:30])
    calls = await _dial(carrier, sessions[:30], rate=25)
    await asyncio.gather(*(call.wait_up(30) for call in calls[:20]))
    await asyncio.gather(*(call.wait_ringing(30) for call in calls[20:]))

    assert await own.stop() == 0, own.log
    await asyncio.gather(*(call.wait_ended() for call in carrier.calls))
    assert own.asterisk_pid is None

    await own.start()
    records = await _settled(own, 30)
    assert Counter(one["outcome"] for one in records) == {"answered": 20, "missed": 10}
    assert {one["ended_by"] for one in records} == {"system"}
    assert {one["session_id"] for one in records} == {one.id for one in sessions[:30]}
    before = sorted(one["call_id"] for one in records)
    fresh = sessions[30]
    carrier.on_invite(Answer(), number=fresh.seller)
    again = await carrier.call(fresh.buyer_dials, from_=fresh.buyer)
    await again.wait_up()
    await again.hang_up()
    await _settled(own, 31)

    assert await own.stop() == 0
    await own.start()
    after = sorted(one["call_id"] for one in await _all_calls(own))
    assert len(after) == 31
    assert set(before) < set(after)
    assert await own.stop() == 0


async def test_a_stop_hears_a_carrier_out_that_was_ringing(own: Maskline) -> None:
    """Its 487 is acknowledged: it would be sent again for half a minute."""
    await own.start()
    async with await Tap.open(own.sip_address) as carrier:
        await own.add_trunk("carrier-a", carrier.host, carrier.port)
        await own.add_numbers("carrier-a", *NUMBERS)
        [session] = await _sessions(own, 1, 1)
        sender = f"<sip:{session.buyer}@carrier.example>"
        buyer = await caller(carrier, session.buyer_dials, sender=sender, tone_hz=450)
        offer = sip.sdp(carrier.host, buyer.media.port, (Codec.ALAW,))
        buyer.send("INVITE", ("Content-Type: application/sdp",), offer)
        invite = await carrier.invite()
        carrier.send(carrier.answer(invite, "180 Ringing", tag="far"))
        await eventually(own.live, lambda live: [one["state"] for one in live] == ["ringing"])

        stopping = asyncio.create_task(own.stop())
        await carrier.take(lambda one: one.method == "CANCEL")
        await asyncio.sleep(0.8)  # the way to the carrier and back
        carrier.send(carrier.answer(invite, "487 Request Terminated", tag="far"))
        await carrier.take(lambda one: one.method == "ACK" and one.call_id == invite.call_id)

        assert await stopping == 0, own.log
        await buyer.media.close()


async def test_two_instances_side_by_side(
    own: Maskline, make_carrier: MakeCarrier, tmp_path: Path
) -> None:
    other = Maskline(tmp_path / "other" / "data")
    try:
        here = await _ready(own, make_carrier)
        there = await _ready(other, make_carrier)
        [mine] = await _sessions(own, 1, 1)
        [theirs] = await _sessions(other, 1, 1)
        here.on_invite(Answer(tone_hz=700))
        there.on_invite(Answer(tone_hz=800))
        one = await here.call(mine.buyer_dials, from_=mine.buyer, tone_hz=450)
        two = await there.call(theirs.buyer_dials, from_=theirs.buyer, tone_hz=550)
        await asyncio.gather(one.hear(700), two.hear(800))

        await other.kill()
        since = asyncio.get_running_loop().time()
        await one.hear(700, 1000)
        assert max((*one.heard(since=since).gaps_ms, 0)) <= 60
        await one.hang_up()
        await _settled(own, 1)
        assert await own.stop() == 0
    finally:
        await other.kill()


async def test_a_call_that_is_up_ends_by_itself_before_a_stop_that_may_wait(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    own.options = {"drain_s": "120"}
    carrier = await _ready(own, make_carrier)
    first, second = await _sessions(own, 1, 2)
    carrier.on_invite(Answer(tone_hz=700))
    call = await carrier.call(first.buyer_dials, from_=first.buyer, tone_hz=450)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    assert own.process is not None
    own.process.terminate()
    await eventually(lambda: _logged(own, "no call is begun any more"), bool)

    late = await carrier.call(second.buyer_dials, from_=second.buyer)
    await late.wait_ended()
    assert late.status == 503
    await asyncio.gather(call.hear(700), leg.hear(450))
    await call.hang_up()
    async with asyncio.timeout(40):
        assert await own.process.wait() == 0

    await own.start()
    [record] = await own.recorded(first)
    assert (record["outcome"], record["ended_by"]) == ("answered", "caller")
    assert await own.stop() == 0


async def _logged(own: Maskline, text: str) -> bool:
    return text in own.log
