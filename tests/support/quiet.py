"""Between two tests that share a Maskline: whatever calls the first one left are ended.

A test that has failed leaves calls anywhere: one that waits rings in the test after it. Costs one
request where nothing is left. No judge: what a test has to see ended, it waits for by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from maskline.demo import Call, CallState, Carrier
from maskline.demo.errors import DemoError
from maskline.errors import CommandRefused
from tests.support.maskline import Maskline

QUIET_S: Final = 30.0
_HANG_UP_S: Final = 5.0  # then it is tried again, by the node


async def make_quiet(maskline: Maskline, *carriers: Carrier) -> None:
    """End every call at the node and at the phones, and forget legs that nobody took.

    A Maskline that was left dead is started. Raises AssertionError where it does not get quiet.
    """
    assert maskline.process is not None
    if maskline.process.returncode is not None:
        await maskline.start()
    left: list[str] = []
    try:
        async with asyncio.timeout(QUIET_S):
            while left := await _end(maskline, carriers):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not quiet within {QUIET_S} s: {left}") from None
    for carrier in carriers:
        while carrier.incoming_waiting:
            await carrier.incoming()


async def _end(maskline: Maskline, carriers: tuple[Carrier, ...]) -> list[str]:
    """Have what is left end; what it was."""
    live = [one["call_id"] for one in await maskline.live()]
    calls = [call for carrier in carriers for call in carrier.calls if _is_left(call)]
    ways: list[Coroutine[Any, Any, None]] = [_hang_up(call) for call in calls]
    ways += [_hang_up_there(maskline, call_id) for call_id in live]
    await asyncio.gather(*ways)
    return [*live, *(call.story() for call in calls)]


def _is_left(call: Call) -> bool:
    """Whether it lasts. One that its phone never took up is the node's alone."""
    return call.state is not CallState.ENDED and (
        call.is_caller or call.state is not CallState.DIALLING
    )


async def _hang_up(call: Call) -> None:
    try:
        if call.state is CallState.UP:
            await call.hang_up(_HANG_UP_S)
        elif not call.is_caller:
            await call.reject(480, "Temporarily Unavailable", _HANG_UP_S)
        elif call.state is not CallState.DIALLING:
            await call.cancel(_HANG_UP_S)
    except DemoError:
        return  # it was on its way to somewhere else: looked at again


async def _hang_up_there(maskline: Maskline, call_id: str) -> None:
    try:
        await maskline.ask("DELETE", f"/v1/live-calls/{call_id}")
    except CommandRefused:
        return  # it has ended meanwhile
