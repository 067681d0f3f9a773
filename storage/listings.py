"""Listing numbers: created, looked at, extended, rotated, closed; and which one a call means.

That each place (number and digits after it) is of one listing is the database's own rule
(`uq_shown_numbers_active`); `storage.places` chooses, and gives way to whoever was quicker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, exists, insert, select, update

from masking import listing
from masking.errors import (
    ListingNumberOver,
    NothingToShow,
    PhoneIsProxy,
    PhoneMissing,
    UnknownListingNumber,
    UnknownPool,
)
from masking.listing import ListingDraft, ListingNumber, Rotation, Shown
from masking.model import NumberState, Pool
from masking.notice import Notice, NoticeKind
from storage import numbers as number_rows
from storage import outbox, places
from storage.listing_rows import (
    listing_number_of,
    listing_row,
    rotation_columns,
    shown_row,
    with_last,
    with_place,
)
from storage.pages import Order, Page
from storage.places import Entropy
from storage.schema import listing_numbers, numbers, pools, shown_numbers
from storage.vault import Vault

_POSTPONED: Final = timedelta(hours=1)  # a rotation for which the pool has no number

_INSERT: Final = insert(listing_numbers)
_SHOW: Final = insert(shown_numbers)
_BY_ID: Final = with_last().where(listing_numbers.c.id == bindparam("wanted"))
_LOCK: Final = (
    select(listing_numbers.c.turn).where(listing_numbers.c.id == bindparam("wanted"))
).with_for_update()
_LOCK_IF_IDLE: Final = (
    select(listing_numbers.c.turn).where(listing_numbers.c.id == bindparam("wanted"))
).with_for_update(skip_locked=True)
_AT_PLACE: Final = with_place().where(
    shown_numbers.c.active,
    shown_numbers.c.number_id == bindparam("number"),
    shown_numbers.c.extension == bindparam("digits"),
)
_ANY_EXTENSION: Final = select(
    exists().where(
        shown_numbers.c.active,
        shown_numbers.c.number_id == bindparam("number"),
        shown_numbers.c.extension > "",
        (shown_numbers.c.free_from > bindparam("at"))
        | (  # one that its listing shows no more, and answers still
            (shown_numbers.c.free_from > bindparam("rested"))
            & exists().where(
                listing_numbers.c.id == shown_numbers.c.listing_number_id,
                listing_numbers.c.closed_at.is_(None),
                listing_numbers.c.expires_at > bindparam("at"),
            )
        ),
    )
)
_POOL: Final = select(pools).where(pools.c.name == bindparam("wanted"))
_IS_PROXY: Final = select(exists().where(numbers.c.e164 == bindparam("phone")))
_THE_LISTING: Final = listing_numbers.c.id == bindparam("of_listing")
_AT_TURN: Final = (
    (shown_numbers.c.listing_number_id == bindparam("of_listing"))
    & (shown_numbers.c.turn == bindparam("at_turn"))
    & shown_numbers.c.active
)
_DUE: Final = (
    select(shown_numbers.c.listing_number_id)
    .where(shown_numbers.c.rotate_at <= bindparam("at"))
    .order_by(shown_numbers.c.rotate_at)
    .limit(bindparam("at_most"))
)
_DRAINING: Final = select(numbers.c.id).where(numbers.c.state == NumberState.DRAINING.value)
_SHOWN_ON: Final = (
    select(shown_numbers.c.listing_number_id)
    .where(
        shown_numbers.c.number_id.in_(bindparam("numbers", expanding=True)),
        shown_numbers.c.active,
        shown_numbers.c.free_from > bindparam("at"),
        shown_numbers.c.rotate_at.is_(None),
    )
    .limit(bindparam("at_most"))
)
_PAGES: Final = Order("listing numbers", (listing_numbers.c.id,), (str,))


@dataclass(frozen=True, slots=True)
class Change:
    """What a platform wants of a listing number; None leaves it as it is."""

    expires_at: datetime | None = None
    title: str | None = None
    rotation: Rotation | None = None
    rotate: bool = False  # show another number now


def create(
    conn: Connection,
    vault: Vault,
    draft: ListingDraft,
    *,
    new_id: str,
    now: datetime,
    entropy: Entropy,
) -> ListingNumber:
    """A listing number that shows a place from now on.

    Raises UnknownPool, NothingToShow, PhoneIsProxy, and what `masking.listing.check` raises.
    """
    pool, version = _pool(conn, draft.pool)
    number = listing.begin(draft, pool.rules.listings, new_id=new_id, now=now)
    phone = draft.callee.phone
    if phone is None:
        raise PhoneMissing(field="seller.phone")
    if conn.execute(_IS_PROXY, {"phone": phone}).scalar_one():
        raise PhoneIsProxy(field="seller.phone")
    stock = number_rows.stock(conn, pool.name, version)
    place = places.find(conn, pool, stock, phone, now=now, entropy=entropy)
    conn.execute(_INSERT, listing_row(number, phone, vault))
    return _show(conn, number, 0, place, now)


def get(conn: Connection, vault: Vault | None, listing_number_id: str) -> ListingNumber | None:
    """The listing number of that id, with what it shows or showed last.

    Without a vault its phone stays sealed and is None. Raises SealBroken.
    """
    row = conn.execute(_BY_ID, {"wanted": listing_number_id}).first()
    return None if row is None else listing_number_of(row, vault)


def page(
    conn: Connection,
    vault: Vault | None,
    *,
    listing_id: str | None = None,
    user_id: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[ListingNumber]:
    """Listing numbers, the newest first; see `get`. Raises BadCursor, SealBroken."""
    query = with_last()
    if listing_id is not None:
        query = query.where(listing_numbers.c.listing_id == listing_id)
    if user_id is not None:
        query = query.where(listing_numbers.c.user_id == user_id)
    rows = conn.execute(_PAGES.apply(query, limit=limit, cursor=cursor)).all()
    return _PAGES.page(
        rows,
        limit=limit,
        key=lambda row: (row.id,),
        item=lambda row: listing_number_of(row, vault),
    )


def shown_at_number(
    conn: Connection, vault: Vault, number_id: int, extension: str
) -> ListingNumber | None:
    """The listing that the place shows, or showed last and still has; `shown` is that place.

    Whether a new caller reaches it is said by `masking.listing.reached`. One statement. Raises
    SealBroken.
    """
    row = conn.execute(_AT_PLACE, {"number": number_id, "digits": extension}).first()
    return None if row is None else listing_number_of(row, vault)


def any_extension(conn: Connection, number_id: int, rest: timedelta, now: datetime) -> bool:
    """Whether a listing is reached at `now` by typing digits after this number.

    `rest` is that of the number's pool, as in `masking.listing.reached`.
    """
    wanted = {"number": number_id, "at": now, "rested": now - rest}
    found: bool = conn.execute(_ANY_EXTENSION, wanted).scalar_one()
    return bool(found)


def change(
    conn: Connection,
    vault: Vault,
    listing_number_id: str,
    wanted: Change,
    *,
    now: datetime,
    entropy: Entropy,
) -> None:
    """Carry out a change, all of it or none.

    Raises UnknownListingNumber, ListingNumberOver, TtlOutOfRange, NothingToShow.
    """
    number, turn = _locked(conn, vault, listing_number_id)
    listing.must_live(number, now)
    changed: dict[str, Any] = {}
    if wanted.title is not None:
        number = replace(number, listing=replace(number.listing, title=wanted.title))
        changed["listing_title"] = wanted.title
    if wanted.rotation is not None:
        number = replace(number, rotation=wanted.rotation)
        changed |= rotation_columns(wanted.rotation)
    if wanted.expires_at is not None:
        number = listing.extend(number, wanted.expires_at, now)
        changed["expires_at"] = number.expires_at
    of_it: dict[str, Any] = {"of_listing": number.id}
    if changed:
        conn.execute(update(listing_numbers).where(_THE_LISTING).values(changed), of_it)
    if wanted.rotate:
        rotate(conn, number, turn, now=now, entropy=entropy, why="asked")
    elif changed and number.shown is not None:
        times = {
            "free_from": number.expires_at,
            "rotate_at": listing.due_at(number.rotation, number.shown.shown_at),
        }
        kept = update(shown_numbers).where(_AT_TURN).values(times)
        if conn.execute(kept, of_it | {"at_turn": turn}).rowcount != 1:
            raise ListingNumberOver  # by a clock ahead of ours, which gave its place away already


def close(conn: Connection, listing_number_id: str, now: datetime) -> None:
    """End it now: new callers no longer reach it; links that callers have go on.

    One that is over stays as it is. Raises UnknownListingNumber.
    """
    number, turn = _locked(conn, None, listing_number_id)
    if not number.live(now):
        return
    number = listing.close(number, now)
    ended = update(listing_numbers).where(_THE_LISTING).values(closed_at=number.closed_at)
    conn.execute(ended, {"of_listing": number.id})
    _hide(conn, number, turn, now)


def rotate(
    conn: Connection,
    number: ListingNumber,
    turn: int,
    *,
    now: datetime,
    entropy: Entropy,
    why: str,
) -> ListingNumber:
    """Show another place instead of that of `turn`, and owe the platform a notice of it.

    The caller holds the lock of the listing number. Raises NothingToShow before it has changed
    anything.
    """
    pool, version = _pool(conn, number.pool)
    stock = number_rows.stock(conn, pool.name, version)
    place = places.find(conn, pool, stock, number.callee.phone, now=now, entropy=entropy)
    _hide(conn, number, turn, now)
    before = number.shown
    number = _show(conn, number, turn + 1, place, now)
    conn.execute(
        update(listing_numbers).where(_THE_LISTING).values(turn=turn + 1), {"of_listing": number.id}
    )
    outbox.owe(conn, _rotated(number, turn + 1, before, why, now))
    return number


def rotate_due(
    conn: Connection, vault: Vault, now: datetime, entropy: Entropy, *, at_most: int = 100
) -> int:
    """Rotate what is due: shown long enough, or on a number that drains. Says how many.

    Where the pool has nothing else to show, the number stays for another hour.
    """
    due = [row[0] for row in conn.execute(_DUE, {"at": now, "at_most": at_most})]
    draining = list(conn.execute(_DRAINING).scalars())
    if draining and len(due) < at_most:
        asked = {"numbers": draining, "at": now, "at_most": at_most - len(due)}
        due += conn.execute(_SHOWN_ON, asked).scalars()
    return sum(_rotate_if_due(conn, vault, one, now, entropy) for one in dict.fromkeys(due))


def rotate_full(
    conn: Connection, vault: Vault, listing_number_id: str, *, now: datetime, entropy: Entropy
) -> None:
    """Show another place if the one shown brought enough callers; `rotate_due` where none is free.

    The caller holds the lock of the listing number.
    """
    _rotate_if_due(conn, vault, listing_number_id, now, entropy)


def sweep(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Let go of places that rested long enough, at most so many; says how many."""
    return places.sweep(conn, now, at_most=at_most)


def _rotate_if_due(
    conn: Connection, vault: Vault, wanted: str, now: datetime, entropy: Entropy
) -> bool:
    found = conn.execute(_LOCK_IF_IDLE, {"wanted": wanted}).first()
    row = None if found is None else conn.execute(_BY_ID, {"wanted": wanted}).first()
    if row is None:
        return False
    number, turn = listing_number_of(row, vault), row.turn
    if number.shown is None or not number.live(now):
        return _postpone(conn, number, turn, None)
    why = _why_due(number, number.shown, now)
    if why is None:  # somebody was quicker
        return False
    try:
        rotate(conn, number, turn, now=now, entropy=entropy, why=why)
    except NothingToShow:
        return _postpone(conn, number, turn, now + _POSTPONED)
    return True


def _why_due(number: ListingNumber, shown: Shown, now: datetime) -> str | None:
    due = listing.due_at(number.rotation, shown.shown_at)
    if due is not None and due <= now:
        return "time"
    if listing.full(number.rotation, shown.callers):
        return "callers"
    return "draining" if shown.number.state is NumberState.DRAINING else None


def _postpone(conn: Connection, number: ListingNumber, turn: int, until: datetime | None) -> bool:
    which = {"of_listing": number.id, "at_turn": turn}
    conn.execute(update(shown_numbers).where(_AT_TURN).values(rotate_at=until), which)
    return False


def _show(
    conn: Connection, number: ListingNumber, turn: int, place: places.Place, now: datetime
) -> ListingNumber:
    shown = Shown(*place, shown_at=now)
    due = listing.due_at(number.rotation, now)
    conn.execute(_SHOW, shown_row(number, turn, shown, due))
    if not place[0].shown:
        number_rows.mark_shown(conn, place[0].id, now, shown=True)
    return replace(number, shown=shown)


def _hide(conn: Connection, number: ListingNumber, turn: int, now: datetime) -> None:
    hidden = update(shown_numbers).where(_AT_TURN)
    hidden = hidden.values(hidden_at=now, free_from=now, rotate_at=None)
    conn.execute(hidden, {"of_listing": number.id, "at_turn": turn})


def _locked(conn: Connection, vault: Vault | None, wanted: str) -> tuple[ListingNumber, int]:
    """The listing number, and its turn; nobody else changes it meanwhile."""
    if conn.execute(_LOCK, {"wanted": wanted}).first() is None:
        raise UnknownListingNumber
    row: Row[Any] = conn.execute(_BY_ID, {"wanted": wanted}).one()
    return listing_number_of(row, vault), row.turn


def _pool(conn: Connection, name: str) -> tuple[Pool, int]:
    row = conn.execute(_POOL, {"wanted": name}).first()
    if row is None:
        raise UnknownPool(name)
    return number_rows.pool_of(row), row.version


def _rotated(
    number: ListingNumber, turn: int, before: Shown | None, why: str, now: datetime
) -> Notice:
    shown = number.shown
    return Notice(
        kind=NoticeKind.LISTING_ROTATED,
        key=f"listing.rotated:{number.id}:{turn}",
        at=now,
        data={
            "listing_number_id": number.id,
            "listing": {"id": number.listing.id, "title": number.listing.title},
            "number": None if shown is None else shown.number.e164,
            "extension": "" if shown is None else shown.extension,
            "number_before": None if before is None else before.number.e164,
            "extension_before": "" if before is None else before.extension,
            "why": why,
        },
    )
