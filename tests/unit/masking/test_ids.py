"""Ids of calls: the same for whoever reads of a call, and in the order in which calls began."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from masking.ids import begun, call_id, call_id_without_time

NODE = "n7k2m9q4x1ab"
seconds = st.integers(10**9, 10**10 - 1)


@given(st.tuples(seconds, st.integers(0, 2**31)), st.tuples(seconds, st.integers(0, 2**31)))
def test_ids_are_in_the_order_of_the_seconds_in_which_calls_began(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    ids = {begin: call_id(NODE, f"{NODE}-{begin[0]}.{begin[1]}") for begin in (one, other)}

    assert all(re.fullmatch("cal_[0-9a-hjkmnp-tv-z]{26}", made) for made in ids.values())
    assert (ids[one] == ids[other]) == (one == other)
    if one[0] != other[0]:
        assert (ids[one] < ids[other]) == (one[0] < other[0])


def test_calls_of_one_second_and_of_other_nodes_have_ids_of_their_own() -> None:
    named = [(node, f"{node}-1700000000.{n}") for node in ("na", "nb") for n in range(50)]

    assert len({call_id(*of) for of in named}) == len(named)


def test_a_channel_whose_name_says_no_time_still_has_an_id() -> None:
    for name in ("n-x", "1700000000", "n-1700000000.", "n-17.5", "n-1700000000.5-x"):
        assert begun(name) is None
        assert call_id(NODE, name) == call_id_without_time(NODE, name)
    assert begun("n-1700000000.5") == begun("1700000000.5") == 1_700_000_000
