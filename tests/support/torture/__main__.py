"""`python -m tests.support.torture [--calls N] [--rate PER_S] [--seed S]`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.support.small_disk import NoRight, small_disk
from tests.support.torture.postgres import durable_postgres
from tests.support.torture.run import Run, torture


def main() -> int:
    """1 if anything was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.torture", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--folder", type=Path, help="new; what is written stays there")
    chosen = parser.parse_args()
    run = Run(chosen.seed, chosen.calls, chosen.rate)
    print(run)
    with ExitStack() as stack:
        folder = chosen.folder or _passing_folder(stack)
        try:
            spool = folder / "data" / "node" / "spool"
            disk = stack.enter_context(small_disk(spool, 64 * 1024 * 1024))
        except NoRight as error:
            print(error)
            disk = None
        server = stack.enter_context(durable_postgres())
        account = asyncio.run(torture(run, folder, server, disk))
        problems = account.problems()
    outcomes = Counter(f"{one['outcome']}/{one['reason']}" for one in account.kept.records)
    apart = sorted(abs(ms) for ms in account.apart_ms)
    print(
        f"{len(account.seen)} calls saw an answer, {len(account.kept.records)} records: {outcomes}"
    )
    print(f"{len(account.kept.webhooks)} webhooks came; talk apart by {apart[-5:]} ms at most")
    print(f"{account.stalled} calls not compared: the machine stood still meanwhile")
    print("\n".join(problems) or "nothing lost, nothing doubled, nothing wrong")
    return 1 if problems else 0


def _passing_folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maskline-torture-")))


if __name__ == "__main__":
    sys.exit(main())
