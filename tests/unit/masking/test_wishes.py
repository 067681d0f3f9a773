"""What a pair had before, and what a platform asks for by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from masking.allocation import Place, Wish
from masking.errors import NumberHeld, NumberUnavailable, StickyUnavailable
from masking.model import NumberState, Phone, ProxyNumber, Role
from masking.rules import Exhausted, NumberRules, Sticky
from tests.unit.masking.numbers_given import (
    RULES,
    SHARING,
    a_pool,
    a_side,
    given_to,
    rotations,
    stock_of,
    why,
)


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
