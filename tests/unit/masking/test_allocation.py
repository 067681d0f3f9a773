"""Numbers go round, nobody gets one twice, and no pool is larger than it has to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.allocation import Idle, Place, Side, Wish, choose, recyclable, taken_over
from masking.digits import SECRET_BYTES, Digits
from masking.errors import (
    NumberHeld,
    NumberUnavailable,
    PoolExhausted,
    SessionLimit,
    StickyUnavailable,
)
from masking.model import NumberState, Phone, ProxyNumber, Role
from masking.rules import Exhausted, NumberRules, Sticky
from masking.stock import Stock

ANNA, PETR = Phone("+79161234567"), Phone("+79267654321")
RULES = NumberRules()
SHARING = NumberRules(exhausted=Exhausted.EXTENSION, extension_length=2)


def a_pool(
    size: int, area: str = "495", state: NumberState = NumberState.ACTIVE
) -> list[ProxyNumber]:
    """Numbers whose ids are unlike their places."""
    first = 100 + 1000 * int(area)
    return [
        ProxyNumber(first + 3 * n, Phone(f"+7{area}{n:07}"), "east", "carrier-a", state)
        for n in range(size)
    ]


def stock_of(*numbers: ProxyNumber) -> Stock:
    return Stock("east", numbers)


def a_side(*held: int, **more: object) -> Side:
    """A seller who holds these numbers, each plain."""
    side = Side(Role.SELLER, PETR, ANNA, {number: {"": True} for number in held})
    return replace(side, **more)  # type: ignore[arg-type]


def digits(seed: int = 1) -> Digits:
    return Digits(seed.to_bytes(SECRET_BYTES, "big"))


def given_to(
    stock: Stock, side: Side, rules: NumberRules = RULES, rotation: int = 0, seed: int = 1
) -> Place:
    return choose(stock, side, rules, rotation, digits(seed))


def why(place: Place) -> dict[str, str]:
    return dict(place.why)


sizes = st.integers(1, 40)
rotations = st.integers(0, 2**63)
stickies = st.sampled_from(Sticky)


class TestWhoeverHasRoomGetsANumber:
    """The pool is used to its last number, whatever its rules prefer."""

    @given(
        st.lists(st.sampled_from(["495", "812", "916"]), min_size=1, max_size=12),
        st.sets(st.integers(0, 14)),
        rotations,
        st.booleans(),
        st.sampled_from([Sticky.PREFER, Sticky.AVOID]),
        st.none() | st.integers(0, 14),
        st.none() | st.integers(0, 14),
        st.sampled_from([(), ("+7812",), ("RU",), ("+7916", "DE")]),
    )
    def test_any_number_that_is_not_held_will_do(
        self,
        areas: list[str],
        held_at: set[int],
        rotation: int,
        geo: bool,
        sticky: Sticky,
        earlier_at: int | None,
        latest_at: int | None,
        preferred: tuple[str, ...],
    ) -> None:
        numbers = [
            ProxyNumber(n, Phone(f"+7{area}{n:07}"), "east", "c", shown=n % 5 == 4)
            for n, area in enumerate(areas)
        ]
        rules = NumberRules(sticky=sticky, geo=geo, areas=preferred)
        side = a_side(*held_at, earlier=earlier_at, latest=latest_at)
        side = replace(side, other=Phone("+78121234567"))
        free = {number.id for number in numbers} - held_at

        if free:
            assert given_to(stock_of(*numbers), side, rules, rotation).number.id in free
        else:
            with pytest.raises(PoolExhausted):
                given_to(stock_of(*numbers), side, rules, rotation)

    @given(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60),
        st.sampled_from([Sticky.PREFER, Sticky.AVOID]),
        st.booleans(),
    )
    def test_the_pool_needs_as_many_numbers_as_its_busiest_participant_has_sessions(
        self, pairs: list[tuple[int, int]], sticky: Sticky, mixed: bool
    ) -> None:
        pairs = [(a, b) for a, b in pairs if a != b]
        busiest = max(Counter(who for pair in pairs for who in pair).values(), default=0)
        numbers = a_pool(busiest)
        if mixed:
            numbers = [*a_pool(busiest // 2), *a_pool(busiest - busiest // 2, "812")]
        stock, rules = stock_of(*numbers), NumberRules(sticky=sticky)
        held: dict[int, dict[int, dict[str, bool]]] = {}
        earlier: dict[tuple[int, int], int] = {}

        for rotation, (a, b) in enumerate(pairs):
            for me, you in ((a, b), (b, a)):
                mine = held.setdefault(me, {})
                phone = Phone(f"+7812000000{you}") if you % 2 else ANNA
                side = Side(Role.BUYER, PETR, phone, mine, earlier=earlier.get((me, you)))
                number = given_to(stock, side, rules, rotation).number
                assert number.id not in mine
                mine[number.id] = {"": True}
                earlier[me, you] = number.id

    @given(sizes, rotations)
    def test_one_participant_can_hold_the_whole_pool_and_no_more(
        self, size: int, rotation: int
    ) -> None:
        stock, held = stock_of(*a_pool(size)), list[int]()
        for n in range(size):
            held.append(given_to(stock, a_side(*held), rotation=rotation + n).number.id)

        assert sorted(held) == [number.id for number in stock.active]
        with pytest.raises(PoolExhausted) as exhausted:
            given_to(stock, a_side(*held), rotation=rotation)
        assert (exhausted.value.pool, exhausted.value.role) == ("east", Role.SELLER)

    def test_an_empty_pool_is_exhausted(self) -> None:
        for rules in (RULES, SHARING):
            with pytest.raises(PoolExhausted):
                given_to(stock_of(), a_side(), rules)

    def test_draining_and_reserved_numbers_are_not_given(self) -> None:
        stock = stock_of(
            *a_pool(2, "495", NumberState.DRAINING), *a_pool(2, "812", NumberState.RESERVED)
        )

        with pytest.raises(PoolExhausted):
            given_to(stock, a_side())

    def test_numbers_on_listings_come_last(self) -> None:
        one, two = a_pool(2)
        stock = stock_of(replace(one, shown=True), two)

        assert [given_to(stock, a_side(), rotation=n).number.id for n in range(3)] == [two.id] * 3
        last = given_to(stock, a_side(two.id))
        assert last.number.id == one.id
        assert why(last)["shown"] == "on a listing too"


class TestTurns:
    """The number that rested longest comes first."""

    @given(sizes, rotations)
    def test_who_holds_nothing_begins_where_the_rotation_is(self, size: int, rotation: int) -> None:
        numbers = a_pool(size)

        place = given_to(stock_of(*numbers), a_side(), rotation=rotation)

        assert place.number is numbers[rotation % size]
        assert (place.extension, place.pin, place.displaces) == ("", None, False)
        assert place.why == (("by", "rotation"),)

    @given(sizes, rotations)
    def test_in_one_turn_of_the_rotation_every_number_is_given_once(
        self, size: int, first: int
    ) -> None:
        numbers = a_pool(size)
        stock = stock_of(*numbers)

        turns = [given_to(stock, a_side(), rotation=first + n).number for n in range(size)]

        assert Counter(turns) == Counter(numbers)

    @given(st.integers(2, 20), st.lists(rotations, min_size=60, max_size=60))
    def test_a_participant_gets_a_number_again_only_after_all_the_others(
        self, size: int, others: list[int]
    ) -> None:
        stock = stock_of(*a_pool(size))
        latest: int | None = None
        last_at: dict[int, int] = {}
        for n, rotation in enumerate(others):  # the pool's rotation moves as others have it
            number = given_to(stock, a_side(latest=latest), rotation=rotation).number
            assert n - last_at.get(number.id, n - size) == size
            last_at[number.id], latest = n, number.id

    def test_held_numbers_are_passed_over(self) -> None:
        one, two, three, four = a_pool(4)
        stock = stock_of(one, two, three, four)

        assert given_to(stock, a_side(two.id, latest=one.id)).number == three
        assert given_to(stock, a_side(one.id, latest=four.id)).number == two

    @given(st.integers(0, 30), rotations)
    def test_the_cost_depends_on_what_is_held_and_not_on_the_pool(
        self, held: int, rotation: int
    ) -> None:
        numbers = Counted(POOL_OF_MANY.active)
        stock = stock_of(*numbers.numbers)
        assert list(stock.near(ANNA)) == []
        stock.free.numbers = numbers
        mine = [numbers.numbers[(rotation + n) % 1000].id for n in range(held)]

        given_to(stock, a_side(*mine), rotation=rotation)

        assert numbers.looks == held + 1

    def test_an_exhausted_pool_is_looked_through_once(self) -> None:
        numbers = Counted(a_pool(10))
        stock = stock_of(*numbers.numbers)
        assert list(stock.near(ANNA)) == []
        stock.free.numbers = numbers

        with pytest.raises(PoolExhausted):
            given_to(stock, a_side(*(one.id for one in numbers.numbers), *range(50)))

        assert numbers.looks == 10


POOL_OF_MANY = stock_of(*a_pool(1000))


class Counted(Sequence[ProxyNumber]):
    """Numbers that count how often they are looked at."""

    def __init__(self, numbers: Sequence[ProxyNumber]) -> None:
        self.numbers = numbers
        self.looks = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at: int) -> ProxyNumber:  # type: ignore[override]
        self.looks += 1
        return self.numbers[at]

    def __iter__(self) -> Iterator[ProxyNumber]:
        raise AssertionError


class TestSticky:
    """What a pair had before."""

    ONE, TWO, THREE = a_pool(3)
    STOCK = stock_of(ONE, TWO, THREE)

    @given(rotations)
    def test_the_same_number_again_where_it_is_free(self, rotation: int) -> None:
        for sticky in (Sticky.PREFER, Sticky.STRICT):
            rules = NumberRules(sticky=sticky)
            place = given_to(self.STOCK, a_side(self.ONE.id, earlier=self.TWO.id), rules, rotation)
            assert place.number == self.TWO
            assert why(place) == {"by": "sticky"}

    def test_preferring_takes_another_and_says_why(self) -> None:
        held = given_to(self.STOCK, a_side(self.ONE.id, earlier=self.ONE.id))
        gone = given_to(self.STOCK, a_side(earlier=7))

        assert held.number == self.TWO
        assert why(held) == {"by": "rotation", "earlier": "held"}
        assert why(gone) == {"by": "rotation", "earlier": "not given any more"}

    @pytest.mark.parametrize("earlier", ["held", "gone", "draining", "reserved"])
    def test_strict_gives_no_other(self, earlier: str) -> None:
        numbers = {
            "held": self.ONE.id,
            "gone": 7,
            "draining": self.TWO.id,
            "reserved": self.THREE.id,
        }
        stock = stock_of(
            self.ONE,
            replace(self.TWO, state=NumberState.DRAINING),
            replace(self.THREE, state=NumberState.RESERVED),
        )
        side = a_side(self.ONE.id, earlier=numbers[earlier])

        with pytest.raises(StickyUnavailable) as refused:
            given_to(stock, side, NumberRules(sticky=Sticky.STRICT, exhausted=Exhausted.EXTENSION))
        assert refused.value.role is Role.SELLER

    def test_who_is_new_to_each_other_is_not_concerned(self) -> None:
        strict = NumberRules(sticky=Sticky.STRICT)

        assert given_to(self.STOCK, a_side(), strict, rotation=2).number == self.THREE

    @given(rotations)
    def test_avoiding_takes_another_while_there_is_one(self, rotation: int) -> None:
        avoid = NumberRules(sticky=Sticky.AVOID)

        for latest in (None, self.THREE.id):
            side = a_side(self.ONE.id, earlier=self.TWO.id, latest=latest)
            assert given_to(self.STOCK, side, avoid, rotation).number == self.THREE
        side = a_side(self.ONE.id, self.THREE.id, earlier=self.TWO.id)
        last = given_to(self.STOCK, side, avoid, rotation)
        assert last.number == self.TWO
        assert why(last)["earlier"] == "nothing else is left"

    def test_a_number_on_a_listing_is_given_again_to_those_who_had_it(self) -> None:
        stock = stock_of(self.ONE, replace(self.TWO, shown=True))

        assert given_to(stock, a_side(earlier=self.TWO.id)).number.id == self.TWO.id


class TestAreas:
    """Near the one who is reached, then near the caller, then as the pool has it."""

    MOSCOW, PETERSBURG = a_pool(3), a_pool(3, "812")
    BERLIN = ProxyNumber(1, Phone("+493012345678"), "east", "c")
    ALMATY = ProxyNumber(2, Phone("+77272345678"), "east", "c")
    STOCK = stock_of(*MOSCOW, *PETERSBURG, BERLIN, ALMATY)
    IN_MOSCOW, IN_PETERSBURG = Phone("+74951234567"), Phone("+78121234567")

    @pytest.mark.parametrize(
        ("other", "own", "area", "of"),
        [
            ("+78121234567", "+74951234567", "+7812", "callee"),
            ("+79161234567", "+74951234567", "RU", "callee"),
            ("+77011234567", "+74951234567", "KZ", "callee"),
            ("+493087654321", "+74951234567", "+4930", "callee"),
            ("+491701234567", "+74951234567", "DE", "callee"),
            ("+12125551234", "+74951234567", "+7495", "caller"),
            ("+12125551234", "+77011234567", "KZ", "caller"),
            (None, "+78121234567", "+7812", "caller"),
        ],
    )
    def test_the_callees_area_then_the_callers(
        self, other: Phone | None, own: str, area: str, of: str
    ) -> None:
        side = replace(a_side(), other=other, phone=Phone(own))

        for rotation in range(12):
            place = given_to(self.STOCK, side, rotation=rotation)
            assert why(place) == {"by": "area", "area": area, "of": of}
            assert place.number in self.numbers_of(area)

    def numbers_of(self, area: str) -> list[ProxyNumber]:
        return {
            "+7495": self.MOSCOW,
            "+7812": self.PETERSBURG,
            "+4930": [self.BERLIN],
            "RU": [*self.MOSCOW, *self.PETERSBURG],
            "DE": [self.BERLIN],
            "KZ": [self.ALMATY],
        }[area]

    def test_then_the_pools_areas_in_their_order_then_any(self) -> None:
        rules = NumberRules(areas=("+7812", "DE"))
        abroad = replace(a_side(), other=Phone("+12125551234"), phone=Phone("+12125551235"))
        petersburg = [number.id for number in self.PETERSBURG]
        chosen = [
            given_to(self.STOCK, replace(abroad, held={n: {"": True} for n in held}), rules, 1)
            for held in ([], petersburg, [*petersburg, self.BERLIN.id])
        ]

        assert chosen[0].number in self.PETERSBURG
        assert why(chosen[0]) == {"by": "area", "area": "+7812", "of": "pool"}
        assert chosen[1].number == self.BERLIN
        assert chosen[2].number in [*self.MOSCOW, self.ALMATY]
        assert why(chosen[2]) == {"by": "rotation"}

    def test_within_an_area_numbers_take_turns(self) -> None:
        side = replace(a_side(), other=self.IN_PETERSBURG, latest=self.PETERSBURG[0].id)

        assert given_to(self.STOCK, side, rotation=2).number == self.PETERSBURG[1]

    def test_where_areas_do_not_count_they_do_not(self) -> None:
        rules = NumberRules(geo=False, areas=("DE",))
        side = replace(a_side(), other=self.IN_PETERSBURG)

        assert given_to(self.STOCK, side, rules, 0).number == self.MOSCOW[0]

    def test_a_pool_of_one_area_looks_at_nobodys_phone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def looked(_: Phone) -> str | None:
            raise AssertionError

        monkeypatch.setattr("masking.stock.region_of", looked)
        for numbers in (self.MOSCOW, a_pool(3, "916"), [*self.MOSCOW, *self.PETERSBURG]):
            given_to(stock_of(*numbers), a_side())

    def test_what_is_no_number_of_any_country_has_no_area(self) -> None:
        odd = [ProxyNumber(n, Phone(f"+999{n:08}"), "east", "c") for n in (1, 2)]
        side = replace(a_side(), other=Phone("+99912345678"), phone=Phone("+1"))

        assert why(given_to(stock_of(*odd, self.BERLIN), side)) == {"by": "rotation"}


class TestAskedFor:
    """This very number, or none."""

    ONE, TWO = a_pool(2)
    RESERVED = replace(a_pool(1, "812")[0], state=NumberState.RESERVED)
    DRAINING = replace(a_pool(1, "813")[0], state=NumberState.DRAINING)
    STOCK = stock_of(ONE, TWO, RESERVED, DRAINING)

    def ask(
        self, wish: Wish, held: dict[int, dict[str, bool]], rules: NumberRules = RULES
    ) -> Place:
        side = replace(a_side(), held=held, wish=wish, position=1, earlier=self.TWO.id)
        return given_to(self.STOCK, side, rules)

    @pytest.mark.parametrize("number", [ONE, RESERVED])
    def test_it_is_given_where_it_is_free_reserved_or_not(self, number: ProxyNumber) -> None:
        place = self.ask(Wish(number.e164), {})

        assert place.number == number
        assert why(place) == {"by": "asked"}

    @pytest.mark.parametrize("number", [DRAINING.e164, Phone("+74957777777")])
    def test_what_the_pool_does_not_give_is_refused(self, number: Phone) -> None:
        with pytest.raises(NumberUnavailable) as refused:
            self.ask(Wish(number), {})
        assert refused.value.field == "participants[1].number"

    def test_a_number_that_was_dialled_may_be_draining(self) -> None:
        assert self.ask(Wish(self.DRAINING.e164, of_any_state=True), {}).number == self.DRAINING

    @pytest.mark.parametrize("live", [True, False])
    def test_what_the_participant_holds_is_refused(self, live: bool) -> None:
        with pytest.raises(NumberHeld) as refused:
            self.ask(Wish(self.ONE.e164), {self.ONE.id: {"": live}})
        assert refused.value.field == "participants[1].number"
        assert refused.value.role is Role.SELLER

    def test_of_a_teams_number_the_teams_field_is_named(self) -> None:
        with pytest.raises(NumberHeld) as refused:
            self.ask(Wish(self.ONE.e164, why="team"), {self.ONE.id: {"": True}})
        assert refused.value.field == "same_number_as"

    def test_a_cooling_lease_gives_way_where_it_may(self) -> None:
        wish = Wish(self.ONE.e164, over_cooling=True)

        place = self.ask(wish, {self.ONE.id: {"": False}})
        assert (place.number, place.displaces) == (self.ONE, True)
        with pytest.raises(NumberHeld):
            self.ask(wish, {self.ONE.id: {"": True}})

    def test_digits_tell_apart_where_a_number_may_be_shared(self) -> None:
        held = {self.ONE.id: {"": True}}

        for wish, rules in (
            (Wish(self.ONE.e164, share=True), RULES),
            (Wish(self.ONE.e164), SHARING),
        ):
            place = self.ask(wish, held, rules)
            assert len(place.extension) == rules.extension_length
            assert why(place) == {"by": "asked", "shared_with": "1"}

    def test_given_digits_are_kept(self) -> None:
        held = {self.ONE.id: {"": True, "12345": True}}

        assert self.ask(Wish(self.ONE.e164, "54321"), held).extension == "54321"
        with pytest.raises(NumberHeld):
            self.ask(Wish(self.ONE.e164, "12345", share=True), held)


class TestLimitOfAParticipant:
    """So many live sessions in a pool, and no more."""

    @pytest.mark.parametrize("exhausted", Exhausted)
    def test_the_limit_holds_whatever_the_pool_does_when_it_is_exhausted(
        self, exhausted: Exhausted
    ) -> None:
        rules = NumberRules(max_sessions=3, exhausted=exhausted)
        stock = stock_of(*a_pool(9))

        assert given_to(stock, a_side(live=2), rules).number in stock.active
        for wish in (Wish(), Wish(stock.active[0].e164)):
            with pytest.raises(SessionLimit) as refused:
                given_to(stock, a_side(live=3, wish=wish), rules)
            assert refused.value.role is Role.SELLER


class TestSharing:
    """With digits typed after it, a number serves one participant many times."""

    @given(st.integers(1, 4), st.integers(0, 2**64), st.integers(1, 60))
    def test_places_stay_apart_and_numbers_share_them_evenly(
        self, size: int, seed: int, sessions: int
    ) -> None:
        stock = stock_of(*a_pool(size))
        held: dict[int, dict[str, bool]] = {}
        for n in range(sessions):
            place = given_to(stock, replace(a_side(), held=held), SHARING, seed=seed + n)
            theirs = held.setdefault(place.number.id, {})
            assert place.extension not in theirs
            assert len(place.extension) == (2 if theirs else 0)
            theirs[place.extension] = True

        counts = [len(theirs) for theirs in held.values()]
        assert max(counts) - (min(counts) if len(counts) == size else 0) <= 1

    def test_every_place_there_is_can_be_used(self) -> None:
        rules = replace(SHARING, extension_length=2)
        stock, held = stock_of(*a_pool(2)), dict[int, dict[str, bool]]()
        for n in range(2 * 101):
            place = given_to(stock, replace(a_side(), held=held), rules, seed=n)
            held.setdefault(place.number.id, {})[place.extension] = True

        assert {len(theirs) for theirs in held.values()} == {101}
        with pytest.raises(PoolExhausted):
            given_to(stock, replace(a_side(), held=held), rules)

    def test_no_extension_begins_another(self) -> None:
        (one,) = a_pool(1)
        held = {one.id: {"": True, "1234": True} | {f"{n}": True for n in range(2, 10)}}
        rules = replace(SHARING, extension_length=3)

        for seed in range(50):
            place = given_to(stock_of(one), replace(a_side(), held=held), rules, seed=seed)
            assert place.extension[0] in "01"
            assert place.extension != "123"

    def test_digits_need_a_secret(self) -> None:
        (one,) = a_pool(1)

        with pytest.raises(ValueError, match="secret"):
            choose(stock_of(one), a_side(one.id), SHARING, 0, Digits(b"short"))

    def test_numbers_on_listings_are_shared_only_where_there_is_nothing_else(self) -> None:
        one, two = a_pool(2)
        mixed = stock_of(replace(one, shown=True), two)
        shown = stock_of(replace(one, shown=True))

        assert given_to(mixed, a_side(one.id, two.id), SHARING).number.id == two.id
        assert given_to(shown, a_side(one.id), SHARING).number.id == one.id


class TestTakingOver:
    """The session that was idle longest, never one that was not idle long enough."""

    NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
    (NUMBER,) = a_pool(1)

    def idle(self, name: str, hours: float) -> Idle:
        since = self.NOW - timedelta(hours=hours)
        return Idle(name, Role.BUYER, self.NUMBER, "77", since)

    def test_the_longest_idle_comes_first_and_names_decide_between_equals(self) -> None:
        found = [self.idle("c", 4), self.idle("b", 9), self.idle("a", 4), self.idle("d", 2)]

        ordered = recyclable(found, timedelta(hours=3), frozenset(), self.NOW)

        assert [one.session_id for one in ordered] == ["b", "a", "c"]

    def test_the_moment_counts_and_calls_keep_a_session(self) -> None:
        found = [self.idle("a", 3), self.idle("b", 3)]
        after = timedelta(hours=3)

        assert recyclable(found, after + timedelta(milliseconds=1), frozenset(), self.NOW) == []
        assert recyclable(found, after, {"a"}, self.NOW) == [found[1]]

    def test_the_place_is_the_very_one_that_was_held(self) -> None:
        place = taken_over(self.idle("a", 3))

        assert (place.number, place.extension) == (self.NUMBER, "77")
        assert why(place) == {"by": "recycled", "of": "a"}


def test_no_value_shows_a_phone() -> None:
    assert "+79" not in repr(a_side())
    assert "1234" not in repr(Place(a_pool(1)[0], pin="1234"))
