"""Numbers go round, nobody gets one twice, and no pool is larger than it has to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.allocation import Place, Side
from masking.errors import PoolExhausted
from masking.model import NumberState, Phone, ProxyNumber, Role
from masking.rules import NumberRules, Sticky
from tests.unit.masking.numbers_given import (
    ANNA,
    PETR,
    RULES,
    SHARING,
    a_pool,
    a_side,
    given_to,
    rotations,
    sizes,
    stock_of,
    why,
)


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


def test_no_value_shows_a_phone() -> None:
    assert "+79" not in repr(a_side())
    assert "1234" not in repr(Place(a_pool(1)[0], pin="1234"))


class TestNumbersThatListingsShow:
    """They are found by the city of whoever is called."""

    def test_those_of_the_city_are_near_and_no_others(self) -> None:
        moscow, tver = a_pool(3, "495"), a_pool(2, "482")
        shown = [replace(number, shown=True) for number in (*moscow, *tver[:1])]
        stock = stock_of(*shown, tver[1])

        assert list(stock.shown_near(Phone("+74951234567"))) == moscow
        assert list(stock.shown_near(Phone("+74821234567"))) == tver[:1]
        assert not stock.shown_near(Phone("+78121234567"))

    def test_a_number_of_no_city_is_near_to_nobody(self) -> None:
        mobile = replace(a_pool(1, "916")[0], shown=True)

        assert not stock_of(mobile).shown_near(PETR)
        assert not stock_of().shown_near(PETR)
