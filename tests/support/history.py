"""Whether a history of concurrent works on places can be told as one work after the other.

A place is a proxy number together with a phone. What was done there is told by intervals: when a
work was begun, when it was answered, what the answer was. The history is good if every work can be
given one moment inside its interval so that, done at those moments one by one, each would have been
answered as it was: the places are then linearizable (Herlihy and Wing, 1990), and each may be
checked by itself. The search is Wing and Gong's, with Lowe's memory of what was tried.

Nothing here knows how sessions are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

NEVER = math.inf
"""The end of a work that was never answered: it may have been done at any time, or not yet."""


class Does(Enum):
    """What a work does with a place."""

    OPEN = auto()  # a session takes it
    CLOSE = auto()  # a session lets go of it
    LOOK = auto()  # a caller asks whom it leads to


@dataclass(frozen=True, slots=True)
class Work:
    """One work on one place. All times are milliseconds of one clock."""

    does: Does
    session: str | None  # LOOK: the one that was found live
    now: float  # the time that the work was given, not after it was begun
    begun: float
    ended: float  # NEVER if nobody was answered
    ttl: float = 0  # OPEN


@dataclass(frozen=True, slots=True)
class _Place:
    """What a place is between two works."""

    session: str | None = None
    live_until: float = 0
    bound_until: float = 0
    closed: bool = False


_FREE = _Place()


def _after(place: _Place, work: Work, cool_down: float) -> _Place | None:
    """The place once `work` was done there; None if it would not have been answered so."""
    match work.does:
        case Does.OPEN:
            # What a work is given as the time may be past when its turn comes.
            if work.ended < place.bound_until:
                return None
            ends = work.now + work.ttl
            return _Place(work.session, ends, ends + cool_down)
        case Does.CLOSE:
            if place.session != work.session or place.closed or place.live_until <= work.now:
                return place
            return _Place(place.session, work.now, work.now + cool_down, closed=True)
        case Does.LOOK:
            if place.closed and work.session is None:
                return place  # whatever time it was given: the place may be given back already
            found = place.session if work.now < place.live_until else None
            return place if found == work.session else None


def tells_a_story(works: Iterable[Work], *, cool_down: float) -> bool:
    """Whether these works on one place, free at first, agree with some order of them."""
    in_order = sorted(works, key=lambda work: (work.begun, work.ended))
    return _Search(in_order, cool_down).succeeds()


class _Search:
    """Depth first: each step does one of the works that may come next."""

    def __init__(self, works: Sequence[Work], cool_down: float) -> None:
        self._works = works
        self._cool_down = cool_down
        self._tried: set[tuple[int, _Place]] = set()

    def succeeds(self) -> bool:
        everything = (1 << len(self._works)) - 1
        ways = [(0, _FREE)]
        while ways:
            done, place = self._with_looks(*ways.pop())
            if done == everything:
                return True
            if (done, place) in self._tried:
                continue
            self._tried.add((done, place))
            for n in self._next(done):
                after = _after(place, self._works[n], self._cool_down)
                if after is not None:
                    ways.append((done | 1 << n, after))
        return False

    def _with_looks(self, done: int, place: _Place) -> tuple[int, _Place]:
        """Every look that fits now is done now: it changes nothing, so it is in nobody's way."""
        while fitting := [
            n
            for n in self._next(done)
            if self._works[n].does is Does.LOOK
            and _after(place, self._works[n], self._cool_down) is place
        ]:
            for n in fitting:
                done |= 1 << n
        return done, place

    def _next(self, done: int) -> list[int]:
        """The works that may come next: those begun before any that is left was answered."""
        found: list[int] = []
        first_end = NEVER
        # Works before the lowest gap are all done.
        n = (~done & (done + 1)).bit_length() - 1
        while n < len(self._works) and self._works[n].begun <= first_end:
            if not done >> n & 1:
                found.append(n)
                first_end = min(first_end, self._works[n].ended)
            n += 1
        return [n for n in found if self._works[n].begun <= first_end]
