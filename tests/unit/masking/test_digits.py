"""Digits that nobody can guess: spread evenly, never twice the same stream, long enough."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.digits import GUESSES, LONGEST_PIN, SECRET_BYTES, Digits, pin_length

SECRET = bytes(range(SECRET_BYTES))


def test_each_draw_is_another_and_the_same_secret_draws_the_same() -> None:
    one, two = Digits(SECRET), Digits(SECRET)

    drawn = [one.draw(10) for _ in range(100)]

    assert len(set(drawn)) == 100
    assert [two.draw(10) for _ in range(100)] == drawn
    assert Digits(SECRET[::-1]).draw(10) != drawn[0]


@pytest.mark.parametrize("length", range(1, 11))
def test_a_draw_has_as_many_digits_as_are_asked_for(length: int) -> None:
    digits = Digits(SECRET)

    drawn = [digits.draw(length) for _ in range(200)]

    assert {len(one) for one in drawn} == {length}
    assert all(one.isdecimal() for one in drawn)


def test_all_digits_come_as_often() -> None:
    digits = Digits(SECRET)
    found = Counter("".join(digits.draw(4) for _ in range(5_000)))

    assert set(found) == set("0123456789")
    assert all(1_800 < often < 2_200 for often in found.values())  # 5 sigma are 212


def test_short_of_secrets_nothing_is_drawn() -> None:
    with pytest.raises(ValueError, match="secret"):
        Digits(SECRET[1:]).draw(4)


@given(st.sets(st.text("0123456789", max_size=3)), st.integers(1, 2))
def test_unlike_means_that_neither_begins_the_other(taken: set[str], length: int) -> None:
    found = Digits(SECRET).draw_unlike(taken, length)

    free = {
        f"{one:0{length}}"
        for one in range(10**length)
        if not any(
            t and (t.startswith(f"{one:0{length}}") or f"{one:0{length}}".startswith(t))
            for t in taken
        )
    }
    assert found in free if free else found is None


@given(st.integers(4, 10), st.integers(0, 10**7))
def test_one_guess_in_ten_thousand_hits_a_pin_at_most(wanted: int, others: int) -> None:
    length = pin_length(wanted, others)

    assert wanted <= length <= LONGEST_PIN
    assert (others + 1) * GUESSES <= 10**length or length == LONGEST_PIN
    assert length == wanted or (others + 1) * GUESSES > 10 ** (length - 1), "longer than it takes"


def test_pins_are_no_longer_than_the_pool_wants_while_they_are_few() -> None:
    assert [pin_length(6, others) for others in (0, 99, 100, 999)] == [6, 6, 7, 7]
    assert [pin_length(4, others) for others in (0, 1, 9, 10)] == [4, 5, 5, 6]
