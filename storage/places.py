"""Which place a listing shows: a proxy number, with digits after it where the pool shares numbers.

Tried in this order, each with a bounded number of index look-ups however many listings there are:

1. a place that nobody took: of a plain pool, a number that no listing shows; of a shared one,
   random digits after a number that listings show already. Another number is opened for listings
   only when random digits meet taken ones often, which keeps a number about a fiftieth full: pairs
   keep the rest, and whoever mistypes a digit mostly reaches nobody;
2. the place that has been free longest, which its former listing gives up by that;
3. whatever a search of `_SEARCHED` places finds. A pool that is not larger is used to its last
   place; a larger one is called exhausted when so many places in a row are taken.

Two who want one place at once: `uq_shown_numbers_active` lets one have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, exists, func, select, update

from masking.areas import areas_of
from masking.errors import NothingToShow
from masking.listing import extension
from masking.model import NumberState, Phone, Pool, ProxyNumber
from masking.stock import Circle, Stock
from storage import numbers as number_rows
from storage.schema import numbers, pools, shown_numbers

Place = tuple[ProxyNumber, str]
Entropy = Callable[[int], bytes]

_PROBES: Final = 8
_CROWDED: Final = 3  # taken ones among them
_SEARCHED: Final = 8192
_AT_ONCE: Final = 512

_of_number = shown_numbers.c.number_id == bindparam("number")
_TAKEN: Final = select(shown_numbers.c.number_id, shown_numbers.c.extension).where(
    shown_numbers.c.active,
    # Every number with all the digits: some places more than asked for, each by the index.
    shown_numbers.c.number_id.in_(bindparam("numbers", expanding=True)),
    shown_numbers.c.extension.in_(bindparam("digits", expanding=True)),
)
_IN_ORDER: Final = (
    select(shown_numbers.c.extension)
    .where(
        shown_numbers.c.active,
        _of_number,
        shown_numbers.c.extension >= bindparam("first"),
        shown_numbers.c.extension <= bindparam("last"),
        func.length(shown_numbers.c.extension) == bindparam("length"),
    )
    .order_by(shown_numbers.c.extension)
    .limit(bindparam("at_most"))
)
_LONGEST_FREE: Final = (
    select(shown_numbers.c.listing_number_id, shown_numbers.c.turn, *numbers.c)
    .add_columns(shown_numbers.c.extension)
    .join_from(shown_numbers, numbers, numbers.c.id == shown_numbers.c.number_id)
    .where(
        shown_numbers.c.active,
        shown_numbers.c.pool == bindparam("of_pool"),
        shown_numbers.c.free_from <= bindparam("at"),
        func.length(shown_numbers.c.extension) == bindparam("length"),
        numbers.c.state == NumberState.ACTIVE.value,
    )
    .order_by(shown_numbers.c.free_from, shown_numbers.c.listing_number_id)
    .limit(1)
    .with_for_update(skip_locked=True, of=shown_numbers)
)
_GIVE_UP: Final = (
    update(shown_numbers)
    .where(
        shown_numbers.c.listing_number_id == bindparam("of_listing"),
        shown_numbers.c.turn == bindparam("at_turn"),
    )
    .values(
        active=False,
        rotate_at=None,
        hidden_at=func.coalesce(shown_numbers.c.hidden_at, shown_numbers.c.free_from),
    )
)
_RESTED: Final = (
    select(shown_numbers.c.listing_number_id, shown_numbers.c.turn, shown_numbers.c.number_id)
    .where(
        shown_numbers.c.active,
        shown_numbers.c.pool == bindparam("of_pool"),
        shown_numbers.c.free_from <= bindparam("until"),
    )
    .order_by(shown_numbers.c.free_from)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_STILL_SHOWN: Final = select(exists().where(shown_numbers.c.active, _of_number))


def find(
    conn: Connection,
    pool: Pool,
    stock: Stock,
    phone: Phone | None,
    *,
    now: datetime,
    entropy: Entropy,
) -> Place:
    """A place that is free from now on; nobody has it yet. Raises NothingToShow.

    Of numbers that nobody took, those of the area of `phone`, the seller's, come first where the
    pool's rules want that. The same work run again finds another place.
    """
    rules = pool.rules.listings
    length = rules.extension_length if rules.shared else 0
    areas = _Areas(stock, phone if pool.rules.numbers.geo else None, pool.rules.numbers.areas)
    known = (*stock.shown.numbers, *stock.free.numbers)
    found = (
        (_shared(conn, areas, length, entropy) if length else areas.unshown(entropy))
        or _longest_free(conn, pool.name, length, now)
        or _searched(conn, known, length, entropy)
    )
    if found is None:
        raise NothingToShow(pool.name)
    return found


def sweep(conn: Connection, now: datetime, *, at_most: int) -> int:
    """Let go of places that rested as long as their pool has it, the oldest first; says how many.

    Those who call them reach nobody by then; it only keeps the index of places small, and gives
    numbers that no listing shows any more back to pairs.
    """
    swept = 0
    for row in conn.execute(select(pools)).all():
        pool = number_rows.pool_of(row)
        wanted = {
            "of_pool": pool.name,
            "until": now - pool.rules.listings.rest,
            "at_most": at_most - swept,
        }
        over = conn.execute(_RESTED, wanted).all()
        if over:
            _give_up(conn, over)
            swept += len(over)
            for number_id in sorted({one.number_id for one in over}):
                if not conn.execute(_STILL_SHOWN, {"number": number_id}).scalar_one():
                    number_rows.mark_shown(conn, number_id, now, shown=False)
        if swept >= at_most:
            break
    return swept


@dataclass(frozen=True, slots=True)
class _Areas:
    """A pool's active numbers by how near they are to a seller. `repr` never shows the phone."""

    stock: Stock
    phone: Phone | None = field(repr=False)
    listed: tuple[str, ...]  # the pool's own areas

    def unshown(self, entropy: Entropy) -> Place | None:
        """A number that no listing shows, of the nearest area that has one."""
        for circle in self._unshown():
            if len(circle):
                return circle.numbers[_below(len(circle), entropy)], ""
        return None

    def opened(self) -> Sequence[ProxyNumber]:
        """The numbers that listings show, of the nearest area that has any."""
        near = () if self.phone is None else self.stock.shown_near(self.phone)
        return near or self.stock.shown.numbers

    def worth_opening(self, opened: Sequence[ProxyNumber]) -> bool:
        """Whether the seller's city has numbers, but none that listings show yet."""
        phone = self.phone
        if phone is None or any(_of_city(phone, areas_of(one.e164)[0]) for one in opened[:1]):
            return False
        return any(len(circle) and area[:1] == "+" for circle, area in self.stock.near(phone))

    def _unshown(self) -> Iterator[Circle]:
        if self.phone is not None:
            yield from (circle for circle, _ in self.stock.near(self.phone))
            yield from (self.stock.within(area) for area in self.listed)
        yield self.stock.free


def _of_city(phone: Phone, city: str | None) -> bool:
    return city is not None and phone.startswith(city)


def _shared(conn: Connection, areas: _Areas, length: int, entropy: Entropy) -> Place | None:
    opened = areas.opened()
    free: list[Place] = []
    if opened and not areas.worth_opening(opened):
        tried = [
            (opened[_below(len(opened), entropy)], extension(length, entropy))
            for _ in range(_PROBES)
        ]
        taken = _taken(conn, tried)
        free = [one for one in tried if (one[0].id, one[1]) not in taken]
        if len(tried) - len(free) < _CROWDED:
            return free[0]
    fresh = areas.unshown(entropy)
    if fresh is not None:
        return fresh[0], extension(length, entropy)
    return free[0] if free else None


def _taken(conn: Connection, places: Sequence[Place]) -> set[tuple[int, str]]:
    wanted = {(number.id, digits) for number, digits in places}
    asked = {
        "numbers": sorted({number_id for number_id, _ in wanted}),
        "digits": sorted({digits for _, digits in wanted}),
    }
    rows = conn.execute(_TAKEN, asked)
    return {(row.number_id, row.extension) for row in rows} & wanted


def _longest_free(conn: Connection, pool: str, length: int, now: datetime) -> Place | None:
    wanted = {"of_pool": pool, "at": now, "length": length}
    row = conn.execute(_LONGEST_FREE, wanted).first()
    if row is None:
        return None
    _give_up(conn, [row])
    return number_rows.number_of(row), row.extension


def _give_up(conn: Connection, rows: Iterable[Row[*tuple[Any, ...]]]) -> None:
    conn.execute(
        _GIVE_UP, [{"of_listing": row.listing_number_id, "at_turn": row.turn} for row in rows]
    )


def _searched(
    conn: Connection, known: Sequence[ProxyNumber], length: int, entropy: Entropy
) -> Place | None:
    """The first place that is free in the circle of all of them, begun anywhere."""
    if not length:
        return _searched_plain(conn, known)
    begin = _below(len(known), entropy) if known else 0
    left = _SEARCHED
    for number in (*known[begin:], *known[:begin]):
        digits, looked_at = _gap(conn, number.id, length, left)
        if digits is not None:
            return number, digits
        left -= looked_at
        if left <= 0:
            break
    return None


def _searched_plain(conn: Connection, known: Sequence[ProxyNumber]) -> Place | None:
    """Numbers that are shown only with digits after them: the pool shared them once."""
    for first in range(0, min(len(known), _SEARCHED), _AT_ONCE):
        some = [(number, "") for number in known[first : first + _AT_ONCE]]
        taken = _taken(conn, some)
        for place in some:
            if (place[0].id, "") not in taken:
                return place
    return None


def _gap(conn: Connection, number_id: int, length: int, at_most: int) -> tuple[str | None, int]:
    """The lowest digits that are not taken after a number, and how many taken ones were seen."""
    first, looked_at = 0, 0
    while first < 10**length and looked_at < at_most:
        some = min(_AT_ONCE, at_most - looked_at)
        wanted = {
            "number": number_id,
            "first": f"{first:0{length}}",
            "last": "9" * length,
            "length": length,
            "at_most": some,
        }
        rows = conn.execute(_IN_ORDER, wanted).all()
        for expected, row in enumerate(rows, first):
            if int(row.extension) != expected:
                return f"{expected:0{length}}", looked_at
        first, looked_at = first + len(rows), looked_at + len(rows)
        if len(rows) < some and first < 10**length:
            return f"{first:0{length}}", looked_at
    return None, looked_at


def _below(bound: int, entropy: Entropy) -> int:
    return int.from_bytes(entropy(8)) % bound
