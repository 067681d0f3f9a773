"""The numbers of one pool in the orders in which they are chosen. Says nothing of who holds them.

Made once for a version of the pool and then only read. A pool of one area never looks at areas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence

from masking.areas import areas_of, region_of
from masking.model import NumberState, ProxyNumber
from masking.rules import Phone

_Areas = tuple[tuple[int, ...], dict[str, "Circle"], dict[str, "Circle"]]
"""Lengths of city codes, the longest first; numbers by city; numbers by region."""


class Circle:
    """Numbers that take turns, in an order that stays."""

    __slots__ = ("_places", "numbers")

    def __init__(self, numbers: Iterable[ProxyNumber] = ()) -> None:
        self.numbers: Sequence[ProxyNumber] = tuple(numbers)
        self._places = {number.id: place for place, number in enumerate(self.numbers)}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, number_id: object) -> bool:
        return number_id in self._places

    def turn(self, after: int | None, rotation: int) -> Iterator[ProxyNumber]:
        """All of them once, from the one after the number `after`; else from `rotation`."""
        size = len(self._places)
        place = self._places.get(after) if after is not None else None
        start = rotation if place is None else place + 1
        numbers = self.numbers
        return (numbers[(start + step) % size] for step in range(size))

    def first(
        self, held: Container[int], after: int | None, rotation: int, *, but: int | None = None
    ) -> ProxyNumber | None:
        """The first of `turn` that is not in `held` and not `but`."""
        for number in self.turn(after, rotation):
            if number.id not in held and number.id != but:
                return number
        return None


class Stock:
    """All numbers of a pool, draining and reserved ones too."""

    def __init__(self, pool: str, numbers: Iterable[ProxyNumber]) -> None:
        self.pool = pool
        self._by_id = {number.id: number for number in numbers}
        self._by_e164 = {number.e164: number for number in self._by_id.values()}
        self.active = tuple(  # those that new leases may get unasked
            one for one in self._by_id.values() if one.state is NumberState.ACTIVE
        )
        self.free = Circle(number for number in self.active if not number.shown)
        self.shown = Circle(number for number in self.active if number.shown)  # given last
        self._within: dict[str, Circle] = {}
        self._areas: _Areas | None = None
        self._shown_by_city: dict[str, list[ProxyNumber]] | None = None

    def __contains__(self, number_id: object) -> bool:
        return number_id in self._by_id

    def count(self, number_ids: Iterable[int]) -> int:
        """How many of them are of this pool; of a dealer's hundreds, with each session."""
        return sum(map(self._by_id.__contains__, number_ids))

    def get(self, number_id: int) -> ProxyNumber | None:
        """The number of that id, if it is of this pool."""
        return self._by_id.get(number_id)

    def spelt(self, e164: Phone) -> ProxyNumber | None:
        """The number spelt so, if it is of this pool."""
        return self._by_e164.get(e164)

    def is_active(self, number_id: int) -> bool:
        """Whether new leases may get the number unasked."""
        return number_id in self.free or number_id in self.shown

    def near(self, phone: Phone) -> Iterator[tuple[Circle, str]]:
        """The numbers of the city of `phone`, then of its region, each with the area's name.

        Empty where all numbers of the pool share one city, or one region: there is no choice.
        """
        lengths, cities, regions = self._areas or self._by_area()
        for length in lengths:
            if (circle := cities.get(phone[:length])) is not None:
                yield circle, phone[:length]
        if regions:
            region = region_of(phone)
            if region is not None and region in regions:
                yield regions[region], region

    def shown_near(self, phone: Phone) -> Sequence[ProxyNumber]:
        """The numbers of the city of `phone` that listings show."""
        if self._shown_by_city is None:
            grouped: defaultdict[str, list[ProxyNumber]] = defaultdict(list)
            for number in self.shown.numbers:
                if (city := areas_of(number.e164)[0]) is not None:
                    grouped[city].append(number)
            self._shown_by_city = dict(grouped)
        for length in range(len(phone), 1, -1):
            if (near := self._shown_by_city.get(phone[:length])) is not None:
                return near
        return ()

    def within(self, area: str) -> Circle:
        """The numbers that begin with `area` (``+7495``), or of that country (``RU``)."""
        found = self._within.get(area)
        if found is None:
            found = Circle(
                number
                for number in self.free.numbers
                if (number.e164.startswith(area) or areas_of(number.e164)[1] == area)
            )
            self._within[area] = found
        return found

    def _by_area(self) -> _Areas:
        """The numbers by city and by region; either is empty where it tells nothing apart."""
        pairs = [(number, *areas_of(number.e164)) for number in self.free.numbers]
        cities = _grouped((number, city) for number, city, _ in pairs)
        regions = _grouped((number, region) for number, _, region in pairs)
        lengths = sorted({len(city) for city in cities}, reverse=True)
        self._areas = tuple(lengths), cities, regions
        return self._areas


def _grouped(pairs: Iterable[tuple[ProxyNumber, str | None]]) -> dict[str, Circle]:
    groups: defaultdict[str | None, list[ProxyNumber]] = defaultdict(list)
    for number, area in pairs:
        groups[area].append(number)
    if len(groups) < 2:
        return {}
    return {area: Circle(group) for area, group in groups.items() if area is not None}
