"""What was counted of callers is forgotten when it counts no more, and not before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, insert, select

from storage import Database, tallies
from storage.schema import caller_days, dial_tries, numbers
from storage.vault import Vault
from tests.support.storage import DAY, NOW, stocked

TODAY = 20_759  # 2 November 2026, in days since 1970
HOUR = timedelta(hours=1)


async def test_yesterday_is_kept_and_what_was_before_is_not(db: Database) -> None:
    def days(conn: Connection) -> None:
        rows = [{"phone_index": b"i", "day": TODAY - n, "new_links": 1} for n in range(6)]
        conn.execute(insert(caller_days), rows)

    await db.write(days)

    assert await db.write(lambda conn: tallies.sweep_days(conn, NOW, at_most=3)) == 3
    assert await db.write(lambda conn: tallies.sweep_days(conn, NOW)) == 1
    left = await db.read(lambda conn: conn.execute(select(caller_days.c.day)).scalars().all())
    assert sorted(left) == [TODAY - 1, TODAY]


@pytest.mark.parametrize(
    ("age", "locked_for", "stays"),
    [
        (23 * HOUR, None, True),
        (DAY, None, False),
        (2 * DAY, 3 * DAY, True),  # still locked out
        (2 * DAY, HOUR, False),
    ],
)
async def test_wrong_digits_are_forgotten_a_day_after_the_last_unless_they_lock_out(
    db: Database, vault: Vault, age: timedelta, locked_for: timedelta | None, stays: bool
) -> None:
    await stocked(db, vault)

    def tried(conn: Connection) -> None:
        row = {
            "number_id": conn.execute(select(func.min(numbers.c.id))).scalar_one(),
            "caller_index": b"c",
            "failed": 3,
            "locked_until": None if locked_for is None else NOW - age + locked_for,
            "at": NOW - age,
        }
        conn.execute(insert(dial_tries).values(row))

    await db.write(tried)

    assert await db.write(lambda conn: tallies.sweep_tries(conn, NOW)) == (0 if stays else 1)
