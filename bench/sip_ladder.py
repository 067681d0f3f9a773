"""What the SIP ladder costs: the same calls through a Maskline that keeps it and one that does not.

`python -m bench.sip_ladder`

Alternating rounds at 30 set-ups a second, on two Masklines that differ in `sip_ladder` alone:
Asterisk's CPU a call, Maskline's own CPU a call (until the last record is written), and the delay
until it rings. Fails if a call fails, a message is dropped, or the ladder adds more than 10 % to
Asterisk's CPU or a tenth of a millisecond to the median delay.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from bench.calls import CALLEES, CALLERS, Bench, Round, asterisk, own
from bench.sipp_load import callees
from tests.support.maskline import Maskline, sipp_command

RATE, SECONDS, WARM_UP_S, ROUNDS = 30.0, 10.0, 3.0, 4
MOST_ADDED, MOST_LATER_MS = 0.10, 0.1
_COUNTED = re.compile(r"sip_messages_(\w+)_total\S* (\d+)")


async def main() -> int:
    """Run all and print the table; 1 if a bound is broken."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as text:
        folder = Path(text)
        sides = {
            wanted: Maskline(
                folder / f"ladder-{wanted}" / "data",
                rtp=rtp,
                options={"max_calls": "5000", "sip_ladder": wanted},
            )
            for wanted, rtp in (("true", "20000-24999"), ("false", "25000-29999"))
        }
        try:
            benches = {wanted: await _ready(one) for wanted, one in sides.items()}
            async with callees(sipp_command(), *CALLEES, folder / "callees"):
                rounds = await _rounds(benches)
            dropped = await _dropped(sides["true"])
            kept = _kept(sides["true"])
        finally:
            for one in sides.values():
                await one.stop()
                await one.kill()
    return _judge(rounds, dropped, kept)


async def _ready(maskline: Maskline) -> Bench:
    await maskline.start()
    limits: dict[str, Any] = {"max_channels": 10_000, "max_cps": 1_000}
    for name, address in (("callers", CALLERS), ("callees", CALLEES)):
        await maskline.add_trunk(name, *address, outbound=name == "callees", **limits)
    await maskline.add_numbers("callees", *(f"+7495{n:07d}" for n in range(10)))
    bench = Bench(maskline, {})
    await bench.provision()
    return bench


async def _rounds(benches: dict[str, Bench]) -> dict[str, list[Round]]:
    rounds: dict[str, list[Round]] = {wanted: [] for wanted in benches}
    for number in range(ROUNDS + 1):
        turn = list(benches.items())[:: 1 if number % 2 else -1]
        for wanted, bench in turn:
            one = await bench.masked(RATE, SECONDS if number else WARM_UP_S)
            await asyncio.sleep(3)  # what is held of its messages is written
            if number:
                rounds[wanted].append(one)
    return rounds


async def _dropped(maskline: Maskline) -> int:
    async with (
        ClientSession() as session,
        session.get(f"http://{maskline.http}/metrics") as answer,
    ):
        counted = dict(_COUNTED.findall(await answer.text()))
    print("messages:", ", ".join(f"{name} {count}" for name, count in counted.items()))
    return int(counted["dropped"])


def _kept(maskline: Maskline) -> tuple[int, int, int]:
    """Rows, messages, and bytes of what is sealed and searched."""
    query = (
        "SELECT count(*), sum(messages), sum(length(searched) + length(messages_sealed)) "
        "FROM sip_messages"
    )
    with closing(sqlite3.connect(maskline.data / "maskline.db")) as database:
        rows, messages, size = database.execute(query).fetchone()
    return int(rows), int(messages), int(size)


def _judge(rounds: dict[str, list[Round]], dropped: int, kept: tuple[int, int, int]) -> int:
    calls = sum(one.outcome.calls for one in rounds["true"])
    failed = sum(one.outcome.failed for side in rounds.values() for one in side)
    print(f"{RATE:.0f} set-ups/s, {ROUNDS} rounds of {SECONDS:.0f} s, medians; {failed} failed")
    figures: dict[str, Callable[[Round], float]] = {
        "Asterisk's CPU a call, ms": asterisk,
        "Maskline's own CPU a call, ms": own,
        "post-dial delay, median, ms": lambda one: one.outcome.median_ms,
        "post-dial delay, p99, ms": lambda one: one.outcome.p99_ms,
    }
    print(f"{'':32}{'without':>10}{'with':>10}{'added':>9}")
    medians = {}
    for name, figure in figures.items():
        without, with_ = (statistics.median(map(figure, rounds[w])) for w in ("false", "true"))
        medians[name] = without, with_
        print(f"{name:32}{without:10.2f}{with_:10.2f}{with_ / without - 1:9.1%}")
    rows, messages, size = kept
    print(f"kept: {messages} messages in {rows} rows, {size / max(rows, 1):.0f} bytes a row; "
          f"{calls} calls measured")  # fmt: skip
    without, with_ = medians["Asterisk's CPU a call, ms"]
    before, after = medians["post-dial delay, median, ms"]
    good = (
        not failed
        and not dropped
        and with_ <= without * (1 + MOST_ADDED)
        and after - before <= MOST_LATER_MS
    )
    return int(not good)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
