"""What callers have had of what caps allow: counted once, in hours that slide, in runs that end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from masking.caps import Taken
from masking.model import Pool
from masking.rules import CapRules, PoolRules
from storage import Database, call_tallies, numbers
from storage.call_tallies import CountedCall
from tests.support.storage import NOW

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TOP = NOW.replace(minute=0, second=0, microsecond=0)


def call(minute: int = 0, *, position: int = 0, answered: bool = False) -> CountedCall:
    """A call between the two of one session, so many minutes after the hour began."""
    people = ("u-1", "u-2") if position == 0 else ("u-2", "u-1")
    at = TOP + minute * MINUTE
    return CountedCall("ses_1", position, *people, at, at + MINUTE, answered)


async def counted(db: Database, *calls: CountedCall) -> None:
    await db.write(lambda conn: call_tallies.count(conn, calls))


async def taken(
    db: Database,
    *,
    position: int = 0,
    after: timedelta = HOUR - MINUTE,
    callee: str | None = None,
) -> Taken:
    caller, other = ("u-1", "u-2") if position == 0 else ("u-2", "u-1")
    return await db.read(
        lambda conn: call_tallies.taken(
            conn,
            session_id="ses_1",
            position=position,
            caller_user_id=caller,
            callee_user_id=callee or other,
            now=TOP + after,
        )
    )


async def test_who_never_called_has_had_nothing(db: Database) -> None:
    assert await taken(db) == Taken()


async def test_calls_are_counted_for_the_pair_and_for_the_caller(db: Database) -> None:
    elsewhere = replace(call(1), session_id="ses_2", callee_user_id="u-3")
    await counted(db, call(), call(), elsewhere)
    await counted(db, call(2))
    assert await taken(db) == Taken(3, 3, 4)
    assert await taken(db, callee="u-3") == Taken(3, 1, 4)
    assert await taken(db, position=1) == Taken()


async def test_a_pair_is_no_other_pair_that_reads_alike(db: Database) -> None:
    await counted(db, replace(call(), caller_user_id="ab", callee_user_id="c"))
    found = await db.read(
        lambda conn: call_tallies.taken(
            conn,
            session_id="ses_9",
            position=0,
            caller_user_id="a",
            callee_user_id="bc",
            now=TOP,
        )
    )
    assert found == Taken()


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (timedelta(0), 10),
        (HOUR - timedelta(seconds=1), 10),
        (HOUR, 10),
        (HOUR + 15 * MINUTE, 8),  # three quarters of the last hour still count
        (HOUR + 30 * MINUTE, 5),
        (HOUR + 58 * MINUTE, 0),
        (2 * HOUR, 0),
        (5 * HOUR, 0),
    ],
)
async def test_the_last_hour_slides(db: Database, after: timedelta, left: int) -> None:
    await counted(db, *(call(n) for n in range(10)))
    found = await taken(db, after=after)
    assert (found.pair_an_hour, found.caller_an_hour) == (left, left)


RUNS = """
calls so far                      buyer  seller
miss                              1      0
miss miss miss                    3      0
miss talk                         0      0
talk miss                         1      0
miss miss back                    0      1
miss back miss                    1      0
back back miss talk               0      0
miss failed                       1      0
failed                            0      0
miss back talk miss miss          2      0
"""


@pytest.mark.parametrize("line", RUNS.strip().splitlines()[1:])
@pytest.mark.parametrize("together", [True, False])
async def test_a_run_is_ended_by_an_answer_or_by_a_call_of_the_other_side(
    db: Database, line: str, together: bool
) -> None:
    *story, buyer, seller = line.split()
    kinds: dict[str, Callable[[int], CountedCall]] = {
        "miss": call,
        "talk": lambda n: call(n, answered=True),
        "back": lambda n: call(n, position=1),
        "failed": lambda n: replace(call(n), tried=False),
    }
    calls = [kinds[word](n) for n, word in enumerate(story)]
    if together:  # in one batch, in whatever order their rows were read
        await counted(db, *reversed(calls))
    else:
        for one in calls:
            await counted(db, one)
    assert (await taken(db)).unanswered_in_row == int(buyer)
    assert (await taken(db, position=1)).unanswered_in_row == int(seller)


async def test_what_counts_no_more_is_forgotten(db: Database) -> None:
    await counted(db, *(replace(call(), offered_at=TOP - n * HOUR) for n in range(5)))
    assert await db.write(lambda conn: call_tallies.sweep_hours(conn, NOW, at_most=3)) == 3
    assert await db.write(lambda conn: call_tallies.sweep_hours(conn, NOW)) == 1
    assert (await taken(db, after=timedelta(0))).pair_an_hour == 2
    assert await db.write(lambda conn: call_tallies.sweep_runs(conn, NOW)) == 0
    later = NOW + timedelta(days=91)
    assert await db.write(lambda conn: call_tallies.sweep_runs(conn, later)) == 1
    assert (await taken(db)).unanswered_in_row == 0


async def test_only_pools_with_a_cap_are_counted_in(db: Database) -> None:
    caps = CapRules(pair_an_hour=3)

    def put(conn: Connection) -> None:
        numbers.put_pool(conn, Pool("capped", rules=PoolRules(caps=caps)), NOW)
        numbers.put_pool(conn, Pool("free"), NOW)

    await db.write(put)
    names = {"capped", "free", "unknown"}
    assert await db.read(lambda conn: call_tallies.caps_of(conn, names)) == {"capped": caps}
    assert await db.read(lambda conn: call_tallies.caps_of(conn, set())) == {}
