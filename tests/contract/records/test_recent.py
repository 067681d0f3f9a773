"""Records are followed by their places in the ledger: each once, from any moment, in any pieces."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, delete

from cdr import ledger_rows, recent, records
from cdr.model import CallRecord
from masking.outcome import Outcome
from storage import Database
from storage.schema import calls
from tests.contract.api.recorded import record
from tests.support.storage import a_vault

NODES = ("n0123456789ab", "nfedcba987654")
DAY_S = 86_400


def kept(node: str, number: int, ended_at: datetime) -> CallRecord:
    return replace(
        record(number, None, Outcome.ANSWERED),
        call_id=f"call_{node}_{number}",
        node=node,
        ended_at=ended_at,
    )


def three_days() -> list[CallRecord]:
    """Of each node forty calls, one an hour and a half, kept when they ended."""
    begin = record(0, None, Outcome.ANSWERED).offered_at
    return [
        kept(node, n, begin + timedelta(hours=1.5 * n, minutes=10 * place))
        for place, node in enumerate(NODES)
        for n in range(40)
    ]


@pytest.fixture
def placed(database: Database, runner: asyncio.Runner) -> list[CallRecord]:
    """Those calls, each with its place."""
    written = three_days()

    def work(conn: Connection) -> None:
        for one in written:
            row = records.row_of(one, one.ended_at, None)
            day = int(one.ended_at.timestamp()) // DAY_S
            sealed = ledger_rows.sealed(a_vault(), [row])
            records.insert(conn, ledger_rows.place(conn, one.node, day, sealed))

    runner.run(database.write(work))
    return written


def followed(conn: Connection, mark: recent.Mark, at_most: int) -> list[str]:
    """The ids of all that there is after the mark, read in such pieces."""
    found: list[str] = []
    while True:
        piece = recent.after(conn, mark, at_most=at_most)
        assert len(piece.records) <= at_most
        found += [one.call_id for one in piece.records]
        mark = piece.mark
        if not piece.more:
            assert recent.after(conn, mark, at_most=at_most).records == ()
            return found


def since(conn: Connection, at: datetime, at_most: int) -> list[str]:
    return followed(conn, recent.since(conn, at), at_most)


@pytest.mark.parametrize("hours", [0, 1, 13, 30, 48, 57, 59.4, 70])
def test_all_that_was_kept_since_a_moment_comes_once(
    database: Database, runner: asyncio.Runner, placed: list[CallRecord], hours: float
) -> None:
    at = placed[0].ended_at + timedelta(hours=hours)
    wanted = {one.call_id for one in placed if one.ended_at >= at}

    for at_most in (1, 7, 1_000):
        found = runner.run(database.read(partial(since, at=at, at_most=at_most)))
        assert len(found) == len(set(found))
        assert set(found) == wanted


def test_what_is_no_longer_kept_is_passed_over(
    database: Database, runner: asyncio.Runner, placed: list[CallRecord]
) -> None:
    at = placed[0].ended_at
    gone = [one.call_id for one in placed[::3]]

    def work(conn: Connection) -> list[str]:
        conn.execute(delete(calls).where(calls.c.call_id.in_(gone)))
        return followed(conn, recent.since(conn, at), 5)

    found = runner.run(database.write(work))
    assert sorted(found) == sorted({one.call_id for one in placed} - set(gone))
