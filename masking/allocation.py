"""Which proxy numbers a new session gets.

A number is taken only for the participant who holds it: two leases may share a number as long as
their phones differ. A participant's next lease therefore needs nothing but a number which that
participant does not hold yet, and any such number will do. So the pool a platform needs is the
largest number of leases (live or cooling) that any one participant has; fewer cannot be enough,
since those leases must differ pairwise in their number. `choose` fails only where a participant
holds every number of the pool, which is exactly that bound: whatever a rule prefers, it never keeps
a number back.

Every participant goes round the pool on a circle of their own: the next number after the one they
got last is the one that rested longest for them. Who holds none begins where the pool's rotation
is, which spreads people evenly over the numbers.

Cost: a step for every held number that is met, at most ``len(held) + 2`` an area; how many sessions
and numbers there are makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from masking.digits import Digits
from masking.errors import (
    NumberHeld,
    NumberUnavailable,
    PoolExhausted,
    SessionLimit,
    StickyUnavailable,
)
from masking.model import NumberState, ProxyNumber, Role
from masking.rules import Exhausted, NumberRules, Phone, Sticky
from masking.stock import Circle, Stock

Why = tuple[tuple[str, str], ...]
Held = Mapping[int, Mapping[str, bool]]
"""What a phone holds, live or cooling: number id -> extension -> whether it is live."""

TEAM: Final = "team"
_BY_ROTATION: Final[Why] = (("by", "rotation"),)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for one participant's lease beyond the pool's rules."""

    number: Phone | None = None  # this very number
    extension: str | None = None  # with these digits; None: as the rules have it
    of_any_state: bool = False  # the number may be draining: it was dialled
    share: bool = False  # where the participant holds the number: with digits, whatever the pool
    over_cooling: bool = False  # the participant's own cooling lease gives way
    why: str = "asked"


NO_WISH: Final = Wish()


@dataclass(frozen=True, slots=True)
class Place:
    """What a lease is made of: nobody else with that phone has the same number and extension."""

    number: ProxyNumber
    extension: str = ""
    pin: str | None = field(default=None, repr=False)
    why: Why = ()
    displaces: bool = False  # a cooling lease of the same phone has the place and gives way


@dataclass(frozen=True, slots=True)
class Side:
    """A participant, as far as the choice of their number goes. `repr` never shows phones."""

    role: Role
    phone: Phone = field(repr=False)
    other: Phone | None = field(default=None, repr=False)  # of whom they reach
    held: Held = field(default_factory=dict)
    live: int = 0  # sessions of theirs in this pool
    latest: int | None = None  # the number of their latest lease that is kept still
    earlier: int | None = None  # the number they had in the pair's last session in this pool
    wish: Wish = NO_WISH
    position: int = 0  # in the request, to name what is at fault


@dataclass(frozen=True, slots=True)
class Idle:
    """A live session of a participant who holds every number, and the place they have in it."""

    session_id: str
    role: Role
    number: ProxyNumber
    extension: str
    since: datetime  # its last call's end, or its creation


def choose(stock: Stock, side: Side, rules: NumberRules, rotation: int, digits: Digits) -> Place:
    """The place of one participant's new lease.

    `rotation` is a counter that rises by one with every session. Raises PoolExhausted,
    SessionLimit, StickyUnavailable, NumberUnavailable, NumberHeld.
    """
    if rules.max_sessions is not None and side.live >= rules.max_sessions:
        raise SessionLimit(side.role)
    if side.wish.number is not None:
        return _asked(stock, side, side.wish.number, rules, digits)
    but: int | None = None
    note: Why = ()
    if side.earlier is not None:
        again = stock.get(side.earlier) if stock.is_active(side.earlier) else None
        free = again is not None and again.id not in side.held
        match rules.sticky:
            case Sticky.PREFER | Sticky.STRICT if again is not None and free:
                return Place(again, why=(("by", "sticky"),))
            case Sticky.STRICT:
                raise StickyUnavailable(side.role)
            case Sticky.AVOID:
                but = side.earlier
            case _:
                note = (("earlier", "held" if again is not None else "not given any more"),)
    found = _in_order(stock, side, rules, rotation, but)
    if found is not None:
        return Place(found[0], why=found[1] + note)
    if but is not None and (found := _in_order(stock, side, rules, rotation, None)) is not None:
        return Place(found[0], why=(*found[1], ("earlier", "nothing else is left")))
    if rules.exhausted is Exhausted.EXTENSION:
        return _shared(stock, side, rules.extension_length, rotation, digits)
    raise PoolExhausted(stock.pool, side.role)


def recyclable(
    idle: Iterable[Idle], recycle_after: timedelta, busy: AbstractSet[str], now: datetime
) -> list[Idle]:
    """The sessions whose place may be taken over, the one that was idle longest first.

    Never one with a call up (`busy`), nor one that was idle for less than `recycle_after`.
    """
    long_enough = now - recycle_after
    found = [one for one in idle if one.since <= long_enough and one.session_id not in busy]
    return sorted(found, key=lambda one: (one.since, one.session_id))


def taken_over(idle: Idle) -> Place:
    """The place of a session that is closed for a new one."""
    return Place(idle.number, idle.extension, why=(("by", "recycled"), ("of", idle.session_id)))


def _in_order(
    stock: Stock, side: Side, rules: NumberRules, rotation: int, but: int | None
) -> tuple[ProxyNumber, Why] | None:
    for circle, why in _preferred(stock, side, rules):
        number = circle.first(side.held, side.latest, rotation, but=but)
        if number is not None:
            return number, why
    return None


def _preferred(stock: Stock, side: Side, rules: NumberRules) -> Iterator[tuple[Circle, Why]]:
    """Circles of numbers, the better first; together they are all that may be given."""
    if rules.geo:
        for of, phone in (("callee", side.other), ("caller", side.phone)):
            if phone is not None:
                for circle, area in stock.near(phone):
                    yield circle, (("by", "area"), ("area", area), ("of", of))
        for area in rules.areas:
            yield stock.within(area), (("by", "area"), ("area", area), ("of", "pool"))
    yield stock.free, _BY_ROTATION
    yield stock.shown, (*_BY_ROTATION, ("shown", "on a listing too"))


def _asked(stock: Stock, side: Side, e164: Phone, rules: NumberRules, digits: Digits) -> Place:
    wish = side.wish
    where = "same_number_as" if wish.why == TEAM else f"participants[{side.position}].number"
    number = stock.spelt(e164)
    if number is None or (number.state is NumberState.DRAINING and not wish.of_any_state):
        raise NumberUnavailable(field=where)
    why: Why = (("by", wish.why),)
    theirs = side.held.get(number.id, {})
    extension = wish.extension or ""
    if extension not in theirs:
        return Place(number, extension, why=why)
    if wish.over_cooling and not theirs[extension]:
        return Place(number, extension, why=why, displaces=True)
    if wish.extension is None and (wish.share or rules.exhausted is Exhausted.EXTENSION):
        drawn = digits.draw_unlike(theirs, rules.extension_length)
        if drawn is not None:
            return Place(number, drawn, why=(*why, ("shared_with", str(len(theirs)))))
    raise NumberHeld(side.role, field=where)


def _shared(stock: Stock, side: Side, length: int, rotation: int, digits: Digits) -> Place:
    """The place on the number on which this participant has the fewest, in rotation."""
    circle = stock.free if len(stock.free) else stock.shown
    theirs = sum(len(places) for number, places in side.held.items() if number in circle)
    fewest = theirs // len(circle) if len(circle) else 0  # some number has no more than so many
    for number in circle.turn(side.latest, rotation):
        taken = side.held.get(number.id, {})
        if len(taken) <= fewest and (drawn := digits.draw_unlike(taken, length)) is not None:
            return Place(number, drawn, why=(("by", "shared"), ("shared_with", str(len(taken)))))
    raise PoolExhausted(stock.pool, side.role)
