"""Links: how somebody who calls a listing for the first time gets a session with its seller.

Two calls of one new caller at once make one link: whoever comes second waits for the lock of the
listing number and finds it. A caller who had a link already, by another number of the listing or as
a buyer whom the platform knows, keeps that conversation; the number dialled is leased to them
beside the one they have (a lease of slot 1 or more with their own phone).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, insert, select, update

from masking import listing
from masking.allocation import NO_WISH, Wish
from masking.digits import SECRET_BYTES
from masking.errors import (
    NumberHeld,
    NumberUnavailable,
    PoolExhausted,
    SessionLimit,
    StickyUnavailable,
)
from masking.lifecycle import SessionDraft
from masking.listing import Link, LinkRefusal, ListingNumber, Shown
from masking.model import Lease, Participant, Phone, Pool, Role, Session, TtlFrom
from masking.notice import session_opened
from storage import listings, outbox, sessions
from storage import numbers as number_rows
from storage.dialect import insert_for
from storage.places import Entropy
from storage.schema import (
    blocks,
    caller_days,
    leases,
    listing_numbers,
    numbers,
    participants,
    pools,
    shown_numbers,
)
from storage.schema import sessions as session_table
from storage.session_rows import OWN
from storage.vault import Vault

_EPOCH_DAY: Final = 719_163  # 1 January 1970, as `date.toordinal` counts
_BY_LISTING: Final = (("by", "listing"),)

_mine = leases.alias("mine")
_theirs = leases.alias("theirs")
_LOCKED: Final = (
    select(listing_numbers.c.turn)
    .where(
        listing_numbers.c.id == bindparam("listing"),
        listing_numbers.c.closed_at.is_(None),
        listing_numbers.c.expires_at > bindparam("at"),
    )
    .with_for_update()
)
_of_caller = (
    (leases.c.phone_index == bindparam("caller"))
    & (leases.c.number_id == bindparam("number"))
    & (leases.c.extension == bindparam("digits"))
    & leases.c.active
)
_facts: tuple[ColumnElement[Any], ...] = (
    *pools.c["name", "cool_down_s", "language", "ring_s", "max_call_s", "rules"],
    select(shown_numbers.c.turn)
    .where(
        shown_numbers.c.active,
        shown_numbers.c.number_id == bindparam("number"),
        shown_numbers.c.extension == bindparam("digits"),
        shown_numbers.c.listing_number_id == bindparam("listing"),
    )
    .scalar_subquery()
    .label("place_turn"),
    exists().where(numbers.c.e164 == bindparam("phone")).label("is_proxy"),
    exists()
    .where(
        blocks.c.user_id == bindparam("callee_user"), blocks.c.blocked_user_id == bindparam("user")
    )
    .label("blocked"),
)
_FACTS: Final = select(*_facts).where(pools.c.name == bindparam("pool"))
_EARLIER: Final = (  # by the index of the places that the caller holds, which are few
    select(session_table.c.id, _mine.c.position)
    .select_from(
        _mine.join(session_table, session_table.c.id == _mine.c.session_id)
        .join(
            participants,
            (participants.c.session_id == _mine.c.session_id)
            & (participants.c.position != _mine.c.position),
        )
        .join(
            _theirs,
            (_theirs.c.session_id == participants.c.session_id)
            & (_theirs.c.position == participants.c.position)
            & (_theirs.c.slot == OWN),
        )
    )
    .where(
        _mine.c.phone_index == bindparam("caller"),
        _mine.c.active,
        _mine.c.slot == OWN,
        _mine.c.expires_at > bindparam("at"),
        session_table.c.closed_at.is_(None),
        session_table.c.listing_id == bindparam("about"),
        participants.c.user_id == bindparam("callee_user"),
        _theirs.c.phone_index == bindparam("callee"),
    )
    .order_by(session_table.c.id.desc())
    .limit(1)
)
_HOLDER: Final = select(leases.c.session_id, leases.c.position, leases.c.expires_at).where(
    _of_caller
)
_GIVE_WAY: Final = (
    update(leases).where(_of_caller, leases.c.expires_at <= bindparam("at")).values(active=False)
)
_LAST_SLOT: Final = select(func.max(leases.c.slot)).where(
    leases.c.session_id == bindparam("of_session"), leases.c.position == bindparam("at_position")
)
_LEASE: Final = insert(leases)
_BROUGHT: Final = (
    update(shown_numbers)
    .where(
        shown_numbers.c.listing_number_id == bindparam("listing"),
        shown_numbers.c.turn == bindparam("at_turn"),
    )
    .values(callers=shown_numbers.c.callers + 1)
    .returning(shown_numbers.c.callers)
)
_COUNT: Final = (
    update(caller_days)
    .where(caller_days.c.phone_index == bindparam("caller"), caller_days.c.day == bindparam("on"))
    .values(new_links=caller_days.c.new_links + 1)
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new session is made with; see `storage.sessions.open_session`."""

    session_id: str
    rotation: int
    entropy: Entropy
    conversation_id: str | None = None  # None: held under the session's id until it is named
    busy: AbstractSet[str] | None = frozenset()


def open_link(
    conn: Connection,
    vault: Vault,
    wanted: ListingNumber,
    caller: Phone,
    opening: Opening,
    now: datetime,
) -> Link | LinkRefusal:
    """The caller's link to the seller of `wanted`, whose `shown` is the place that was dialled.

    Asked for again it is the same link. A refusal changes nothing. Raises CallsUnknown, SealBroken.
    """
    call = _understood(conn, vault, wanted, caller, now)
    if isinstance(call, LinkRefusal):
        return call
    earlier = _earlier(conn, vault, call, now)
    if earlier is not None:
        return _joined(conn, earlier, call, now)
    return _begun(conn, vault, call, opening, now)


@dataclass(frozen=True, slots=True)
class _Call:
    """A new caller of a listing. `repr` never shows phones."""

    wanted: ListingNumber
    shown: Shown  # the place dialled
    turn: int  # of that place
    is_last: bool  # the listing shows it at the moment
    caller: Participant
    index: bytes = field(repr=False)  # of the caller's phone
    pool: Pool
    blocked: bool


def _understood(
    conn: Connection, vault: Vault, wanted: ListingNumber, caller: Phone, now: datetime
) -> _Call | LinkRefusal:
    """What is to be done, with the listing number locked; or why nothing is."""
    shown, callee = wanted.shown, wanted.callee
    if callee.phone == caller:
        return LinkRefusal.OWN_LISTING
    locked = conn.execute(_LOCKED, {"listing": wanted.id, "at": now}).first()
    if locked is None or shown is None:
        return LinkRefusal.OVER
    user_id = f"caller:{vault.pseudonym(caller)}"
    asked = {
        "pool": wanted.pool,
        "listing": wanted.id,
        "number": shown.number.id,
        "digits": shown.extension,
        "phone": caller,
        "callee_user": callee.user_id,
        "user": user_id,
    }
    facts = conn.execute(_FACTS, asked).first()
    if facts is None or facts.place_turn is None:
        return LinkRefusal.OVER
    if facts.is_proxy:
        return LinkRefusal.PROXY_CALLER
    return _Call(
        wanted,
        shown,
        turn=facts.place_turn,
        is_last=facts.place_turn == locked.turn,
        caller=Participant(listing.caller_role(callee.role), user_id, caller),
        index=vault.index(caller),
        pool=number_rows.pool_of(facts),
        blocked=facts.blocked,
    )


def _earlier(
    conn: Connection, vault: Vault, call: _Call, now: datetime
) -> tuple[Session, int] | None:
    """An open session of this caller with this seller about this listing, and the caller's side."""
    callee = call.wanted.callee
    asked = {
        "caller": call.index,
        "callee": None if callee.phone is None else vault.index(callee.phone),
        "callee_user": callee.user_id,
        "about": call.wanted.listing.id,
        "at": now,
    }
    row = conn.execute(_EARLIER, asked).first()
    found = None if row is None else sessions.get(conn, vault, row.id)
    return None if row is None or found is None else (found, row.position)


def _joined(conn: Connection, earlier: tuple[Session, int], call: _Call, now: datetime) -> Link:
    """The earlier session, reached by the place dialled too, unless that means somebody else."""
    session, position = earlier
    own = _own_lease(session, session.participants[position].role)
    number, digits = call.shown.number, call.shown.extension
    there = replace(own, number=number, extension=digits, pin=None, why=_BY_LISTING)
    place = {"caller": call.index, "number": number.id, "digits": digits}
    holder = conn.execute(_HOLDER, place).first()
    if holder is not None and holder.expires_at > now:
        theirs = (holder.session_id, holder.position) == (session.id, position)
        return Link(session, there if theirs else own, opened=False)
    if holder is not None:
        conn.execute(_GIVE_WAY, place | {"at": now})
    side = {"of_session": session.id, "at_position": position}
    row = {
        "session_id": session.id,
        "position": position,
        "slot": conn.execute(_LAST_SLOT, side).scalar_one() + 1,
        "number_id": number.id,
        "phone_index": call.index,
        "extension": digits,
        "pin": None,
        "once": False,
        "since": now,
        "why": dict(_BY_LISTING),
        "expires_at": own.expires_at,
        "reserved_until": own.reserved_until,
        "active": True,
    }
    conn.execute(_LEASE, row)
    return Link(session, there, opened=False)


def _begun(
    conn: Connection, vault: Vault, call: _Call, opening: Opening, now: datetime
) -> Link | LinkRefusal:
    if call.blocked:
        return LinkRefusal.BLOCKED
    if _links_today(conn, call.index, now) >= call.pool.rules.listings.links_a_day:
        return LinkRefusal.TOO_MANY
    session = _opened(conn, vault, call, opening, now)
    if session is None:
        return LinkRefusal.EXHAUSTED
    conn.execute(_COUNT, {"caller": call.index, "on": _day(now)})
    dialled = (call.shown.number.e164, call.shown.extension)
    outbox.owe(conn, session_opened(session, "listing", dialled, session.participants, now))
    _brought(conn, vault, call, opening.entropy, now)
    return Link(session, _own_lease(session, call.caller.role), opened=True)


def _opened(
    conn: Connection, vault: Vault, call: _Call, opening: Opening, now: datetime
) -> Session | None:
    """A session with the place dialled for the caller, or another where that means somebody else.

    None where the pool has no number for one of them.
    """
    wanted = call.wanted
    dialled = Wish(
        number=call.shown.number.e164,
        extension=call.shown.extension,
        of_any_state=True,
        over_cooling=True,
        why="listing",
    )
    draft = SessionDraft(
        conversation_id=opening.conversation_id or opening.session_id,
        participants=(call.caller, wanted.callee),
        pool=wanted.pool,
        ttl=call.pool.rules.listings.link,
        listing=wanted.listing,
        channel_policy=wanted.channel_policy,
        ttl_from=TtlFrom.LAST_CALL,
        listing_number_id=wanted.id,
        conversation_held=opening.conversation_id is None,
    )
    secret = opening.entropy(SECRET_BYTES)
    for wish in (dialled, NO_WISH):
        try:
            return sessions.open_session(
                conn,
                vault,
                replace(draft, wishes=(wish, NO_WISH)),
                now=now,
                session_id=opening.session_id,
                rotation=opening.rotation,
                secret=secret,
                busy=opening.busy,
            )
        except (NumberHeld, NumberUnavailable):
            continue
        except (PoolExhausted, SessionLimit, StickyUnavailable):
            break
    return None


def _brought(conn: Connection, vault: Vault, call: _Call, entropy: Entropy, now: datetime) -> None:
    """Count a new caller for the place; show another if it has brought enough."""
    which = {"listing": call.wanted.id, "at_turn": call.turn}
    callers = conn.execute(_BROUGHT, which).scalar_one()
    if call.is_last and listing.full(call.wanted.rotation, callers):
        listings.rotate_full(conn, vault, call.wanted.id, now=now, entropy=entropy)


def _links_today(conn: Connection, caller: bytes, now: datetime) -> int:
    """How many the caller began today; others who count for them wait until we are done."""
    row = {"phone_index": caller, "day": _day(now), "new_links": 0}
    statement = insert_for(conn, caller_days).on_conflict_do_update(
        index_elements=["phone_index", "day"], set_={"new_links": caller_days.c.new_links}
    )
    found: int = conn.execute(statement.returning(caller_days.c.new_links), row).scalar_one()
    return found


def _own_lease(session: Session, role: Role) -> Lease:
    lease = session.lease(role)
    assert lease is not None  # whoever called has a phone
    return lease


def _day(now: datetime) -> int:
    return now.toordinal() - _EPOCH_DAY
