"""Cursors: read back exactly, and refused whatever else is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

from storage.columns import UtcMillis, from_ms, to_ms
from storage.errors import BadCursor
from storage.pages import Order
from storage.schema import calls

ORDER = Order("calls", (calls.c.offered_at, calls.c.call_id), (datetime, str))
_times = st.integers(0, 2**47 - 1).map(from_ms)
_ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)


@given(_times, _ids)
def test_a_cursor_is_the_key_it_was_made_of(at: datetime, call_id: str) -> None:
    assert ORDER.decode(ORDER.encode((at, call_id))) == (at, call_id)


@given(st.text(max_size=80))
@example("W10=")
@example("WyJjYWxscyIsMSwiYSJd" * 40)
@example("WyJjYWxscyIsMWU5OTksImEiXQ")  # ["calls",1e999,"a"]
@example("WyJjYWxscyIsMTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwLCJhIl0")  # an enormous number
@example("WyJjYWxscyIsdHJ1ZSwiYSJd")  # ["calls",true,"a"]
@example("WyJjYWxscyIsMSwiXHUwMDAwIl0")  # ["calls",1,"\u0000"]
@example("WyJjYWxscyIsMSwiXHVkODAwIl0")  # ["calls",1,"\ud800"]
def test_any_other_text_is_refused_or_harmless(text: str) -> None:
    try:
        at, call_id = ORDER.decode(text)
    except BadCursor:
        return
    assert isinstance(at, datetime)
    assert isinstance(call_id, str)


@given(_times, _ids)
def test_a_cursor_of_another_list_is_refused(at: datetime, call_id: str) -> None:
    other = Order("answered-calls", ORDER.columns, ORDER.kinds)

    with pytest.raises(BadCursor):
        other.decode(ORDER.encode((at, call_id)))


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_bounds(limit: int) -> None:
    with pytest.raises(ValueError, match="500"):
        ORDER.apply(select(calls), limit=limit, cursor=None)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2500, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_times_are_kept_to_the_millisecond_whatever_their_zone(at: datetime) -> None:
    kept = from_ms(to_ms(at))

    assert kept.tzinfo is UTC
    assert timedelta(0) <= at - kept < timedelta(milliseconds=1)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_ms(datetime(2026, 11, 2))  # noqa: DTZ001
    assert UtcMillis.cache_ok
