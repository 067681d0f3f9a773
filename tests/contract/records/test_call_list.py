"""The list of calls with its filters: SQL finds what Python finds, page by page, none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from cdr import record_search, records
from cdr.bands import Range
from cdr.model import CameBy
from cdr.record_filter import Filter
from cdr.record_search import Key, search
from masking.model import Phone, Role
from masking.outcome import Outcome
from masking.plan import Channel
from storage import Database, call_tags
from storage.errors import BadCursor
from tests.contract.records.many import (
    CALLS,
    CAUSES,
    LISTINGS,
    NODES,
    NUMBERS,
    STRANGER,
    TAGS,
    TRUNKS,
    Many,
    put,
)
from tests.support.storage import NOW, a_person, a_vault

_MS = timedelta(milliseconds=1)
_PHONES = (
    STRANGER,
    Phone("+79995554433"),  # nobody's
    *(a_person(Role.BUYER, n).phone or STRANGER for n in range(2)),
    *(a_person(Role.SELLER, n).phone or STRANGER for n in range(3)),
)
_ONE: dict[str, st.SearchStrategy[Any]] = {
    "conversation_id": st.sampled_from([f"chat-{n}" for n in range(6)]),
    "listing_id": st.sampled_from([*LISTINGS, "L-none"]),
    "user_id": st.sampled_from(["buyer-0", "buyer-1", "seller-0", "seller-2", "nobody"]),
    "phone_index": st.sampled_from([a_vault().index(phone) for phone in _PHONES]),
    "outcomes": st.lists(st.sampled_from(Outcome), max_size=3).map(tuple),
    "channels": st.lists(st.sampled_from(Channel), max_size=2).map(tuple),
    "came_by": st.lists(st.sampled_from(CameBy), max_size=2).map(tuple),
    "number": st.sampled_from([*NUMBERS, "+74951119999"]),
    "trunk": st.sampled_from([*TRUNKS, "none"]),
    "node": st.sampled_from([*NODES, "none"]),
    "causes": st.lists(st.sampled_from([*CAUSES, 127]), max_size=2).map(tuple),
    "ring_ms": st.builds(
        Range,
        st.none() | st.sampled_from([0, 3_000, 10_000, 45_000, 60_000]),
        st.none() | st.sampled_from([0, 2_999, 14_999, 44_999, 59_999, 10**9]),
    ),
    "talk_ms": st.builds(
        Range,
        st.none() | st.sampled_from([0, 1, 5_000, 5_001, 3_600_000, 3_600_001]),
        st.none() | st.sampled_from([0, 4_999, 61_499, 61_500, 3_599_999, 10**9]),
    ),
    "mos": st.builds(
        Range,
        st.none() | st.sampled_from([100, 149, 250, 350, 430, 450]),
        st.none() | st.sampled_from([99, 149, 200, 351, 429, 450]),
    ),
    "recorded": st.booleans(),
    "rated": st.booleans(),
    "stars": st.builds(Range, st.none() | st.integers(1, 5), st.none() | st.integers(1, 5)),
    "tag": st.sampled_from([*TAGS, "none"]),
    "since": st.integers(-1, CALLS // 2).map(lambda ms: NOW + ms * _MS),
    "until": st.integers(-1, CALLS // 2).map(lambda ms: NOW + ms * _MS),
}
_FEW = st.lists(st.sampled_from(sorted(_ONE)), max_size=4, unique=True)
_FILTERS = _FEW.flatmap(lambda names: st.builds(Filter, **{name: _ONE[name] for name in names}))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches that give up and probes that go back as after thousands of calls."""
    monkeypatch.setattr(record_search, "_LEAST_EXAMINED", 2)
    monkeypatch.setattr(record_search, "_PROBED", 6)
    monkeypatch.setattr(record_search.search, "__kwdefaults__", {"after": None, "examined": 4})


def every(conn: Connection, wanted: Filter, limit: int, examined: int) -> list[Key]:
    """The whole list, page by page."""
    found: list[Key] = []
    after: Key | None = None
    for _ in range(4 * CALLS):
        page = search(conn, wanted, limit=limit, after=after, examined=examined)
        found.extend(page.keys)
        assert len(page.keys) <= limit
        if page.resume is None:
            return found
        assert after is None or page.resume < after, "it goes on"
        after = page.resume
    raise AssertionError("it has no end")


def test_any_filters_together_find_what_they_say(many: Many, runner: asyncio.Runner) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(_FILTERS, st.sampled_from([3, 50, 500]), st.sampled_from([5, 40, 3_000]))
    def holds(wanted: Filter, limit: int, examined: int) -> None:
        found = runner.run(many.db.read(lambda conn: every(conn, wanted, limit, examined)))
        assert found == many.matching(wanted)

    holds()


def each_alone() -> Iterator[Filter]:
    """Every filter with a value that some calls have."""
    values: dict[str, Any] = {
        "session_id": None,  # below
        "conversation_id": "chat-1",
        "listing_id": LISTINGS[1],
        "user_id": "seller-1",
        "phone_index": a_vault().index(_PHONES[2]),
        "outcomes": (Outcome.BUSY, Outcome.MISSED),
        "channels": (Channel.APP,),
        "came_by": (CameBy.GSM,),
        "number": NUMBERS[0],
        "trunk": TRUNKS[0],
        "node": NODES[0],
        "causes": (17,),
        "ring_ms": Range(10_000, 44_999),
        "talk_ms": Range(most=61_500),
        "mos": Range(most=149),
        "recorded": True,
        "rated": True,
        "stars": Range(most=3),
        "tag": TAGS[0],
        "since": NOW + 100 * _MS,
        "until": NOW + 20 * _MS,
    }
    assert values.keys() == {field.name for field in fields(Filter)}, "a filter is not tested"
    for name, value in values.items():
        if value is not None:
            yield Filter(**{name: value})


def test_every_filter_alone_finds_some_and_not_all(many: Many, runner: asyncio.Runner) -> None:
    session = next(one.session.id for one in many.kept if one.session is not None)
    for wanted in (Filter(session_id=session), *each_alone()):
        found = runner.run(many.db.read(partial(every, wanted=wanted, limit=7, examined=3_000)))
        assert found == many.matching(wanted), wanted
        assert 0 < len(found) < CALLS, wanted


def test_records_written_meanwhile_are_neither_skipped_nor_repeated(
    many: Many, runner: asyncio.Runner
) -> None:
    wanted = Filter(outcomes=(Outcome.ANSWERED, Outcome.BUSY), talk_ms=Range(most=61_500))
    before = many.matching(wanted)
    found: list[Key] = []
    after: Key | None = None
    for n in range(CALLS):

        def look(conn: Connection, after: Key | None = after) -> record_search.Found:
            return search(conn, wanted, limit=5, after=after, examined=30)

        page = runner.run(many.db.read(look))
        found.extend(page.keys)
        if page.resume is None:
            break
        after = page.resume
        # One newer than all, and one right behind the place that was reached.
        newer = replace(many.kept[0].record, call_id=f"cal_new{n}", offered_at=NOW + 999 * _MS)
        older = replace(newer, call_id=f"cal_a{n}", offered_at=NOW + after[0] % 1000 * _MS)
        both = [(newer, None), (older, None)]
        runner.run(many.db.write(partial(put, kept=both)))
    assert len(set(found)) == len(found)
    assert [key for key in found if key in set(before)] == before


def test_a_page_is_the_records_of_what_was_found(many: Many, runner: asyncio.Runner) -> None:
    wanted = Filter(trunk=TRUNKS[1], channels=(Channel.APP,))
    page = runner.run(many.db.read(lambda conn: records.page(conn, wanted, limit=9)))
    # A slow machine runs out of patience: a page may be short, and then it says that more comes.
    expected = [key[1] for key in many.matching(wanted)[: len(page.items)]]
    assert [one.call_id for one in page.items] == expected
    assert page.items
    assert page.next_cursor is not None
    with pytest.raises(BadCursor):
        runner.run(
            many.db.read(lambda conn: records.page(conn, wanted, limit=9, cursor="WyJjYWxscyJd"))
        )


def test_a_search_goes_on_while_there_is_patience(many: Many, runner: asyncio.Runner) -> None:
    wanted = Filter(outcomes=(Outcome.BUSY,), trunk=TRUNKS[0], recorded=False)
    expected = many.matching(wanted)
    assert len(expected) > 3

    def rounds(patience: int) -> record_search.Found:
        clock = iter(range(10_000))  # a look at it takes a second

        def look(conn: Connection) -> record_search.Found:
            return record_search.search_within(
                conn, wanted, limit=CALLS, patience_s=patience, clock=lambda: float(next(clock))
            )

        return runner.run(many.db.read(look))

    hasty, patient = rounds(0), rounds(9_000)
    assert patient.keys == tuple(expected)
    assert patient.resume is None
    assert hasty.keys == tuple(expected[: len(hasty.keys)])
    assert len(hasty.keys) < len(expected)
    assert hasty.resume is not None


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(talk_ms=Range(2, 1)),
        Filter(rated=False, stars=Range(1, 5)),
        Filter(stars=Range(6, None)),
    ],
)
def test_what_contradicts_itself_is_not_searched(
    database: Database, runner: asyncio.Runner, wanted: Filter
) -> None:
    found = runner.run(database.read(lambda conn: search(conn, wanted, limit=5)))
    assert (found.keys, found.resume) == ((), None)


def test_tags_in_use_are_known_in_order(many: Many, runner: asyncio.Runner) -> None:
    assert runner.run(many.db.read(call_tags.used)) == sorted(TAGS)
    assert runner.run(many.db.read(partial(call_tags.used, at_most=1))) == [min(TAGS)]


def test_without_a_tag_there_is_none(database: Database, runner: asyncio.Runner) -> None:
    assert runner.run(database.read(call_tags.used)) == []
