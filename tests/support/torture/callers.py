"""SIPp on both sides of Maskline, and what its callers saw."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from maskline.demo.sipp import is_bound
from tests.support.torture.plan import Manner

SCENARIOS = Path(__file__).parent / "sipp"
PORT = 5080
OVER_S = 60  # until the last call is over, retransmissions included


@dataclass
class Seen:
    """What the caller of one call saw; milliseconds since 1970, by SIPp."""

    at_ms: dict[str, int] = field(default_factory=dict)  # the first of each: rang, answered, …

    @property
    def anything(self) -> bool:
        """Whether Maskline said more than that it heard (100)."""
        return bool(self.at_ms.keys() - {"cancelled"})

    @property
    def answered(self) -> bool:
        return "answered" in self.at_ms

    @property
    def talk_ms(self) -> int | None:
        """From the answer until the first side hung up; None: not seen whole."""
        over = self.at_ms.get("ended", self.at_ms.get("left"))
        return over - self.at_ms["answered"] if self.answered and over is not None else None

    @property
    def between_s(self) -> tuple[float, float]:
        """The first and the last moment, seconds since 1970; a moment more on either side."""
        return min(self.at_ms.values()) / 1000 - 0.2, max(self.at_ms.values()) / 1000 + 0.2

    def __str__(self) -> str:
        return " ".join(f"{what}@{at % 1_000_000}" for what, at in self.at_ms.items()) or "nothing"


@asynccontextmanager
async def callees(
    sipp: Sequence[str], hosts: Mapping[Manner, str], folder: Path
) -> AsyncIterator[None]:
    """A carrier for each manner, for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    started: list[asyncio.subprocess.Process] = []
    try:
        for n, (manner, host) in enumerate(hosts.items()):
            where = ("-i", host, "-p", str(PORT), "-mp", str(30_000 + 200 * n))
            bounds = (
                "-timeout",
                "900s",
                "-nostdin",
                "-skip_rlimit",
                "-default_behaviors",
                "all,-bye",
            )
            scenario = ("-sf", str(SCENARIOS / f"{manner}.xml"))
            started.append(await _start((*sipp, *scenario, *where, *bounds), folder))
        async with asyncio.timeout(10):
            while not all(is_bound(host, PORT) for host in hosts.values()):
                await asyncio.sleep(0.02)
        yield
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def dial(
    sipp: Sequence[str],
    scenario: str,
    rows: Sequence[tuple[str, ...]],
    *,
    rate: float,
    host: str,
    target: tuple[str, int],
    folder: Path,
) -> dict[str, Seen]:
    """Place a call for each row (dialled, caller, talk in ms); what each caller saw, by phone."""
    folder.mkdir(parents=True, exist_ok=True)
    table, log = folder / f"{scenario}.csv", folder / f"{scenario}.log"
    table.write_text("SEQUENTIAL\n" + "".join(";".join(row) + "\n" for row in rows))
    length_s = len(rows) / rate + OVER_S
    process = await _start(
        (
            *sipp,
            *("-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", host, "-p", str(PORT)),
            *("-inf", str(table), "-m", str(len(rows)), "-r", f"{rate:g}", "-l", "2000"),
            *(
                "-trace_err",
                "-trace_logs",
                "-log_file",
                str(log),
                "-mp",
                "34000",
                "-nostdin",
                "-skip_rlimit",
            ),
            *("-timeout", f"{length_s:.0f}s", "-default_behaviors", "all,-bye"),
            *("-max_invite_retrans", "4", "-max_non_invite_retrans", "4"),
            f"{target[0]}:{target[1]}",
        ),
        folder,
    )
    try:
        async with asyncio.timeout(length_s + 20):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _read(log)


def _read(log: Path) -> dict[str, Seen]:
    errors = "".join(path.read_text() for path in log.parent.glob("*_errors.log"))
    assert log.exists(), errors or "SIPp has seen nothing"
    found: dict[str, Seen] = defaultdict(Seen)
    for line in log.read_text().splitlines():
        what, phone, *_, epoch_s = line.split()
        found[phone].at_ms.setdefault(what, round(1000 * float(epoch_s)))
    return found


async def _start(argv: Sequence[str], folder: Path) -> asyncio.subprocess.Process:
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        *argv, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet
    )
