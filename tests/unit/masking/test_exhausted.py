"""A participant who may have no more; numbers shared or taken over where none is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.allocation import Idle, Wish, choose, recyclable, taken_over
from masking.digits import Digits
from masking.errors import PoolExhausted, SessionLimit
from masking.model import Role
from masking.rules import Exhausted, NumberRules
from tests.unit.masking.numbers_given import SHARING, a_pool, a_side, given_to, stock_of, why


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
