"""A test that leaves calls behind, as one that has failed does, is not the next one's trouble."""

from __future__ import annotations

from collections.abc import Iterator

from maskline.demo import Answer, Behaviour, Call, CallState, Carrier, Ring, Trying
from tests.support.maskline import Maskline, eventually
from tests.support.quiet import make_quiet


async def test_calls_that_were_left_are_ended_at_both_ends_and_at_the_node(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    calls = [
        await _left(shared, carrier, phone, behaviour)
        for behaviour in (Answer(), Ring(), Trying(), Answer(ring_ms=60_000))
    ]
    await calls[0].wait_up()
    await eventually(shared.live, lambda live: len(live) == len(calls))

    await make_quiet(shared, carrier)

    assert await shared.live() == []
    assert {call.state for call in calls} == {CallState.ENDED}
    assert carrier.incoming_waiting == 0
    assert [call.story() for call in carrier.calls if call.state is CallState.UP] == []


async def test_a_maskline_that_was_left_dead_is_started(
    own: Maskline,
) -> None:
    await own.start()
    await own.kill_9()

    await make_quiet(own)

    assert await own.live() == []
    assert await own.stop() == 0


async def _left(
    shared: Maskline, carrier: Carrier, phone: Iterator[str], behaviour: Behaviour
) -> Call:
    """A call to somebody who behaves so; nobody looks after it."""
    session = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(behaviour, number=session.seller)
    return await carrier.call(session.buyer_dials, from_=session.buyer)
