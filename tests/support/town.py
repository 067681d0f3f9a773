"""Who was promised what, where numbers are shared, shown, and called by people we do not know.

The oracle of `tests.support.town_machine`: plain lists, and no code of the product's. Its first
question of every call is whether the one who was rung is one that this caller was promised, by what
they dialled and typed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

Phone = str
Place = tuple[Phone, str]
"""A proxy number, and the digits typed after it."""


@dataclass(frozen=True, slots=True)
class Way:
    """Whoever calls `place` from `phone` reaches `other`, who sees `shown`."""

    session: str
    phone: Phone
    place: Place
    other: Phone
    shown: Phone
    pin: str | None = None
    sure: bool = True  # False: a phone that was enrolled, which is kept only where there is room
    until: datetime | None = None  # sooner than the session


@dataclass(frozen=True, slots=True)
class Span:
    """From when a session carries no calls, and from when its places are free."""

    live_until: datetime
    bound_until: datetime
    idle_since: datetime


@dataclass(slots=True)
class Shop:
    """A listing, and the places at which it may be called."""

    seller: Phone
    live_until: datetime
    hidden: dict[Place, datetime | None] = field(default_factory=dict)  # None: shown now


@dataclass(slots=True)
class Town:
    """All promises."""

    cool_down: timedelta
    rest: timedelta
    ways: list[Way] = field(default_factory=list)
    spans: dict[str, Span] = field(default_factory=dict)
    shops: dict[str, Shop] = field(default_factory=dict)
    of_shop: dict[str, str] = field(default_factory=dict)  # session -> shop

    # -- what happens ----------------------------------------------------------------------------

    def opened(self, session: str, ways: list[Way], live_until: datetime, now: datetime) -> None:
        """A session takes its places; none of them may be somebody's already."""
        for way in ways:
            others = [
                one.session
                for one in self._at(way.place, way.phone)
                if self.binds(one, now) and one.sure and one.session != session
            ]
            assert others == [], "a place was given to two"
        self.ways += ways
        self.spans[session] = Span(live_until, live_until + self.cool_down, now)

    def ended(self, session: str, at: datetime) -> None:
        """It carries calls until `at`."""
        self.spans[session] = replace(
            self.spans[session], live_until=at, bound_until=at + self.cool_down
        )

    def recycled(self, session: str, phone: Phone, now: datetime) -> None:
        """It was closed because `phone` needed its place, which is free at once."""
        self.ended(session, now)
        self.ways = [
            one for one in self.ways if one.session != session or one.phone != phone or not one.sure
        ]

    def called(self, session: str, at: datetime) -> None:
        self.spans[session] = replace(self.spans[session], idle_since=at)

    def used_up(self, way: Way) -> None:
        self.ways.remove(way)

    def shows(self, shop: str, place: Place, now: datetime) -> None:
        """The listing shows `place` from now on, and nobody else does."""
        for one in self.shops.values():
            if place in one.hidden and one is not self.shops[shop]:
                assert one.hidden[place] is not None or one.live_until <= now, "shown by two"
                del one.hidden[place]
        mine = self.shops[shop].hidden
        for before, hidden in mine.items():
            if hidden is None:
                mine[before] = now
        mine[place] = None

    # -- what follows ----------------------------------------------------------------------------

    def live(self, session: str, now: datetime) -> bool:
        return now < self.spans[session].live_until

    def carries(self, way: Way, now: datetime) -> bool:
        return self.live(way.session, now) and (way.until is None or now < way.until)

    def binds(self, way: Way, now: datetime) -> bool:
        if way.until is not None:
            return self.carries(way, now)  # it never cools
        return now < self.spans[way.session].bound_until

    def held(self, phone: Phone, now: datetime) -> set[Phone]:
        """The numbers on which `phone` has a place."""
        return {one.place[0] for one in self.ways if one.phone == phone and self.binds(one, now)}

    def mine(self, number: Phone, phone: Phone, now: datetime) -> list[Way]:
        """The ways of a caller that carry calls over `number`."""
        here = (one for one in self.ways if one.phone == phone and one.place[0] == number)
        return [one for one in here if self.carries(one, now)]

    def own(self, number: Phone, pin: str, now: datetime) -> list[Way]:
        """Whom a PIN means."""
        return [
            one
            for one in self.ways
            if one.pin == pin and one.place[0] == number and self.live(one.session, now)
        ]

    def shop_at(self, place: Place, now: datetime) -> str | None:
        """The listing that new callers of `place` reach."""
        for name, shop in self.shops.items():
            if place in shop.hidden and now < shop.live_until:
                hidden = shop.hidden[place]
                if hidden is None or now < hidden + self.rest:
                    return name
        return None

    def leads_elsewhere(self, way: Way, shop: str) -> bool:
        """Whether the listing is another conversation than the one that `way` leads to."""
        return self.of_shop.get(way.session) != shop

    def _at(self, place: Place, phone: Phone) -> list[Way]:
        return [one for one in self.ways if one.place == place and one.phone == phone]
