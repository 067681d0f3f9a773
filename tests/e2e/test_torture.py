"""A thousand real calls while everything that carries or keeps them is killed or cut off.

Run by itself (see the Makefile): how long people talked is compared to a tenth of a second.
"""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.small_disk import NoRight, small_disk
from tests.support.torture.plan import What
from tests.support.torture.postgres import durable_postgres
from tests.support.torture.run import Run, torture

CALLS = 1000
RATE = 12.0  # a second
SPOOL_BYTES = 64 * 1024 * 1024


@pytest.mark.timeout(600)
async def test_every_call_is_kept_once_and_told_once_whatever_is_killed(tmp_path: Path) -> None:
    run = Run(secrets.randbelow(1_000_000), CALLS, RATE)
    print(run)
    with ExitStack() as stack:
        try:
            spool = tmp_path / "data" / "node" / "spool"
            disk = stack.enter_context(small_disk(spool, SPOOL_BYTES))
        except NoRight as error:
            print(error)
            disk = None
        postgres = stack.enter_context(durable_postgres())
        account = await torture(run, tmp_path, postgres, disk)

    problems = account.problems()
    assert problems == [], "\n".join([str(run), *problems])
    # And it was a torture: calls of every kind went through, and few blows were spared.
    outcomes = Counter(one["outcome"] for one in account.kept.records)
    assert sum(one.anything for one in account.seen.values()) > CALLS * 0.6
    assert {"answered", "missed", "busy", "unreachable", "failed"} <= set(outcomes)
    assert outcomes["answered"] > CALLS * 0.2
    assert len(account.apart_ms) > CALLS * 0.1, f"{account.stalled} calls could not be compared"
    reasons = Counter(one["reason"] for one in account.kept.records)
    assert {"node_died", "no_controller"} <= set(reasons)
    assert set(account.struck) >= set(What) - ({What.DISK} if disk is None else set())
