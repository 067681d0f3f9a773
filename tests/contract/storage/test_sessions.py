"""Sessions and leases: what is opened can be read back, and numbers are given as promised."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from masking.errors import (
    PhoneIsProxy,
    PoolExhausted,
    SamePhone,
    SessionClosed,
    SessionExpired,
    TtlOutOfRange,
    UnknownPool,
    UnknownSession,
)
from masking.model import LeaseState, NumberState, Phone, Role, Session, SessionState
from storage import Database, numbers, sessions
from storage.schema import leases
from storage.vault import Vault
from tests.support.storage import (
    ANNA,
    BUYER,
    DAY,
    NOW,
    SELLER,
    a_draft,
    a_person,
    opened,
    proxies,
    stocked,
)


async def got(db: Database, vault: Vault, session_id: str) -> Session | None:
    return await db.read(lambda conn: sessions.get(conn, vault, session_id))


async def active_places(db: Database) -> int:
    query = select(func.count()).where(leases.c.active)
    return await db.read(lambda conn: conn.execute(query).scalar_one())


async def test_a_session_is_read_back_as_it_was_opened(db: Database, vault: Vault) -> None:
    await stocked(db, vault)

    session = await opened(db, vault)

    assert await got(db, vault, session.id) == session
    assert [lease.role for lease in session.leases] == [Role.BUYER, Role.SELLER]
    assert session.participants == (BUYER, SELLER)
    assert session.expires_at == NOW + DAY


async def test_participants_keep_the_order_in_which_they_were_named(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault)

    session = await opened(db, vault, a_draft(SELLER, BUYER))

    assert await got(db, vault, session.id) == session
    assert session.participants == (SELLER, BUYER)


async def test_an_unknown_session_is_none(db: Database, vault: Vault) -> None:
    assert await got(db, vault, "ses_nobody") is None


async def test_a_participant_without_a_phone_has_no_lease(db: Database, vault: Vault) -> None:
    await stocked(db, vault)

    session = await opened(db, vault, a_draft(replace(BUYER, phone=None)))

    assert [lease.role for lease in session.leases] == [Role.SELLER]
    assert await got(db, vault, session.id) == session


async def test_a_session_of_two_without_phones_has_none(db: Database, vault: Vault) -> None:
    await stocked(db, vault)

    session = await opened(
        db, vault, a_draft(replace(BUYER, phone=None), replace(SELLER, phone=None))
    )

    assert session.leases == ()
    assert await got(db, vault, session.id) == session


async def test_a_pool_must_be_there(db: Database, vault: Vault) -> None:
    with pytest.raises(UnknownPool):
        await opened(db, vault)


async def test_a_draft_that_the_domain_refuses_leaves_nothing(db: Database, vault: Vault) -> None:
    await stocked(db, vault)

    with pytest.raises(SamePhone):
        await opened(db, vault, a_draft(BUYER, replace(SELLER, phone=ANNA)))
    assert await active_places(db) == 0


@pytest.mark.parametrize("side", [0, 1])
async def test_a_proxy_number_is_nobodys_phone(db: Database, vault: Vault, side: int) -> None:
    await stocked(db, vault)
    people = [BUYER, SELLER]
    people[side] = replace(people[side], phone=proxies(1)[0])

    with pytest.raises(PhoneIsProxy):
        await opened(db, vault, a_draft(*people))


async def test_a_pool_serves_as_many_sessions_of_one_participant_as_it_has_numbers(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=3)
    for n in range(3):
        await opened(db, vault, a_draft(a_person(Role.BUYER, n)), rotation=n)

    with pytest.raises(PoolExhausted) as refused:
        await opened(db, vault, a_draft(a_person(Role.BUYER, 9)))
    assert refused.value.role is Role.SELLER
    elsewhere = await opened(db, vault, a_draft(a_person(Role.BUYER, 0), a_person(Role.SELLER, 7)))
    assert len(elsewhere.leases) == 2, "others are not concerned"


async def test_a_cooling_number_is_given_again_from_the_moment_its_cool_down_ends(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1, cool_down=timedelta(hours=1))
    first = await opened(db, vault)
    free_from = first.expires_at + timedelta(hours=1)
    last_moment = free_from - timedelta(milliseconds=1)

    with pytest.raises(PoolExhausted):
        await opened(db, vault, now=last_moment)
    second = await opened(db, vault, now=free_from)

    assert second.leases[0].number == first.leases[0].number
    assert await active_places(db) == 2, "the old places were given up"


async def test_without_cool_down_closing_frees_at_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=1, cool_down=timedelta(0))
    first = await opened(db, vault)

    await db.write(lambda conn: sessions.close(conn, first.id, NOW))

    assert await active_places(db) == 0
    assert (await opened(db, vault)).id != first.id


async def test_draining_numbers_are_not_given(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=2)
    one, two = proxies(2)
    before = await opened(db, vault, a_draft(a_person(Role.BUYER, 1), a_person(Role.SELLER, 1)))
    await db.write(lambda conn: numbers.set_state(conn, one, NumberState.DRAINING, NOW))

    given = [
        await opened(
            db, vault, a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n)), rotation=n
        )
        for n in range(2, 6)
    ]

    assert {lease.number.e164 for session in given for lease in session.leases} == {two}
    kept = await got(db, vault, before.id)
    assert kept is not None
    assert kept.leases[0].state(NOW) is LeaseState.LIVE


async def test_new_numbers_are_given_at_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=1)
    await opened(db, vault)
    more = Phone("+74951119999")
    await db.write(lambda conn: numbers.add_numbers(conn, "default", "carrier-a", [more], NOW))

    second = await opened(db, vault, a_draft(conversation="chat-82"))

    assert {lease.number.e164 for lease in second.leases} == {more}


async def test_numbers_of_a_write_that_failed_are_never_given(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=1)

    class Changed(Exception):
        pass

    def add_and_open_and_fail(conn: object) -> None:
        numbers.add_numbers(conn, "default", "carrier-a", [Phone("+74951118888")], NOW)  # type: ignore[arg-type]
        sessions.open_session(
            conn,  # type: ignore[arg-type]
            vault,
            a_draft(),
            now=NOW,
            session_id="ses_x",
            rotation=1,
        )
        raise Changed

    with pytest.raises(Changed):
        await db.write(add_and_open_and_fail)
    other = Phone("+74951117777")
    await db.write(lambda conn: numbers.add_numbers(conn, "default", "carrier-a", [other], NOW))

    given = [
        await opened(
            db, vault, a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n)), rotation=n
        )
        for n in range(4)
    ]
    found = {lease.number.e164 for session in given for lease in session.leases}
    assert found == {proxies(1)[0], other}


async def test_closing_ends_a_session_now_and_its_leases_cool(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    later = NOW + timedelta(hours=2)

    await db.write(lambda conn: sessions.close(conn, session.id, later))

    closed = await got(db, vault, session.id)
    assert closed is not None
    assert closed.state(later) is SessionState.CLOSED
    assert closed.closed_at == later
    assert {lease.state(later) for lease in closed.leases} == {LeaseState.COOLING}
    assert {lease.reserved_until for lease in closed.leases} == {later + 7 * DAY}


async def test_closing_twice_is_closing_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    await db.write(lambda conn: sessions.close(conn, session.id, NOW))
    once = await got(db, vault, session.id)

    await db.write(lambda conn: sessions.close(conn, session.id, NOW + DAY / 2))

    assert await got(db, vault, session.id) == once


async def test_what_a_clock_ahead_of_ours_closed_is_closed(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=1, cool_down=timedelta(0))
    session = await opened(db, vault)
    ahead = NOW + timedelta(seconds=1)
    await db.write(lambda conn: sessions.close(conn, session.id, ahead))
    successor = await opened(db, vault, now=ahead)
    once = await got(db, vault, session.id)

    await db.write(lambda conn: sessions.close(conn, session.id, NOW))
    with pytest.raises(SessionClosed):
        await db.write(lambda conn: sessions.extend(conn, session.id, NOW + DAY, NOW))

    assert await got(db, vault, session.id) == once
    assert await got(db, vault, successor.id) == successor


async def test_an_open_session_gets_another_expiry(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    until = NOW + 30 * DAY

    await db.write(lambda conn: sessions.extend(conn, session.id, until, NOW))

    extended = await got(db, vault, session.id)
    assert extended is not None
    assert extended.expires_at == until
    assert {(one.expires_at, one.reserved_until) for one in extended.leases} == {
        (until, until + 7 * DAY)
    }


async def test_what_is_over_is_not_extended(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    closed, expired = await opened(db, vault), await opened(db, vault, a_draft(), rotation=1)
    await db.write(lambda conn: sessions.close(conn, closed.id, NOW))

    with pytest.raises(SessionClosed):
        await db.write(lambda conn: sessions.extend(conn, closed.id, NOW + DAY, NOW))
    with pytest.raises(SessionExpired):
        await db.write(lambda conn: sessions.extend(conn, expired.id, NOW + 3 * DAY, NOW + 2 * DAY))
    with pytest.raises(TtlOutOfRange):
        await db.write(lambda conn: sessions.extend(conn, expired.id, NOW + 400 * DAY, NOW))


async def test_a_session_whose_places_another_clock_gave_away_is_not_revived(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1, cool_down=timedelta(0))
    session = await opened(db, vault)
    ahead = session.expires_at + timedelta(seconds=1)
    successor = await opened(db, vault, now=ahead)

    with pytest.raises(SessionExpired):
        await db.write(lambda conn: sessions.extend(conn, session.id, NOW + 2 * DAY, NOW + DAY / 2))
    assert await got(db, vault, session.id) == session
    assert await got(db, vault, successor.id) == successor


async def test_nobody_changes_an_unknown_session(db: Database) -> None:
    with pytest.raises(UnknownSession):
        await db.write(lambda conn: sessions.close(conn, "ses_nobody", NOW))
    with pytest.raises(UnknownSession):
        await db.write(lambda conn: sessions.extend(conn, "ses_nobody", NOW + DAY, NOW))


async def test_the_sweep_frees_what_is_over_in_portions(db: Database, vault: Vault) -> None:
    await stocked(db, vault, cool_down=timedelta(0))
    for n in range(3):
        await opened(db, vault, a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n)))
    assert await db.write(lambda conn: sessions.sweep(conn, NOW)) == 0

    swept = [await db.write(lambda conn: sessions.sweep(conn, NOW + DAY, at_most=4)) for _ in "abc"]

    assert swept == [4, 2, 0]
    assert await active_places(db) == 0
