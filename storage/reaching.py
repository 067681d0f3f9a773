"""What is known of the one to be reached, and of a device that calls: read by index, for `rule`.

Which devices are registered is no matter of a database: `Callee.devices` stays empty here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, exists, select

from masking.caps import NOTHING_TAKEN, Taken, any_cap
from masking.known import AppCaller, Callee, LookUp, RoutingFacts
from masking.model import Participant, Pool, Role, Session
from masking.switches import DEFAULT_SWITCHES, Account, Switches, read_quiet_hours
from storage import call_tallies
from storage.numbers import pool_of
from storage.prepared import Prepared
from storage.schema import (
    app_credentials,
    app_listings,
    app_users,
    participants,
    pools,
    sessions,
)
from storage.session_rows import BLOCKS_OTHER, COLUMNS, SIDES, session_of
from storage.vault import Vault

__all__ = [
    "HAS_USER",
    "USER",
    "InSession",
    "app_facts",
    "callee_of",
    "clicked_facts",
    "in_session",
    "look_up",
]

_OPTED_IN: Final = (
    exists()
    .where(
        app_listings.c.user_id == participants.c.user_id,
        app_listings.c.listing_id == sessions.c.listing_id,
    )
    .correlate(participants, sessions)
    .label("opted_in")
)
HAS_USER: Final = app_users.c.user_id == participants.c.user_id
"""By which `app_users` is joined to participants; of many there is no row."""
USER: Final = (
    app_users.c.account,
    app_users.c.in_app_calls,
    app_users.c.quiet_hours,
    app_users.c.timezone,
    app_users.c.app_until,
    _OPTED_IN,
)
"""Columns for a query over sessions, participants and `app_users`."""

_CALLEE: Final = Prepared(
    select(*USER)
    .select_from(
        participants.join(sessions, sessions.c.id == participants.c.session_id).outerjoin(
            app_users, HAS_USER
        )
    )
    .where(
        participants.c.session_id == bindparam("wanted"),
        participants.c.position == bindparam("at_position"),
    )
)
_POOL: Final = (
    pools.c.cool_down_s,
    pools.c.language,
    pools.c.ring_s,
    pools.c.max_call_s,
    pools.c.rules,
)
_IN_SESSION: Final = Prepared(
    select(*COLUMNS, BLOCKS_OTHER, *USER, *_POOL)
    .select_from(SIDES.join(pools, pools.c.name == sessions.c.pool).outerjoin(app_users, HAS_USER))
    .where(sessions.c.id == bindparam("wanted"))
    .order_by(participants.c.position)
)
_CALLED: Final = Prepared(
    select(
        *COLUMNS,
        BLOCKS_OTHER,
        *USER,
        app_credentials.c.user_id.label("caller_user_id"),
        app_credentials.c.expires_at.label("credential_until"),
        *_POOL,
    )
    .select_from(
        SIDES.join(pools, pools.c.name == sessions.c.pool)
        .join(app_credentials, app_credentials.c.username == bindparam("device"))
        .outerjoin(app_users, HAS_USER)
    )
    .where(sessions.c.id == bindparam("wanted"), app_credentials.c.revoked_at.is_(None))
    .order_by(participants.c.position)
)


def clicked_facts(conn: Connection, vault: Vault, wanted: str, role: Role) -> RoutingFacts:
    """What is known of the session `wanted`, called for the participant with that role.

    One statement. Raises SealBroken.
    """
    two = tuple(_IN_SESSION.rows(conn, {"wanted": wanted}))
    mine = [place for place, row in enumerate(two) if row.role == role.value]
    if len(two) != 2 or len(mine) != 1:
        return RoutingFacts()
    session = session_of(two, vault)
    pool = pool_of(two[0], session.pool)
    return RoutingFacts(
        pool=pool,
        via_app=AppCaller(session, role, None, any(row.blocks_other for row in two)),
        callee=callee_of(two[1 - mine[0]], session, session.other(role), pool),
    )


@dataclass(frozen=True, slots=True)
class InSession:
    """One participant of a session, and what is known of reaching them."""

    session: Session
    pool: Pool
    callee: Callee  # without devices, and without what their callers have taken
    blocked: bool  # one of the two has blocked the other


def in_session(conn: Connection, vault: Vault, wanted: str) -> tuple[InSession, ...]:
    """Both participants of the session `wanted`; empty where there is none. Raises SealBroken."""
    two = tuple(_IN_SESSION.rows(conn, {"wanted": wanted}))
    if len(two) != 2:
        return ()
    session = session_of(two, vault)
    pool = pool_of(two[0], session.pool)
    blocked = any(row.blocks_other for row in two)
    return tuple(
        InSession(session, pool, _callee(row, session, who, NOTHING_TAKEN), blocked)
        for row, who in zip(two, session.participants, strict=True)
    )


def app_facts(conn: Connection, vault: Vault, device: str, wanted: str) -> RoutingFacts:
    """What is known of the session `wanted`, if the user of `device` takes part in it.

    One statement, whether there is such a session or not. Raises SealBroken.
    """
    two = tuple(_CALLED.rows(conn, {"device": device, "wanted": wanted}))
    if len(two) != 2:
        return RoutingFacts()
    mine = [row.position for row in two if row.user_id == row.caller_user_id]
    if len(mine) != 1:
        return RoutingFacts()
    session = session_of(two, vault)
    caller = session.participants[mine[0]]
    pool = pool_of(two[0], session.pool)
    return RoutingFacts(
        pool=pool,
        via_app=AppCaller(
            session=session,
            role=caller.role,
            until=two[0].credential_until,
            blocked=any(row.blocks_other for row in two),
        ),
        callee=callee_of(two[1 - mine[0]], session, session.other(caller.role), pool),
    )


def callee_of(row: Row[Any], session: Session, callee: Participant, pool: Pool) -> Callee | None:
    """The callee in a row with the columns `USER`; None where caps ask for more than the row."""
    return None if any_cap(pool.rules.caps) else _callee(row, session, callee, NOTHING_TAKEN)


def look_up(conn: Connection, wanted: LookUp, pool: Pool, now: datetime) -> Callee:
    """The other side of the session, and what the caller has taken of what caps allow."""
    session = wanted.session
    callee = session.other(wanted.caller)
    position = session.participants.index(callee)
    which = {"wanted": session.id, "at_position": position}
    found = _CALLEE.rows(conn, which)
    taken = NOTHING_TAKEN
    if any_cap(pool.rules.caps):
        taken = call_tallies.taken(
            conn,
            session_id=session.id,
            position=1 - position,
            caller_user_id=session.participant(wanted.caller).user_id,
            callee_user_id=callee.user_id,
            now=now,
        )
    return _callee(found[0] if found else None, session, callee, taken)


def _callee(row: Row[Any] | None, session: Session, callee: Participant, taken: Taken) -> Callee:
    if row is None or row.account is None:  # chose nothing, and has no app
        return Callee(session.id, callee.role, callee.user_id, taken=taken)
    return Callee(
        session.id,
        callee.role,
        callee.user_id,
        switches=_switches(row),
        opted_in=bool(row.opted_in),
        zone=_zone(row.timezone) if row.timezone else UTC,
        app_until=row.app_until,
        taken=taken,
    )


def _switches(row: Row[Any]) -> Switches:
    account = Account(row.account)
    if account is Account.PRIVATE and row.in_app_calls is None and not row.quiet_hours:
        return DEFAULT_SWITCHES
    return Switches(account, row.in_app_calls, read_quiet_hours(row.quiet_hours), row.timezone)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    """UTC where the zone is none of this machine's: then at least nobody is called at all hours."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return UTC
