"""What trunks and nodes did in the last hour, kept minute by minute as calls end. Pure.

What comes is added to its minute and to the sums; what grows old is taken from both. So asking
costs the same after a million calls as after ten. Never reads a clock: it is told what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

MINUTES: Final = 60
MINUTE_MS: Final = 60_000
_WIDTH: Final = 8
_NOTHING: Final = (0,) * _WIDTH

K = TypeVar("K")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where calls went over."""

    node: str
    trunk: str  # "" for apps
    direction: str  # in, out


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts of seizures, as `cdr.analytics` makes them, and what follows from them."""

    seizures: int = 0
    answered: int = 0
    effective: int = 0  # the network did its part
    talk_ms: int = 0
    delays: int = 0  # seizures that rang or were answered
    delay_ms: int = 0
    scores: int = 0  # legs of which RTCP told
    score_sum: int = 0  # hundredths of MOS

    @property
    def asr(self) -> float | None:
        """Answer-seizure ratio, 0 to 1 (ITU-T E.425)."""
        return self.answered / self.seizures if self.seizures else None

    @property
    def acd_s(self) -> float | None:
        """Average call duration: talk of those answered, in seconds."""
        return self.talk_ms / self.answered / 1000 if self.answered else None

    @property
    def pdd_ms(self) -> float | None:
        """Mean post-dial delay, until it rang or was answered."""
        return self.delay_ms / self.delays if self.delays else None

    @property
    def mos(self) -> float | None:
        """Mean opinion score of the legs' worse directions, 1 to 4.5."""
        return self.score_sum / self.scores / 100 if self.scores else None


class Window:
    """The last hour. Minutes are counted from 1970."""

    def __init__(self, now: int) -> None:
        """`now`: the minute that has begun."""
        self._cells: deque[dict[Place, list[int]]] = deque({} for _ in range(MINUTES))
        self._sums: dict[Place, list[int]] = {}
        self._offers: deque[int] = deque([0] * MINUTES)
        self._now = now

    @property
    def now(self) -> int:
        """The minute that it ends with."""
        return self._now

    @property
    def first(self) -> int:
        """The minute that it begins with."""
        return self._now - MINUTES + 1

    def move(self, now: int) -> None:
        """It is `now`: what is older than an hour is let go. Time never goes back."""
        for _ in range(min(max(0, now - self._now), MINUTES)):
            for place, amounts in self._cells.popleft().items():
                sums = self._sums[place]
                for n, amount in enumerate(amounts):
                    sums[n] -= amount
                if not any(sums):
                    del self._sums[place]
            self._cells.append({})
            self._offers.popleft()
            self._offers.append(0)
        self._now = max(now, self._now)

    def add(self, minute: int, place: Place, amounts: Sequence[int]) -> None:
        """Count what came of seizures that were over in `minute`; what is too old is left out."""
        slot = self._slot(minute)
        if slot is None or not any(amounts):
            return
        for cells in (self._cells[slot], self._sums):
            counted = cells.setdefault(place, [0] * _WIDTH)
            for n, amount in enumerate(amounts):
                counted[n] += amount

    def add_offer(self, minute: int) -> None:
        """Count a call that was offered in `minute`."""
        slot = self._slot(minute)
        if slot is not None:
            self._offers[slot] += 1

    def offers(self) -> list[int]:
        """Calls offered in each minute, the oldest first."""
        return list(self._offers)

    def split(self, by: Callable[[Place], K], last: int = MINUTES) -> dict[K, Sums]:
        """What the last minutes brought, together for all places that are the same to `by`."""
        found: dict[K, list[Sequence[int]]] = {}
        sources: Iterable[Mapping[Place, list[int]]] = (
            (self._sums,) if last >= MINUTES else self._between(MINUTES - last, MINUTES)
        )
        for cells in sources:
            for place, amounts in cells.items():
                found.setdefault(by(place), []).append(amounts)
        return {key: _added(amounts) for key, amounts in found.items()}

    def lines(self, by: Callable[[Place], K], step: int = 1) -> dict[K, list[Sums]]:
        """The same for each `step` minutes of the hour, the oldest first. `step` divides 60."""
        keys = dict.fromkeys(by(place) for place in self._sums)
        found: dict[K, list[Sums]] = {key: [] for key in keys}
        for at in range(0, MINUTES, step):
            amounts: dict[K, list[Sequence[int]]] = {key: [] for key in keys}
            for cells in self._between(at, at + step):
                for place, counted in cells.items():
                    amounts[by(place)].append(counted)
            for key in keys:
                found[key].append(_added(amounts[key]))
        return found

    def _between(self, first: int, end: int) -> Iterator[dict[Place, list[int]]]:
        for at in range(first, end):
            yield self._cells[at]

    def _slot(self, minute: int) -> int | None:
        """Where the minute stands; one that has not begun yet counts as this one."""
        slot = min(minute, self._now) - self.first
        return slot if slot >= 0 else None


def _added(amounts: Iterable[Sequence[int]]) -> Sums:
    return Sums(*(sum(column) for column in zip(_NOTHING, *amounts, strict=True)))
