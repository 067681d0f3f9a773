"""How many numbers a pool needs, and what each of its rules costs in numbers.

Counting only: from what participants did (`Use`), by sweeping over it; or from what is said of the
traffic, by Erlang's loss formula. Nothing here chooses a number or knows a database.

A number is taken for one participant only, so the pool that refuses nobody is the largest number of
places that any one participant holds at once, cool-down included. Everybody else is served by it
for nothing: only the busiest matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import exp, lgamma, log
from typing import Final

_MOST: Final = 1_000_000  # numbers; no pool is larger


@dataclass(frozen=True, slots=True)
class Use:
    """One session of a participant: from `opened` to its end, with the calls made in it."""

    opened: datetime
    ended: datetime  # closed or expired; the cool-down comes after it
    calls: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Recycled:
    """What `recycle_idle` does with a life and so many numbers."""

    refused: int  # sessions that were not opened: no place was free, none idle long enough
    taken_over: int  # sessions that were closed to make room
    cut: int  # of these, the ones that were still called afterwards


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many participants who each open so many sessions in a day."""

    people: int
    a_day: float


@dataclass(frozen=True, slots=True)
class Need:
    """How many numbers a pool needs with one cool-down, under each rule for who holds them all."""

    cool_down: timedelta
    refuse: int  # so that nobody is refused, or hardly anybody
    recycle_idle: int
    extension: int  # so that hardly anybody has to dial digits


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is planned for."""

    cool_downs: tuple[timedelta, ...]
    recycle_after: timedelta
    refused: float = 0.0  # share of openings that may be refused
    digits: float = 0.01  # share of sessions that may have to be dialled with digits


def needs_of_history(
    lives: Iterable[tuple[int, Callable[[], Sequence[Use]]]], openings: int, wishes: Wishes
) -> tuple[Need, ...]:
    """What the past would have needed; nobody in it is refused.

    `lives`: how many sessions each participant had, and how to come by them, the busiest first; the
    rest are not looked at once they cannot matter: who had n sessions never held more than n.
    `openings`: the sessions of all of them together.
    """
    tallies = [_Tally(cool_down) for cool_down in wishes.cool_downs]
    for sessions, load in lives:
        if all(tally.settled(sessions, openings * wishes.digits) for tally in tallies):
            break
        uses = load()
        for tally in tallies:
            tally.add(uses, wishes.recycle_after)
    return tuple(
        Need(
            tally.cool_down,
            needed(tally.held),
            tally.recycling,
            tally.shared(openings * wishes.digits),
        )
        for tally in tallies
    )


def needs_of_traffic(crowds: Sequence[Crowd], ttl: timedelta, wishes: Wishes) -> tuple[Need, ...]:
    """What traffic that is only stated needs, its sessions being opened independently.

    Under `recycle_idle` a session is reckoned to be idle from its opening: calls come early.
    """
    quick = wishes.recycle_after < ttl
    return tuple(
        Need(
            cool_down,
            needed_by_crowds(crowds, ttl + cool_down, wishes.refused),
            needed_by_crowds(
                crowds, wishes.recycle_after if quick else ttl + cool_down, wishes.refused
            ),
            needed_by_crowds(crowds, ttl + cool_down, wishes.digits, sharing=True),
        )
        for cool_down in wishes.cool_downs
    )


class _Tally:
    """What is known so far for one cool-down."""

    def __init__(self, cool_down: timedelta) -> None:
        self.cool_down = cool_down
        self.held: Counter[int] = Counter()
        self.recycling = 0

    def add(self, uses: Sequence[Use], recycle_after: timedelta) -> None:
        """Count one participant in."""
        held = held_at_opening(uses, self.cool_down)
        self.held += held
        if needed(held) > self.recycling:
            self.recycling = needed_recycling(
                uses, self.cool_down, recycle_after, at_least=self.recycling
            )

    def shared(self, allowed: float) -> int:
        """The numbers with which at most `allowed` sessions are dialled with digits."""
        return needed_for_count(self.held, allowed)

    def settled(self, sessions: int, allowed: float) -> bool:
        """Whether somebody with so few sessions can change nothing any more."""
        return sessions <= min(needed(self.held), self.recycling, self.shared(allowed))


def held_at_opening(uses: Iterable[Use], cool_down: timedelta) -> Counter[int]:
    """How many sessions were opened while the same participant held 0, 1, 2 … other numbers."""
    found: Counter[int] = Counter()
    free_at: list[datetime] = []
    for use in sorted(uses, key=lambda use: use.opened):
        while free_at and free_at[0] <= use.opened:
            heappop(free_at)
        found[len(free_at)] += 1
        heappush(free_at, use.ended + cool_down)
    return found


def needed(held: Mapping[int, int]) -> int:
    """The numbers with which nobody is refused, given the `held_at_opening` of everybody."""
    return max(held, default=-1) + 1


def needed_for_count(held: Mapping[int, int], allowed: float) -> int:
    """The numbers with which at most `allowed` sessions begin while all of them are held.

    Under `extension` these are the sessions that are dialled with digits.
    """
    over = 0
    for places in sorted(held, reverse=True):
        over += held[places]
        if over > allowed:
            return places + 1
    return 1 if held else 0


def recycle(uses: Iterable[Use], numbers: int, cool_down: timedelta, idle: timedelta) -> Recycled:
    """Live through the sessions of one participant with `numbers` numbers under `recycle_idle`.

    Where all are held, the open session that was idle longest is closed and its place taken, if it
    was idle for `idle`: since it was opened, or last called. A place that cools is never taken.
    """
    held: dict[int, Use] = {}
    active: dict[int, datetime] = {}  # of those held: when something last happened
    longest: list[tuple[datetime, int]] = []  # by that time; old entries stay in till met
    free_at: list[tuple[datetime, int]] = []
    refused = taken_over = cut = 0
    for at, call, one, use in _happenings(uses):
        while free_at and free_at[0][0] <= at:
            held.pop(heappop(free_at)[1], None)
        if call:
            if one in held:
                active[one] = at
                heappush(longest, (at, one))
            continue
        if len(held) >= numbers:
            over = _longest_idle(longest, held, active, at, idle)
            if over is None:
                refused += 1
                continue
            taken_over += 1
            cut += any(later > at for later in held.pop(over).calls)
        held[one], active[one] = use, at
        heappush(longest, (at, one))
        heappush(free_at, (use.ended + cool_down, one))
    return Recycled(refused, taken_over, cut)


def needed_recycling(
    uses: Sequence[Use], cool_down: timedelta, idle: timedelta, *, at_least: int = 0
) -> int:
    """The fewest numbers, at least `at_least`, with which `recycle` refuses this participant none.

    Found by halving, and always checked: with the answer nobody is refused.
    """
    low, high = max(at_least, 1 if uses else 0), needed(held_at_opening(uses, cool_down))
    if low >= high or not recycle(uses, low, cool_down, idle).refused:
        return low
    while high - low > 1:
        middle = (low + high) // 2
        if recycle(uses, middle, cool_down, idle).refused:
            low = middle
        else:
            high = middle
    return high


def erlang_b(load: float, numbers: int) -> float:
    """The share of openings refused to somebody with `load` erlangs and `numbers` numbers.

    Erlang's loss formula (ITU-T E.501): holds for any distribution of how long a place is held.
    """
    inverse = 1.0
    for n in range(1, numbers + 1):
        if load == 0:
            return 0.0
        inverse = 1 + inverse * n / load
        if inverse > 1e300:
            return 0.0
    return 1 / inverse


def at_least_held(load: float, numbers: int) -> float:
    """The chance (Poisson) that somebody with `load` erlangs and no limit holds so many or more."""
    if numbers <= 0:
        return 1.0
    if load == 0:
        return 0.0
    term = exp(numbers * log(load) - load - lgamma(numbers + 1))
    if numbers <= load:  # the smaller tail is the exact one
        below, term = 0.0, term * numbers / load
        for n in range(numbers - 1, -1, -1):
            below += term
            term *= n / load
        return max(0.0, 1 - below)
    total, n = 0.0, numbers
    while term > total * 1e-16:
        total += term
        n += 1
        term *= load / n
    return total


def needed_by_crowds(
    crowds: Sequence[Crowd], hold: timedelta, share: float, *, sharing: bool = False
) -> int:
    """The numbers with which at most `share` of all openings find none free.

    `hold`: how long a place is held, cool-down included. `sharing`: under `extension`, where an
    opening that finds none free shares a number and goes on holding it.
    """
    days = hold / timedelta(days=1)
    opened = sum(one.people * one.a_day for one in crowds)
    if not opened:
        return 0
    chance = at_least_held if sharing else erlang_b

    def enough(numbers: int) -> bool:
        unlucky = sum(one.people * one.a_day * chance(one.a_day * days, numbers) for one in crowds)
        return unlucky <= share * opened

    high = 1
    while high < _MOST and not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _happenings(uses: Iterable[Use]) -> list[tuple[datetime, bool, int, Use]]:
    """Openings and calls in the order of time; at the same time, calls come first."""
    found: list[tuple[datetime, bool, int, Use]] = []
    for one, use in enumerate(uses):
        found.append((use.opened, False, one, use))
        found += ((at, True, one, use) for at in use.calls if use.opened <= at < use.ended)
    return sorted(found, key=lambda it: (it[0], not it[1], it[2]))


def _longest_idle(
    longest: list[tuple[datetime, int]],
    held: dict[int, Use],
    active: dict[int, datetime],
    at: datetime,
    idle: timedelta,
) -> int | None:
    """The open session that was idle longest, taken out of `longest`; None if none long enough."""
    while longest:
        since, one = longest[0]
        if one not in held or active[one] != since or held[one].ended <= at:
            heappop(longest)
            continue
        if at - since < idle:
            return None
        heappop(longest)
        return one
    return None
