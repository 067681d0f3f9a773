"""The latest seizures of each trunk: whether it works now, however few or many calls it has. Pure.

A fixed number of minutes would be blind at night and slow by day: so it is the last few seizures,
as far back as they lie within reason, and all of the last seconds where those are more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from api.console.board_window import Sums

AT_LEAST: Final = 10  # seizures, where there are so many
SECONDS_MS: Final = 10_000  # of which all count
REACH_MS: Final = 15 * 60_000  # what is older says nothing of now
MOST_WAYS: Final = 2_000

W = TypeVar("W", bound=Hashable)


class Latest(Generic[W]):
    """By way. Times are milliseconds since 1970, and told by the caller."""

    def __init__(self) -> None:
        self._ways: dict[W, deque[tuple[int, int, int]]] = {}

    def add(self, way: W, at_ms: int, seizures: int, effective: int) -> None:
        """Count seizures that were over then; what comes late tells nothing of now."""
        if seizures <= 0:
            return
        found = self._ways.get(way)
        if found is None:
            if len(self._ways) >= MOST_WAYS:
                return
            found = self._ways[way] = deque()
        if found and found[-1][0] - at_ms > SECONDS_MS:
            return  # of the hour before, read while newer ones come already
        if found and found[-1][0] >= at_ms:
            at_ms, before, worked = found.pop()
            seizures, effective = seizures + before, effective + worked
        found.append((at_ms, seizures, min(max(effective, 0), seizures)))

    def of(self, now_ms: int) -> dict[W, Sums]:
        """What the latest seizures of each way came to; only their number and what worked."""
        found: dict[W, Sums] = {}
        for way, kept in tuple(self._ways.items()):
            self._forget(kept, now_ms)
            if kept:
                found[way] = Sums(sum(n for _, n, _ in kept), effective=sum(n for *_, n in kept))
            else:
                del self._ways[way]
        return found

    def _forget(self, kept: deque[tuple[int, int, int]], now_ms: int) -> None:
        total = sum(seizures for _, seizures, _ in kept)
        while kept:
            at_ms, seizures, _ = kept[0]
            enough = total - seizures >= AT_LEAST and at_ms < now_ms - SECONDS_MS
            if not enough and at_ms >= now_ms - REACH_MS:
                return
            total -= seizures
            kept.popleft()
