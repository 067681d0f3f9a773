"""Other phones of a participant: declared for one call, enrolled, withdrawn."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select

from masking.errors import (
    CallerNumberTaken,
    MaskingError,
    NoNumberToCall,
    PhoneIsProxy,
    SamePhone,
    SessionClosed,
    SessionExpired,
    TooManyCallerNumbers,
    UnknownParticipant,
    UnknownSession,
)
from masking.known import Enrol, Held, UseUp
from masking.model import Participant, Phone, Role, Session
from storage import Database, enrolments, routing, sessions
from storage.enrolments import MOST_DECLARED, MOST_ENROLLED, CallerNumber
from storage.routing import Dialling
from storage.schema import leases, outbox
from storage.vault import Vault
from tests.support.storage import (
    ANNA,
    BUYER,
    DAY,
    NOW,
    PETR,
    SELLER,
    TRUNK,
    a_draft,
    a_person,
    as_routed,
    opened,
    proxies,
    stocked,
)

OFFICE = Phone("+79031112233")
MINUTES = timedelta(minutes=15)
COOL_DOWN = timedelta(days=7)


async def declared(
    db: Database,
    vault: Vault,
    session: Session,
    phone: Phone = OFFICE,
    user_id: str = "u-1",
    *,
    ttl: timedelta = MINUTES,
    now: datetime = NOW,
) -> CallerNumber:
    return await db.write(
        lambda conn: enrolments.declare(conn, vault, session.id, user_id, phone, ttl=ttl, now=now)
    )


async def enrolled(
    db: Database, vault: Vault, session: Session, phone: Phone = OFFICE, *, now: datetime = NOW
) -> bool:
    number = session.leases[0].number
    deed = Enrol(session.id, Role.BUYER)
    return await db.write(
        lambda conn: enrolments.enrol(conn, vault, deed, number, phone, now, why="pin")
    )


async def held(db: Database, vault: Vault, session: Session, phone: Phone) -> tuple[Held, ...]:
    """What `phone` reaches by the buyer's number."""
    dialling = Dialling(session.leases[0].number.e164, phone, TRUNK.name)
    return (await db.read(lambda conn: routing.facts(conn, vault, dialling))).held


async def listed(db: Database, session: Session, now: datetime = NOW) -> tuple[CallerNumber, ...]:
    return await db.read(lambda conn: enrolments.caller_numbers(conn, session.id, now))


async def notices(db: Database) -> list[str]:
    enrolments_only = select(outbox.c.kind).where(outbox.c.kind != "pool.low")
    return await db.read(lambda conn: list(conn.scalars(enrolments_only)))


async def test_a_declared_phone_calls_as_the_participant_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)

    made = await declared(db, vault, session)

    assert (made.user_id, made.role, made.once) == ("u-1", Role.BUYER, True)
    assert made.number == session.leases[0].number.e164
    assert made.expires_at == NOW + MINUTES
    (one,) = await held(db, vault, session, OFFICE)
    assert (one.session, one.lease.role, one.slot, one.once) == (session, Role.BUYER, 1, True)
    assert one.lease.expires_at == NOW + MINUTES
    deed = UseUp(session.id, Role.BUYER, 1)
    assert await db.write(lambda conn: enrolments.use_up(conn, deed, NOW))
    assert not await db.write(lambda conn: enrolments.use_up(conn, deed, NOW)), "twice"
    assert await held(db, vault, session, OFFICE) == ()
    assert await listed(db, session) == ()


async def test_it_waits_no_longer_than_its_session(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)

    made = await declared(db, vault, session, ttl=2 * DAY)

    assert made.expires_at == session.expires_at


async def test_once_its_time_is_over_it_cannot_be_used_and_is_not_listed(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    await declared(db, vault, session)
    later = NOW + MINUTES

    assert await listed(db, session, later) == ()
    deed = UseUp(session.id, Role.BUYER, 1)
    assert not await db.write(lambda conn: enrolments.use_up(conn, deed, later))
    assert (await declared(db, vault, session, now=later)).slot == 2, "its place is free"


@pytest.mark.parametrize(
    ("phone", "user_id", "error"),
    [
        (ANNA, "u-1", SamePhone),
        (PETR, "u-1", SamePhone),
        (proxies(1)[0], "u-1", PhoneIsProxy),
        (OFFICE, "u-9", UnknownParticipant),
    ],
)
async def test_not_every_phone_and_user_will_do(
    db: Database, vault: Vault, phone: Phone, user_id: str, error: type[MaskingError]
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)

    with pytest.raises(error):
        await declared(db, vault, session, phone, user_id)
    assert await listed(db, session) == ()


async def test_nobody_declares_for_a_session_that_is_over(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)

    with pytest.raises(SessionExpired):
        await declared(db, vault, session, now=NOW + DAY)
    await db.write(lambda conn: sessions.close(conn, session.id, NOW))
    with pytest.raises(SessionClosed):
        await declared(db, vault, session)
    with pytest.raises(UnknownSession):
        await db.write(
            lambda conn: enrolments.declare(
                conn, vault, "ses_x", "u-1", OFFICE, ttl=MINUTES, now=NOW
            )
        )


async def test_who_is_in_the_app_only_has_no_number_to_call(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    seller = Participant(SELLER.role, SELLER.user_id, None)
    session = await opened(db, vault, a_draft(BUYER, seller))

    with pytest.raises(NoNumberToCall):
        await declared(db, vault, session, user_id="u-2")


async def test_a_phone_that_means_something_else_there_is_refused(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    session = await opened(db, vault)
    other = a_person(Role.BUYER, 7)
    await opened(db, vault, a_draft(other, a_person(Role.SELLER, 7)))
    assert other.phone is not None

    with pytest.raises(CallerNumberTaken):
        await declared(db, vault, session, other.phone)


async def test_there_may_be_so_many_at_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    for n in range(MOST_DECLARED):
        await declared(db, vault, session, Phone(f"+7903000000{n}"))

    with pytest.raises(TooManyCallerNumbers):
        await declared(db, vault, session)
    await db.write(lambda conn: enrolments.withdraw(conn, session.id, 0, 1, NOW))
    assert (await declared(db, vault, session)).once


async def test_an_enrolled_phone_lives_and_cools_with_its_session(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, cool_down=COOL_DOWN)
    session = await opened(db, vault)

    assert await enrolled(db, vault, session)

    (one,) = await held(db, vault, session, OFFICE)
    assert (one.slot, one.once, one.live(NOW)) == (1, False, True)
    assert one.lease.expires_at == session.expires_at
    assert await notices(db) == ["phone.enrolled"]
    await db.write(lambda conn: sessions.extend(conn, session.id, NOW + 2 * DAY, NOW))
    (one,) = await held(db, vault, session, OFFICE)
    assert one.lease.expires_at == NOW + 2 * DAY
    await db.write(lambda conn: sessions.close(conn, session.id, NOW))
    (one,) = await held(db, vault, session, OFFICE)
    assert not one.live(NOW)
    assert one.lease.reserved_until == NOW + COOL_DOWN


async def test_enrolling_twice_or_where_the_place_is_taken_keeps_what_there_is(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    session = await opened(db, vault)
    other = a_person(Role.BUYER, 7)
    theirs = await opened(db, vault, a_draft(other, a_person(Role.SELLER, 7)))
    assert other.phone is not None

    assert await enrolled(db, vault, session)
    assert await enrolled(db, vault, session)
    assert await enrolled(db, vault, session, other.phone)

    assert len(await listed(db, session)) == 1
    (one,) = await held(db, vault, session, other.phone)
    assert one.session == as_routed(theirs)
    assert await notices(db) == ["phone.enrolled"]


async def test_nobody_is_enrolled_in_a_session_that_is_over(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    await db.write(lambda conn: sessions.close(conn, session.id, NOW))

    assert not await enrolled(db, vault, session)
    assert await listed(db, session) == ()


async def test_a_participant_has_so_many_phones_and_no_more(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)

    for n in range(MOST_ENROLLED + 2):
        assert await enrolled(db, vault, session, Phone(f"+7903000000{n}"))

    assert len(await listed(db, session)) == MOST_ENROLLED


async def test_a_cooling_place_of_another_session_is_not_taken_over(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    session = await opened(db, vault)
    index = vault.index(OFFICE)

    def cool(conn: Connection) -> None:
        row = {
            "session_id": session.id,
            "position": 1,
            "slot": 5,
            "number_id": session.leases[0].number.id,
            "phone_index": index,
            "extension": "",
            "once": False,
            "since": NOW,
            "expires_at": NOW,
            "reserved_until": NOW + DAY,
            "active": True,
        }
        conn.execute(insert(leases), row)

    await db.write(cool)

    assert await enrolled(db, vault, session)

    assert {one.slot for one in await held(db, vault, session, OFFICE)} == {5}
    assert (await enrolled(db, vault, session, now=NOW + DAY / 2)) is True
    assert [one.slot for one in await listed(db, session)] == []
