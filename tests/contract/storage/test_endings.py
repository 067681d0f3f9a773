"""How sessions end: by their time, by calls that keep them alive, and never beyond the last day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select

from masking.errors import BeyondHardExpiry
from masking.model import LeaseState, Session, SessionState, TtlFrom
from storage import Database, sessions
from storage.schema import leases
from storage.schema import sessions as session_table
from storage.sessions import EndedCall
from storage.vault import Vault
from tests.support.storage import ANNA, DAY, NOW, a_draft, opened, proxies, stocked

HOUR = timedelta(hours=1)
BY_CALLS = replace(a_draft(ttl=DAY), ttl_from=TtlFrom.LAST_CALL)


async def got(db: Database, vault: Vault, session: Session) -> Session:
    found = await db.read(lambda conn: sessions.get(conn, vault, session.id))
    assert found is not None
    return found


async def call_ends(db: Database, session: Session, at: datetime, *, answered: bool = True) -> None:
    await db.write(lambda conn: sessions.call_ended(conn, session.id, at, answered))


def ends(session: Session) -> set[datetime]:
    """When the session and its leases end."""
    return {session.expires_at, *(lease.expires_at for lease in session.leases)}


async def test_an_answered_call_begins_the_time_to_live_anew(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, BY_CALLS)

    await call_ends(db, session, NOW + 5 * HOUR)

    kept = await got(db, vault, session)
    assert ends(kept) == {NOW + 5 * HOUR + DAY}
    assert [lease.why for lease in kept.leases] == [lease.why for lease in session.leases]
    assert {lease.reserved_until for lease in kept.leases} == {NOW + 5 * HOUR + 8 * DAY}
    assert kept.last_call_at == NOW + 5 * HOUR


@pytest.mark.parametrize(
    ("draft", "answered"), [(BY_CALLS, False), (a_draft(ttl=DAY), True), (a_draft(), False)]
)
async def test_other_calls_are_noted_and_move_nothing(
    db: Database, vault: Vault, draft: object, answered: bool
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, draft)  # type: ignore[arg-type]

    await call_ends(db, session, NOW + HOUR, answered=answered)

    assert await got(db, vault, session) == replace(session, last_call_at=NOW + HOUR)


async def test_a_call_that_ended_earlier_is_told_later_and_changes_nothing(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, BY_CALLS)
    await call_ends(db, session, NOW + 3 * HOUR)
    before = await got(db, vault, session)

    await call_ends(db, session, NOW + HOUR)
    await call_ends(db, session, NOW + 3 * HOUR)

    assert await got(db, vault, session) == before


async def test_calls_of_many_sessions_are_noted_at_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    one, two = await opened(db, vault, BY_CALLS), await opened(db, vault, a_draft(), rotation=1)
    ended = [
        EndedCall(one.id, NOW + 2 * HOUR, answered=True),
        EndedCall("ses_nobody", NOW + HOUR, answered=True),
        EndedCall(one.id, NOW + 4 * HOUR, answered=False),
        EndedCall(two.id, NOW + 3 * HOUR, answered=True),
    ]

    await db.write(lambda conn: sessions.calls_ended(conn, ended))
    await db.write(lambda conn: sessions.calls_ended(conn, []))

    first, second = await got(db, vault, one), await got(db, vault, two)
    assert (first.expires_at, first.last_call_at) == (NOW + 2 * HOUR + DAY, NOW + 4 * HOUR)
    assert (second.expires_at, second.last_call_at) == (two.expires_at, NOW + 3 * HOUR)


async def test_a_call_that_was_up_when_the_session_expired_keeps_it_alive(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, BY_CALLS)
    end = session.expires_at + HOUR

    await call_ends(db, session, end)

    kept = await got(db, vault, session)
    assert kept.state(end) is SessionState.OPEN
    assert {lease.state(end) for lease in kept.leases} == {LeaseState.LIVE}


async def test_no_call_revives_a_session_whose_place_was_given_away(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1, cool_down=timedelta(0))
    session = await opened(db, vault, BY_CALLS)
    successor = await opened(db, vault, now=session.expires_at)

    await call_ends(db, session, session.expires_at + HOUR)

    old = await got(db, vault, session)
    assert ends(old) == {session.expires_at}
    assert old.last_call_at == session.expires_at + HOUR
    assert await got(db, vault, successor) == successor


async def test_no_call_revives_a_closed_session(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, BY_CALLS)
    await db.write(lambda conn: sessions.close(conn, session.id, NOW + HOUR))

    await call_ends(db, session, NOW + 2 * HOUR)

    assert (await got(db, vault, session)).state(NOW + 2 * HOUR) is SessionState.CLOSED
    assert {lease.expires_at for lease in (await got(db, vault, session)).leases} == {NOW + HOUR}


async def test_nothing_moves_the_end_beyond_the_hard_one(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, replace(BY_CALLS, hard_ttl=DAY + HOUR))
    last = NOW + DAY + HOUR
    assert session.hard_expires_at == last

    with pytest.raises(BeyondHardExpiry):
        await db.write(
            lambda conn: sessions.extend(conn, session.id, last + timedelta(seconds=1), NOW)
        )
    await call_ends(db, session, NOW + 5 * HOUR)

    assert ends(await got(db, vault, session)) == {last}
    await db.write(lambda conn: sessions.extend(conn, session.id, last - HOUR, NOW))
    assert ends(await got(db, vault, session)) == {last - HOUR}


async def test_a_later_end_is_to_be_told_anew_and_an_earlier_one_is_not(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    table = session_table

    async def noticed() -> datetime | None:
        query = select(table.c.noticed_at).where(table.c.id == session.id)
        found: datetime | None = await db.read(lambda conn: conn.execute(query).scalar_one())
        return found

    await db.write(lambda conn: conn.execute(table.update().values(noticed_at=NOW)))
    await db.write(lambda conn: sessions.extend(conn, session.id, NOW + HOUR, NOW))
    assert await noticed() == NOW
    await db.write(lambda conn: sessions.extend(conn, session.id, NOW + 2 * DAY, NOW))
    assert await noticed() is None


class TestEnrolledPhones:
    """Further phones of a participant: they end with the session, one-time ones no later."""

    @staticmethod
    def enrol(conn: Connection, session: Session, *, once_until: datetime | None) -> None:
        """Give the first participant a second phone, for one call or for good."""
        lease = session.leases[0]
        row = {
            "session_id": session.id,
            "position": 0,
            "slot": 1 if once_until is None else 2,
            "number_id": lease.number.id,
            "phone_index": ANNA.encode() if once_until is None else b"once",
            "extension": "",
            "once": once_until is not None,
            "since": NOW,
            "expires_at": once_until or lease.expires_at,
            "reserved_until": once_until or lease.reserved_until,
            "active": True,
        }
        conn.execute(insert(leases), row)

    @staticmethod
    async def enrolled(db: Database) -> list[tuple[datetime, datetime, bool]]:
        columns = leases.c["expires_at", "reserved_until", "active"]
        query = select(*columns).where(leases.c.slot > 0).order_by(leases.c.slot)
        rows = await db.read(lambda conn: conn.execute(query).all())
        return [(row.expires_at, row.reserved_until, row.active) for row in rows]

    async def test_they_live_and_end_with_the_session(self, db: Database, vault: Vault) -> None:
        await stocked(db, vault)
        session = await opened(db, vault, BY_CALLS)
        await db.write(lambda conn: self.enrol(conn, session, once_until=None))
        await db.write(lambda conn: self.enrol(conn, session, once_until=NOW + 2 * HOUR))

        await call_ends(db, session, NOW + HOUR)
        long, once = await self.enrolled(db)
        assert long == (NOW + HOUR + DAY, NOW + HOUR + 8 * DAY, True)
        assert once == (NOW + 2 * HOUR, NOW + 2 * HOUR, True)

        await db.write(lambda conn: sessions.close(conn, session.id, NOW + 90 * HOUR / 60))
        end = NOW + 90 * HOUR / 60
        assert await self.enrolled(db) == [(end, end + 7 * DAY, True), (end, end, False)]

    async def test_a_sweep_frees_each_by_itself(self, db: Database, vault: Vault) -> None:
        await stocked(db, vault)
        session = await opened(db, vault)
        await db.write(lambda conn: self.enrol(conn, session, once_until=NOW + HOUR))

        assert await db.write(lambda conn: sessions.sweep(conn, NOW + HOUR)) == 1

        assert [active for *_, active in await self.enrolled(db)] == [False]
        number = proxies(3)[0]
        assert (await got(db, vault, session)).leases[0].number.e164 == number
