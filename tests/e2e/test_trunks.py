"""Trunks: failover, caps, and changes while calls are up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from maskline.demo import Answer, Call, Carrier, Reject
from tests.support.maskline import Maskline, Session, eventually

MakeCarrier = Callable[..., Awaitable[Carrier]]
NEXT_TRUNK = [403, 408, 500, 503, 504]
NO_NEXT_TRUNK = [404, 480, 486, 600, 603]


async def _steps(shared: Maskline, session: Session) -> list[tuple[str, int | None]]:
    [record] = await shared.recorded(session)
    return [
        (step["trunk"], step["sip_status"])
        for attempt in record["attempts"]
        for step in attempt["steps"]
    ]


async def _up(carrier: Carrier, session: Session, out: Carrier | None = None) -> tuple[Call, Call]:
    """A call from buyer to seller that is up."""
    (out or carrier).on_invite(Answer(tone_hz=700), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=450)
    leg = await (out or carrier).incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    return call, leg


async def _backup(shared: Maskline, make_carrier: MakeCarrier) -> Carrier:
    """A second carrier that takes what the first one does not."""
    backup = await make_carrier(shared, "backup")
    await shared.add_trunk("backup", backup.host, backup.port, inbound=False, priority=200)
    return backup


@pytest.mark.parametrize("status", NEXT_TRUNK)
async def test_a_failing_trunk_is_followed_by_the_next(
    shared: Maskline, carrier: Carrier, make_carrier: MakeCarrier, phone: Iterator[str], status: int
) -> None:
    backup = await _backup(shared, make_carrier)
    try:
        session = await shared.open_session(next(phone), next(phone))
        carrier.on_invite(Reject(status, "No"), number=session.seller)
        backup.on_invite(Answer(tone_hz=700), number=session.seller)

        call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=450)
        await carrier.incoming()
        leg = await backup.incoming()
        await asyncio.gather(call.wait_up(), leg.wait_up())
        await asyncio.gather(call.hear(700), leg.hear(450))
        await call.hang_up()

        assert leg.seen_caller == session.seller_dials
        assert await _steps(shared, session) == [("carrier-a", status), ("backup", None)]
    finally:
        await shared.ask("DELETE", "/v1/trunks/backup")


@pytest.mark.parametrize("status", NO_NEXT_TRUNK)
async def test_the_callees_own_word_ends_the_attempt(
    shared: Maskline, carrier: Carrier, make_carrier: MakeCarrier, phone: Iterator[str], status: int
) -> None:
    backup = await _backup(shared, make_carrier)
    try:
        session = await shared.open_session(next(phone), next(phone))
        carrier.on_invite(Reject(status, "No"), number=session.seller)

        call = await carrier.call(session.buyer_dials, from_=session.buyer)
        await carrier.incoming()
        await call.wait_ended(30)

        assert backup.incoming_waiting == 0
        assert await _steps(shared, session) == [("carrier-a", status)]
    finally:
        await shared.ask("DELETE", "/v1/trunks/backup")


async def test_a_carrier_that_is_not_there_is_followed_by_the_next(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    await own.start()
    here = await make_carrier(own, "here")
    await own.add_trunk("here", here.host, here.port, outbound=False)
    await own.add_trunk("gone", "127.0.0.119", 5099, inbound=False, priority=1)
    backup = await make_carrier(own, "backup")
    await own.add_trunk("backup", backup.host, backup.port, inbound=False, priority=2)
    await own.add_numbers("here", "+74951110001", "+74951110002")
    session = await own.open_session("+79160000001", "+79160000002")
    backup.on_invite(Answer(tone_hz=700))

    call = await here.call(session.buyer_dials, from_=session.buyer, tone_hz=450)
    leg = await backup.incoming(30)
    await asyncio.gather(call.wait_up(30), leg.wait_up())
    await asyncio.gather(call.hear(700), leg.hear(450))
    await call.hang_up()

    steps = await _steps(own, session)
    assert [trunk for trunk, _ in steps] == ["gone", "backup"]
    assert await own.stop() == 0


async def test_a_click_rings_its_first_side_over_the_next_trunk(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    """The best one is known not to be there: no channel can be made over it."""
    await own.start()
    backup = await make_carrier(own, "backup")
    await own.add_trunk("here", "127.0.0.118", outbound=False)
    await own.add_trunk(
        "gone", "127.0.0.119", 5099, inbound=False, priority=1, options_interval_s=10
    )
    await own.add_trunk("backup", backup.host, backup.port, inbound=False, priority=2)
    await own.add_numbers("here", "+74951110001", "+74951110002")
    session = await own.open_session("+79160000001", "+79160000002")
    backup.on_invite(Answer(tone_hz=700))
    await asyncio.sleep(5)  # an OPTIONS is waited for so long as 2 s: now it is known

    await own.ask("POST", f"/v1/sessions/{session.id}/calls", {"from": session.buyer_id})
    mine = await backup.incoming()
    assert mine.dialled == session.buyer
    theirs = await backup.incoming()
    assert theirs.dialled == session.seller
    await asyncio.gather(mine.wait_up(), theirs.wait_up())
    await mine.hang_up()
    assert await own.stop() == 0


async def test_a_full_trunk_takes_no_more_calls_until_one_ends(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    await own.start()
    carrier = await make_carrier(own, "small")
    await own.add_trunk("small", carrier.host, carrier.port, max_channels=2)
    await own.add_numbers("small", "+74951110001", "+74951110002")
    one = await own.open_session("+79160000001", "+79160000002")
    two = await own.open_session("+79160000003", "+79160000004")
    call, _ = await _up(carrier, one)  # one call in and one out: two channels

    refused = await carrier.call(two.buyer_dials, from_=two.buyer)
    await refused.wait_ended(30)

    assert refused.status == 503
    [record] = await own.recorded(two)
    assert (record["outcome"], record["reason"]) == ("failed", "trunk_full")
    await call.hang_up()
    await eventually(own.live, lambda live: live == [])
    again, _ = await _up(carrier, two)
    await again.hang_up()
    assert await own.stop() == 0


async def test_a_trunk_sets_up_no_more_calls_a_second_than_it_may(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    await own.start()
    carrier = await make_carrier(own, "slow")
    await own.add_trunk("slow", carrier.host, carrier.port, max_cps=4)
    await own.add_numbers("slow", "+74951110001", "+74951110002")
    carrier.on_invite(Answer(ring_ms=100, shared=True))
    sessions = [await own.open_session(f"+7916100000{n}", f"+7916200000{n}") for n in range(8)]

    calls = await carrier.bulk([(one.buyer_dials, one.buyer) for one in sessions], rate=50)
    await asyncio.gather(
        *(call.until(lambda c: c.answered or c.status >= 300, 30) for call in calls)
    )

    # Each call takes one set-up on its way in and one on its way out.
    assert sum(call.answered for call in calls) == 2
    assert {call.status for call in calls if not call.answered} == {503}
    await asyncio.gather(*(call.hang_up() for call in calls if call.answered))
    assert await own.stop() == 0


async def test_trunks_change_under_a_call_that_is_up(
    shared: Maskline, carrier: Carrier, make_carrier: MakeCarrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    call, leg = await _up(carrier, session)
    since = asyncio.get_running_loop().time()

    second = await make_carrier(shared, "second")
    await shared.add_trunk("second", second.host, second.port, priority=300)
    other = await shared.open_session(next(phone), next(phone))
    second.on_invite(Answer(), number=other.seller)
    carrier.on_invite(Answer(), number=other.seller)
    through = await second.call(other.buyer_dials, from_=other.buyer)  # at once: no restart
    await carrier.incoming()
    await through.wait_up()
    await through.hang_up()

    await shared.ask("PATCH", "/v1/trunks/second", {"enabled": False})
    refused = await second.call(other.buyer_dials, from_=other.buyer)
    await refused.wait_ended()
    assert refused.status in (401, 403, 404)

    await shared.ask("DELETE", "/v1/trunks/second")
    names = {one["name"] for one in (await shared.ask("GET", "/v1/trunks"))["items"]}
    assert "carrier-a" in names
    assert "second" not in names

    await asyncio.gather(call.hear(700), leg.hear(450))
    assert max((*call.heard(since=since).gaps_ms, 0)) <= 60
    await call.hang_up()
    await leg.wait_ended()
    await shared.recorded(session)


async def test_a_call_outlives_its_own_trunk(own: Maskline, make_carrier: MakeCarrier) -> None:
    await own.start()
    carrier = await make_carrier(own, "short-lived")
    await own.add_trunk("short-lived", carrier.host, carrier.port)
    await own.add_numbers("short-lived", "+74951110001", "+74951110002")
    session = await own.open_session("+79160000001", "+79160000002")
    call, leg = await _up(carrier, session)

    await own.ask("PATCH", "/v1/trunks/short-lived", {"enabled": False})
    await asyncio.gather(call.hear(700, 500), leg.hear(450, 500))
    await call.hang_up()
    await leg.wait_ended()

    [record] = await own.recorded(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "caller")
    assert await own.stop() == 0
