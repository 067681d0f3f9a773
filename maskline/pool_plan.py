"""How many numbers a pool needs, from its own past or from stated traffic, as a table and a chart.

Reads the database directly, so that a copy of it will do as well; writes nothing to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from masking.errors import UnknownPool
from masking.model import Pool
from masking.planning import Crowd, Need, Use, Wishes, needs_of_history, needs_of_traffic
from masking.rules import Exhausted
from maskline.chart import Group, bars
from maskline.cli.common import table
from storage import numbers, pool_history
from storage.pool_history import Busy

AT_MOST = 5_000  # participants whose past is read
USUAL_COOL_DOWNS = tuple(timedelta(days=days) for days in (0, 1, 7, 30))
RULES = (Exhausted.REFUSE, Exhausted.RECYCLE_IDLE, Exhausted.EXTENSION)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is stated of a platform's traffic."""

    participants: int  # on the side that has more sessions each: sellers
    sessions_a_day: float  # of all of them, dealers included
    ttl: timedelta
    dealers: tuple[Crowd, ...] = ()  # of the participants, those who have many


@dataclass(frozen=True, slots=True)
class Cut:
    """How much of the past was looked at, where that was not enough."""

    read: int  # participants, the busiest
    sessions: int  # that one of the others had at most


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """The answer."""

    title: str
    needs: tuple[Need, ...]  # by cool-down
    wishes: Wishes
    today: tuple[timedelta, Exhausted]  # the rules that are, or would be, in force
    size: int | None  # numbers that there are; None: not known
    cut: Cut | None = None  # None: nobody was left out who could matter


def from_history(
    conn: Connection,
    name: str,
    days: int,
    digits: float,
    now: datetime,
    *,
    at_most: int = AT_MOST,
) -> PoolPlan:
    """What the pool would have needed in the last so many days, by its busiest participants.

    Raises UnknownPool.
    """
    pool = numbers.pool(conn, name)
    if pool is None:
        raise UnknownPool(name)
    begin = now - days * _DAY
    wishes = Wishes(_cool_downs(pool.cool_down), pool.rules.numbers.recycle_after, digits=digits)
    openings = pool_history.sessions_since(conn, name, begin)
    busiest = pool_history.busiest(conn, name, begin, at_most=at_most + 1)
    left_out: list[int] = []

    def load(place: int, one: Busy) -> tuple[Use, ...]:
        if place < at_most:
            return pool_history.uses(conn, name, begin, one.index)
        left_out.append(one.sessions)
        return ()

    lives = ((one.sessions, partial(load, place, one)) for place, one in enumerate(busiest))
    needs = needs_of_history(lives, openings, wishes)
    return PoolPlan(
        title=f"Pool {name}: {openings:,} leases in the last {days} days",
        needs=needs,
        wishes=wishes,
        today=(pool.cool_down, pool.rules.numbers.exhausted),
        size=numbers.size(conn, name).active,
        cut=Cut(at_most, left_out[0]) if left_out else None,
    )


def from_traffic(
    traffic: Traffic, cool_down: timedelta, recycle_after: timedelta, refused: float, digits: float
) -> PoolPlan:
    """What stated traffic needs. The sessions that are not dealers' are shared out evenly."""
    dealers = sum(one.people for one in traffic.dealers)
    rest = traffic.sessions_a_day - sum(one.people * one.a_day for one in traffic.dealers)
    others = traffic.participants - dealers
    crowds = [*traffic.dealers]
    if others > 0:
        crowds.append(Crowd(others, max(rest, 0) / others))
    wishes = Wishes(_cool_downs(cool_down), recycle_after, refused, digits)
    return PoolPlan(
        title=(
            f"{traffic.participants:,} participants, {traffic.sessions_a_day:,.0f} sessions a day, "
            f"each for {spell(traffic.ttl)}"
        ),
        needs=needs_of_traffic(crowds, traffic.ttl, wishes),
        wishes=wishes,
        today=(cool_down, Pool("any").rules.numbers.exhausted),
        size=None,
    )


def describe(plan: PoolPlan) -> str:
    """The plan in words and columns."""
    head = ("COOL-DOWN", *(rule.value.upper() for rule in RULES))
    rows = [
        (
            spell(need.cool_down) + (" *" if need.cool_down == plan.today[0] else ""),
            *(f"{_of(need, rule):>{len(rule.value)},}" for rule in RULES),
        )
        for need in plan.needs
    ]
    return "\n".join([plan.title, "", table(rows, head), "", *_legend(plan), "", *_savings(plan)])


def draw(plan: PoolPlan) -> str:
    """The plan as the text of an SVG file."""
    groups = [
        Group(f"cool-down {spell(need.cool_down)}", tuple(float(_of(need, rule)) for rule in RULES))
        for need in plan.needs
    ]
    return bars(plan.title, "numbers needed", [rule.value for rule in RULES], groups)


def spell(span: timedelta) -> str:
    """A duration in the largest unit that it is whole in."""
    seconds = span // timedelta(seconds=1)
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % unit == 0:
            whole = seconds // unit
            return f"{whole} {name}" + ("" if whole == 1 else "s")
    return f"{seconds} seconds"


def _legend(plan: PoolPlan) -> list[str]:
    wishes = plan.wishes
    nobody = (
        "nobody is refused" if not wishes.refused else f"1 opening in {1 / wishes.refused:,.0f} is"
    )
    idle = spell(wishes.recycle_after)
    cut = plan.cut
    return [
        *([] if cut is None else [_left_out(cut), ""]),
        f"refuse        {nobody}" + ("" if not wishes.refused else " refused"),
        f"recycle_idle  the same, where a session that was idle for {idle} makes room",
        f"extension     at most {wishes.digits * 100:g} % of leases are dialled with digits",
        "*             the cool-down in force",
    ]


def _left_out(cut: Cut) -> str:
    return (
        f"Only the {cut.read:,} busiest participants were looked at; the others had up to "
        f"{cut.sessions:,} sessions each: where a figure is below {cut.sessions:,}, take that."
    )


def _savings(plan: PoolPlan) -> list[str]:
    """What the rules in force need, and what every other one would save."""
    cool_down, rule = plan.today
    here = next(need for need in plan.needs if need.cool_down == cool_down)
    base = _of(here, rule)
    lines = [f"In force: {rule.value} with a cool-down of {spell(cool_down)}: {_numbers(base)}."]
    if plan.size is not None:
        spare = plan.size - base
        more = "to spare" if spare >= 0 else "too few"
        lines.append(f"The pool has {_numbers(plan.size)}: {abs(spare):,} {more}.")
    changes = [
        (f"a cool-down of {spell(need.cool_down)}", _of(need, rule))
        for need in plan.needs
        if need is not here
    ]
    changes += [(other.value, _of(here, other)) for other in RULES if other is not rule]
    lines += [f"  {name:<24} {_change(base, value)}" for name, value in changes]
    return lines


def _change(base: int, value: int) -> str:
    if value == base:
        return "changes nothing"
    return f"saves {base - value:,}" if value < base else f"costs {value - base:,} more"


def _of(need: Need, rule: Exhausted) -> int:
    match rule:
        case Exhausted.REFUSE:
            return need.refuse
        case Exhausted.RECYCLE_IDLE:
            return need.recycle_idle
        case Exhausted.EXTENSION:
            return need.extension


def _numbers(count: int) -> str:
    return f"{count:,} number" + ("" if count == 1 else "s")


def _cool_downs(in_force: timedelta) -> tuple[timedelta, ...]:
    return tuple(sorted({*USUAL_COOL_DOWNS, in_force}))
