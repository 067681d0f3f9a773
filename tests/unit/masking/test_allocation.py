"""Numbers go round, nobody gets one twice, and no pool is larger than it has to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.allocation import choose, choose_pair
from masking.errors import PoolExhausted
from masking.model import Phone, ProxyNumber, Role


def pool_of(size: int) -> tuple[ProxyNumber, ...]:
    """Numbers whose ids are unlike their places."""
    return tuple(
        ProxyNumber(100 + 3 * n, Phone(f"+7495{n:07}"), "default", "carrier-a") for n in range(size)
    )


class Counted(Sequence[ProxyNumber]):
    """A pool that counts how often it is looked at."""

    def __init__(self, numbers: Sequence[ProxyNumber]) -> None:
        self.numbers = numbers
        self.looks = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at: int) -> ProxyNumber:  # type: ignore[override]
        self.looks += 1
        return self.numbers[at]


sizes = st.integers(1, 40)
rotations = st.integers(0, 2**63)


@given(sizes, rotations, st.sets(st.integers(95, 230)))
def test_a_held_number_is_never_given_and_any_other_will_do(
    size: int, rotation: int, held: set[int]
) -> None:
    numbers = pool_of(size)
    free = {one.id for one in numbers} - held
    if free:
        assert choose(numbers, held, rotation).id in free
    else:
        with pytest.raises(PoolExhausted):
            choose(numbers, held, rotation)


@given(sizes, rotations)
def test_who_holds_nothing_gets_the_number_whose_turn_it_is(size: int, rotation: int) -> None:
    numbers = pool_of(size)

    assert choose(numbers, set(), rotation) is numbers[rotation % size]


@given(sizes, rotations)
def test_in_one_turn_of_the_rotation_every_number_is_given_once(size: int, first: int) -> None:
    numbers = pool_of(size)

    given_out = [choose(numbers, set(), first + n) for n in range(size)]

    assert Counter(given_out) == Counter(numbers)


@given(sizes, rotations)
def test_one_participant_can_hold_the_whole_pool_and_no_more(size: int, rotation: int) -> None:
    numbers = pool_of(size)
    held: set[int] = set()
    for n in range(size):
        held.add(choose(numbers, held, rotation + n).id)

    assert held == {one.id for one in numbers}
    with pytest.raises(PoolExhausted) as exhausted:
        choose(numbers, held, rotation, role=Role.SELLER, pool="east")
    assert (exhausted.value.pool, exhausted.value.role) == ("east", Role.SELLER)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60))
def test_the_pool_needs_as_many_numbers_as_its_busiest_participant_has_sessions(
    pairs: list[tuple[int, int]],
) -> None:
    pairs = [(a, b) for a, b in pairs if a != b]
    busiest = max(Counter(who for pair in pairs for who in pair).values(), default=0)
    numbers = pool_of(busiest)
    held: dict[int, set[int]] = {}

    for rotation, (a, b) in enumerate(pairs):
        theirs = held.setdefault(a, set()), held.setdefault(b, set())
        for mine, number in zip(theirs, choose_pair(numbers, theirs, rotation), strict=True):
            assert number is not None
            assert number.id not in mine
            mine.add(number.id)


def test_an_empty_pool_is_exhausted() -> None:
    with pytest.raises(PoolExhausted):
        choose((), set(), 0)


@given(st.integers(0, 30), st.integers(0, 5000))
def test_the_cost_depends_on_what_is_held_and_not_on_the_pool(held: int, rotation: int) -> None:
    numbers = Counted(pool_of(5000))
    mine = {numbers.numbers[(rotation + n) % 5000].id for n in range(held)}

    choose(numbers, mine, rotation)

    assert numbers.looks == held + 1


def test_an_exhausted_pool_is_looked_through_once() -> None:
    numbers = Counted(pool_of(10))

    with pytest.raises(PoolExhausted):
        choose(numbers, {one.id for one in numbers.numbers} | set(range(50)), 3)

    assert numbers.looks == 10


def test_both_sides_start_from_the_same_number_and_part_where_they_have_to() -> None:
    numbers = pool_of(5)

    assert choose_pair(numbers, (set(), set()), 7) == (numbers[2], numbers[2])
    assert choose_pair(numbers, ({numbers[2].id}, set()), 7) == (numbers[3], numbers[2])
    assert choose_pair(numbers, (set(), {numbers[2].id}), 7) == (numbers[2], numbers[3])


def test_who_has_no_phone_needs_no_number() -> None:
    numbers = pool_of(2)

    assert choose_pair(numbers, (None, set()), 0) == (None, numbers[0])
    assert choose_pair(numbers, (set(), None), 1) == (numbers[1], None)
    assert choose_pair((), (None, None), 0) == (None, None)


@pytest.mark.parametrize("side", [0, 1])
def test_an_exhausted_side_is_named(side: int) -> None:
    numbers = pool_of(1)
    held: list[set[int]] = [set(), set()]
    held[side] = {numbers[0].id}
    roles = (Role.BUYER, Role.SELLER)

    with pytest.raises(PoolExhausted) as exhausted:
        choose_pair(numbers, (held[0], held[1]), 0, roles=roles, pool="east")

    assert exhausted.value.role is roles[side]
    assert exhausted.value.pool == "east"


def test_without_roles_an_exhausted_side_stays_unnamed() -> None:
    with pytest.raises(PoolExhausted) as exhausted:
        choose_pair((), (set(), set()), 0)

    assert exhausted.value.role is None
