"""When the machine stood still or had nothing left: whoever measures by its clock must know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

BEAT_S = 0.1
LATE_S = 0.05  # a beat that comes so late tells of a stall
SPARE = 0.05  # of the processors' time; with less of it left, work waits for a processor
_STAT = Path("/proc/stat")


@dataclass
class Pulse:
    """Stalls, each from when to when, seconds since 1970."""

    stalls: list[tuple[float, float]] = field(default_factory=list)

    def stood_still(self, first_s: float, last_s: float) -> bool:
        """Whether there was a stall within that time."""
        return any(begun < last_s and ended > first_s for begun, ended in self.stalls)

    async def beat(self) -> None:
        """Feel it until cancelled."""
        idle, total = _spent()
        while True:
            before = time.time()
            await asyncio.sleep(BEAT_S)
            now = time.time()
            idle_before, total_before = idle, total
            idle, total = _spent()
            spare = (idle - idle_before) / max(1, total - total_before)
            if now - before > BEAT_S + LATE_S or spare < SPARE:
                self.stalls.append((before, now))


def _spent() -> tuple[int, int]:
    """Ticks that the processors had nothing to do, and all ticks (proc(5))."""
    first = _STAT.read_text().split("\n", 1)[0]
    ticks = [int(text) for text in first.split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


@asynccontextmanager
async def a_pulse() -> AsyncIterator[Pulse]:
    """Felt for as long as the context lasts."""
    pulse = Pulse()
    beating = asyncio.create_task(pulse.beat())
    try:
        yield pulse
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
