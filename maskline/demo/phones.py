"""Acts out what a phone of the simulated carrier does when it is rung. Knows nothing of sockets."""

from __future__ import annotations

from typing import assert_never

from maskline.demo.behaviour import Answer, Behaviour, Manual, Reject, Ring, Silence, Trying
from maskline.demo.call import Call
from maskline.demo.errors import NotReached
from maskline.demo.spec import CallState


async def act(call: Call, behaviour: Behaviour) -> None:
    """Do what `behaviour` says, as far as the call lasts. Raises NotReached when SIPp is stuck."""
    try:
        match behaviour:
            case Answer():
                await _answer(call, behaviour)
            case Reject():
                await _reject(call, behaviour)
            case Ring():
                await call.ring()
            case Trying() | Manual() | Silence():
                pass
            case _:
                assert_never(behaviour)
    except NotReached:
        if call.state is not CallState.ENDED and not call.cancelled:
            raise


async def _answer(call: Call, behaviour: Answer) -> None:
    if behaviour.ring_ms:
        await (call.progress() if behaviour.early else call.ring())
        await _pause(call, behaviour.ring_ms)
    if _is_over(call):
        return
    await call.answer()
    if behaviour.hold_ms is not None:
        await _pause(call, behaviour.hold_ms)
        await call.hang_up()


async def _reject(call: Call, behaviour: Reject) -> None:
    if behaviour.ring_ms:
        await call.ring()
        await _pause(call, behaviour.ring_ms)
    if not _is_over(call):
        await call.reject(behaviour.status, behaviour.phrase)


async def _pause(call: Call, ms: int) -> None:
    """`ms`, or less when the call is over before."""
    try:
        await call.until(_is_over, ms / 1000)
    except NotReached:
        return


def _is_over(call: Call) -> bool:
    return call.state is CallState.ENDED or call.cancelled
