"""Accounts, sessions and attempts of the console's staff, over both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from masking.staff import StaffRole
from storage import staff, staff_attempts, staff_sessions
from storage.database import Database
from storage.errors import ConstraintViolated
from storage.staff import Account
from storage.staff_attempts import Counter, Kind
from storage.staff_sessions import Session, Stage

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
VERA = Account(id="stf_vera", login="vera", name="Vera", role=StaffRole.AGENT)
GUESSED = Counter(Kind.ACCOUNT, b"k" * 16)
OFFICE = Counter(Kind.ADDRESS, b"a" * 16)


def session(number: int, *, seen: datetime = NOW) -> Session:
    return Session(
        id=f"sss_{number}",
        account_id=VERA.id,
        stage=Stage.IN,
        device="Firefox, Linux",
        address="127.0.0.1",
        created_at=NOW,
        seen_at=seen,
        expires_at=NOW + timedelta(hours=12),
    )


@pytest.fixture
async def vera(db: Database) -> Account:
    await db.write(lambda conn: staff.add(conn, VERA, password_hash="x", now=NOW))
    found = await db.read(lambda conn: staff.by_login(conn, " Vera "))
    assert found is not None
    return found


async def test_a_login_is_taken_once(db: Database, vera: Account) -> None:
    other = replace(VERA, id="stf_other")
    with pytest.raises(ConstraintViolated):
        await db.write(lambda conn: staff.add(conn, other, password_hash=None, now=NOW))
    assert vera == replace(VERA, has_password=True, created_at=NOW)


async def test_a_step_and_a_recovery_code_serve_once(db: Database, vera: Account) -> None:
    steps = [
        await db.write(partial(staff.use_step, account_id=vera.id, step=step))
        for step in (7, 7, 6, 8)
    ]
    assert steps == [True, False, False, True]
    await db.write(lambda conn: staff.set_recovery_codes(conn, vera.id, (b"one", b"two")))
    used = [
        await db.write(lambda conn: staff.use_recovery_code(conn, vera.id, b"one"))
        for _ in range(2)
    ]
    assert used == [True, False]
    assert await db.read(lambda conn: staff.recovery_codes_left(conn, vera.id)) == 1


async def test_the_session_used_least_lately_makes_room(db: Database, vera: Account) -> None:
    for number in range(staff_sessions.MOST + 1):
        one = session(number, seen=NOW + timedelta(seconds=number))
        await db.write(partial(staff_sessions.add, token=one.id, session=one))
    kept = await db.read(lambda conn: staff_sessions.of_account(conn, vera.id))
    assert len(kept) == staff_sessions.MOST
    assert "sss_0" not in {one.id for one in kept}


async def test_a_session_is_found_by_its_token_until_it_ends(db: Database, vera: Account) -> None:
    await db.write(lambda conn: staff_sessions.add(conn, "token", session(1)))
    wanted = staff_sessions.hashed("token")
    assert await db.look_up(lambda conn: staff_sessions.find(conn, wanted)) == (session(1), vera)
    await db.write(lambda conn: staff_sessions.end_token(conn, "token"))
    assert await db.look_up(lambda conn: staff_sessions.find(conn, wanted)) is None


async def test_who_is_removed_leaves_nothing(db: Database, vera: Account) -> None:
    await db.write(lambda conn: staff_sessions.add(conn, "token", session(1)))
    await db.write(lambda conn: staff.set_recovery_codes(conn, vera.id, (b"one",)))
    await db.write(lambda conn: staff.remove(conn, vera.id))
    assert await db.read(staff.every) == ()


async def fail(db: Database, counter: Counter, at: datetime) -> datetime | None:
    return await db.write(lambda conn: staff_attempts.failed(conn, (counter,), at))


async def test_holds_double_up_to_their_longest(db: Database) -> None:
    held = [await fail(db, GUESSED, NOW) for _ in range(12)]
    seconds = [None if one is None else (one - NOW).total_seconds() for one in held]
    assert seconds == [*[None] * 5, 30, 60, 120, 240, 480, 900, 900]
    until = await db.read(lambda conn: staff_attempts.held_until(conn, (GUESSED,), NOW))
    assert until == NOW + timedelta(minutes=15)
    await db.write(lambda conn: staff_attempts.forget(conn, (GUESSED,)))
    assert await db.read(lambda conn: staff_attempts.held_until(conn, (GUESSED,), NOW)) is None


async def test_a_day_after_the_last_failure_all_is_forgotten(db: Database) -> None:
    for _ in range(8):
        await fail(db, GUESSED, NOW)
    assert await fail(db, GUESSED, NOW + timedelta(hours=25)) is None
    later = NOW + timedelta(hours=50)
    sweep = [
        await db.write(lambda conn: staff_attempts.sweep(conn, later, at_most=10)) for _ in range(2)
    ]
    assert sweep == [1, 0]


async def test_an_office_that_mistypes_now_and_then_is_never_held(db: Database) -> None:
    for minute in range(0, 600, 3):
        assert await fail(db, OFFICE, NOW + timedelta(minutes=minute)) is None


async def test_what_was_right_is_taken_back(db: Database) -> None:
    for _ in range(21):
        await fail(db, OFFICE, NOW)
    await db.write(lambda conn: staff_attempts.forgive(conn, OFFICE))
    assert await db.read(lambda conn: staff_attempts.held_until(conn, (OFFICE,), NOW)) is None
    assert await fail(db, OFFICE, NOW) is not None, "one was forgiven, not all of them"
