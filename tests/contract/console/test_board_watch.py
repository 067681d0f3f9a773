"""The board's watch over a real database: what it counts, what it warns of, what it costs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, NoReturn

import pytest
from sqlalchemy import Connection, delete

from api.calls_up import CallsUp
from api.console import board_pools, board_watch
from api.console.alarms import Alarm, Condition
from api.console.board_ended import AT_ONCE
from api.console.board_watch import Snapshot, Watch
from api.console.render import texts_of
from cdr import recent
from cdr.analytics_rebuild import rebuild
from cdr.ledger import public_name
from cdr.model import CallRecord, CameBy
from masking.outcome import Outcome
from storage import rotation
from storage.analytics import hour_of
from storage.analytics_reports import Span
from storage.errors import DatabaseUnavailable
from storage.rotation import Reader
from storage.schema import traffic
from tests.contract.api.house import START, House, LiveCallDouble
from tests.contract.api.recorded import NODE, record
from tests.contract.console.kept import keep
from tests.support.storage import stocked

OTHER_NODE = "nfedcba987654"


def a_call(number: int, outcome: Outcome = Outcome.ANSWERED, **changes: object) -> CallRecord:
    """A call that was offered so many minutes after START, through carrier-a both ways."""
    return record(number, None, outcome, came_by=CameBy.GSM, **changes)


async def watched(house: House, looks: int = 1) -> tuple[Watch, Snapshot]:
    watch = Watch(house.services, texts_of(), CallsUp(house.services))
    for _ in range(looks - 1):
        await watch.look()
    return watch, await watch.look()


async def test_the_hour_before_is_read_and_each_call_is_counted_once(lite: House) -> None:
    answered = [a_call(n) for n in range(30)]
    missed = [a_call(n, Outcome.MISSED) for n in range(30, 40)]
    await keep(lite, *answered, *missed)
    lite.clock.now = START + timedelta(minutes=45)
    watch, snapshot = await watched(lite)

    assert (snapshot.whole.seizures, snapshot.whole.answered) == (40, 30)
    assert snapshot.whole.asr == 0.75
    assert snapshot.whole.acd_s == 61.5
    assert snapshot.mos == 4.29
    assert sum(snapshot.setups_line) == 40
    assert [(row.name, row.direction) for row in snapshot.trunks] == [
        ("carrier-a", "in"),
        ("carrier-a", "out"),
    ]
    assert {row.name for row in snapshot.nodes} == {public_name(NODE)}

    again = await watch.look()
    assert again.whole == snapshot.whole
    assert again.version == snapshot.version + 1


async def test_what_is_kept_later_is_added_whichever_node_keeps_it(lite: House) -> None:
    await keep(lite, a_call(1))
    lite.clock.now = START + timedelta(minutes=10)
    watch, _ = await watched(lite)

    await keep(lite, a_call(2), a_call(3, Outcome.BUSY))
    elsewhere = replace(a_call(4), node=OTHER_NODE, call_id="call_other", linked_id="9.1")
    await keep(lite, elsewhere)
    snapshot = await watch.look()

    assert snapshot.whole.seizures == 4
    assert {row.name for row in snapshot.nodes} == {public_name(NODE), public_name(OTHER_NODE)}


async def test_calls_of_an_hour_ago_leave_the_board_by_themselves(lite: House) -> None:
    await keep(lite, a_call(1))
    lite.clock.now = START + timedelta(minutes=5)
    watch, before = await watched(lite)
    lite.clock.advance(hours=1)
    after = await watch.look()

    assert before.whole.seizures == 1
    assert after.whole.seizures == 0
    assert after.trunks == after.nodes == ()


async def test_a_call_that_was_long_is_counted_when_it_is_over(lite: House) -> None:
    lite.clock.now = START + timedelta(hours=5)
    watch, before = await watched(lite)
    long = replace(a_call(1), ended_at=START + timedelta(hours=5), talk_ms=17_000_000)
    await keep(lite, long)
    lite.clock.advance(seconds=61)  # older hours are looked at once a minute
    after = await watch.look()
    again = await watch.look()

    assert before.whole.seizures == 0
    assert (after.whole.seizures, after.whole.talk_ms) == (1, 17_000_000)
    assert again.whole == after.whole


async def test_counting_anew_as_a_repair_adds_no_call_to_the_board(lite: House) -> None:
    await keep(lite, *[a_call(n) for n in range(30)])
    lite.clock.now = START + timedelta(minutes=40)
    watch, before = await watched(lite)
    hour = hour_of(START)
    await lite.db.write(lambda conn: conn.execute(delete(traffic)))
    await watch.look()
    await lite.db.write(lambda conn: rebuild(conn, Span(hour, hour + 1)))
    await keep(lite, a_call(31))
    repaired = await watch.look()
    await keep(lite, a_call(32))
    after = await watch.look()

    assert before.whole.seizures == 30
    assert repaired.whole.seizures in (30, 31)  # the call beside it may go uncounted
    assert after.whole.seizures == repaired.whole.seizures + 1


async def test_a_look_reads_no_record_but_of_the_hour_before(
    lite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(lite, *[a_call(n) for n in range(5)])
    lite.clock.now = START + timedelta(minutes=20)
    watch, _ = await watched(lite)

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a record is read")

    monkeypatch.setattr(recent, "record_of", refuse)
    await keep(lite, *[a_call(n) for n in range(5, 15)])
    after = await watch.look()

    assert after.whole.seizures == 15
    assert sum(after.setups_line) == 15


async def test_what_was_kept_long_before_is_not_read(lite: House) -> None:
    await keep(lite, *[a_call(n) for n in range(100)])
    lite.clock.now = START + timedelta(minutes=120)
    _, snapshot = await watched(lite)

    # The 60 minutes that end with this one; each call ends in the minute after its offer's.
    assert snapshot.whole.seizures == 100 - 60


async def test_a_day_that_begins_is_read_on_and_none_before_it_twice(lite: House) -> None:
    late = timedelta(hours=13, minutes=50)
    await keep(lite, replace(a_call(0), **shifted(a_call(0), late)))
    lite.clock.now = START + late + timedelta(minutes=5)
    watch, first = await watched(lite)
    next_day = a_call(1)
    await keep(lite, replace(next_day, **shifted(next_day, late + timedelta(minutes=15))))
    lite.clock.advance(minutes=20)
    second = await watch.look()

    assert (first.whole.seizures, second.whole.seizures) == (1, 2)


def shifted(one: CallRecord, by: timedelta) -> dict[str, Any]:
    assert one.rang_at is not None
    assert one.answered_at is not None
    return {
        "offered_at": one.offered_at + by,
        "rang_at": one.rang_at + by,
        "answered_at": one.answered_at + by,
        "ended_at": one.ended_at + by,
    }


async def test_calls_that_are_up_are_counted_by_state_and_their_set_ups_once(lite: House) -> None:
    lite.clock.now = START + timedelta(minutes=2)
    since = lite.clock.now - timedelta(seconds=30)
    lite.node.calls = {
        "call_1": LiveCallDouble("call_1", since),
        "call_2": LiveCallDouble("call_2", since, state="ringing"),
    }
    services = replace(lite.services, node=NODE)
    watch = Watch(services, texts_of(), CallsUp(services))
    await watch.look()
    await watch.look()
    snapshot = await watch.look()
    assert snapshot.calls == {"up": 1, "ringing": 1}
    assert snapshot.setups_a_s == 2 / 60
    assert snapshot.calls_line[-1] == 2

    lite.node.calls = {}
    ended = replace(a_call(1), call_id="call_1", offered_at=since)
    await keep(lite, ended)
    snapshot = await watch.look()
    assert snapshot.calls == {}
    assert sum(snapshot.setups_line) == 2  # as before: it was counted when it came
    assert snapshot.calls_line[-1] == 2  # the most in this minute


async def test_without_a_node_calls_are_unknown_not_none(lite: House) -> None:
    _, snapshot = await watched(lite)

    assert snapshot.calls is None
    assert set(snapshot.calls_line) == {None}


async def test_a_trunk_that_stops_answering_is_an_alarm_against_its_own_week(lite: House) -> None:
    week = [a_call(-60 * 24 - n, Outcome.ANSWERED if n % 3 else Outcome.MISSED) for n in range(300)]
    await keep(lite, *reversed(week))
    failing = [a_call(n, Outcome.MISSED) for n in range(12)]
    await keep(lite, *[replace(one, **spread(n)) for n, one in enumerate(failing)])
    lite.clock.now = START + timedelta(minutes=5)
    watch, first = await watched(lite)
    lite.clock.advance(seconds=40)
    second = await watch.look()

    assert first.alarms == ()
    found = {(one.condition, one.subject): one for one in second.alarms}
    assert set(found) == {
        (Condition.TRUNK_ASR, "carrier-a in"),
        (Condition.TRUNK_ASR, "carrier-a out"),
    }
    facts = found[Condition.TRUNK_ASR, "carrier-a out"].reading.facts
    assert facts["now"] == 0
    assert round(float(facts["usual"]), 2) == 0.67
    assert second.trunks[0].usual == second.trunks[1].usual


def spread(n: int) -> dict[str, Any]:
    at = START + timedelta(seconds=10 * n)
    return {
        "offered_at": at,
        "rang_at": at + timedelta(seconds=1),
        "ended_at": at + timedelta(seconds=66),
    }


async def test_a_part_that_is_unwell_is_an_alarm_and_over_when_it_is_well(lite: House) -> None:
    lite.node.away = True
    watch = Watch(lite.services, texts_of(), CallsUp(lite.services))
    seen = []
    for second in range(0, 120, 10):
        lite.node.away = second < 40
        seen.append(bool((await watch.look()).alarms))
        lite.clock.advance(seconds=10)

    assert seen[:2] == [False, True]
    assert seen[-1] is False
    assert sum(one != two for one, two in pairwise(seen)) == 2


async def test_what_was_wrong_at_one_look_is_not_taken_to_have_lasted(lite: House) -> None:
    """Parts are looked at every five seconds, and one that is unwell for five is an alarm."""
    watch = Watch(lite.services, texts_of(), CallsUp(lite.services))
    seen: list[Alarm] = []
    for away in (True, False, True, False):
        lite.node.away = away
        for _ in range(5):
            seen.extend((await watch.look()).alarms)
            lite.clock.advance(seconds=1.001)

    assert seen == []


async def test_what_was_wrong_before_the_database_was_away_says_nothing_of_afterwards(
    lite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(lite.services, texts_of(), CallsUp(lite.services))
    lite.node.away = True
    await watch.look()
    lite.node.away = False

    async def refuse(*_: object) -> NoReturn:
        raise DatabaseUnavailable

    seen: list[Alarm] = []
    with monkeypatch.context() as away:
        away.setattr(type(lite.services.db), "read", refuse)
        for _ in range(10):
            lite.clock.advance(seconds=1)
            snapshot = await watch.look()
            assert snapshot.stale
            seen.extend(snapshot.alarms)
    seen.extend((await watch.look()).alarms)

    assert seen == []


async def test_who_opens_the_board_while_nobody_watched_need_not_wait_for_the_next_look(
    lite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_watch, "IDLE_S", 3_600.0)
    watch = Watch(lite.services, texts_of(), CallsUp(lite.services))
    watch.begin()
    try:
        async with asyncio.timeout(10):
            before = await watch.latest()
            while watch._ended.reading:
                before = await watch.newer(before.version)
            watch._made_s = float("-inf")  # long ago
            after = await watch.latest()
    finally:
        await watch.close()

    assert after.version > before.version


async def test_an_hour_at_the_peak_is_counted_to_its_end(lite: House) -> None:
    watch = Watch(lite.services, texts_of(), CallsUp(lite.services))
    a_second = 60
    rates = []
    for minute in range(80):
        since = lite.clock.now
        lite.node.calls = {
            one: LiveCallDouble(one, since + timedelta(seconds=n // a_second))
            for n, one in enumerate(f"call_{minute}_{n}" for n in range(60 * a_second))
        }
        lite.clock.advance(seconds=59.5)
        rates.append((await watch.look()).setups_a_s)
        lite.clock.advance(seconds=0.5)

    assert rates == [a_second] * 80


async def test_a_node_of_which_nothing_is_heard_is_an_alarm_on_the_board_of_another(
    lite: House,
) -> None:
    def hear(conn: Connection) -> None:
        rotation.report(conn, Reader("its ingester", frozenset({1}), 1, NODE), lite.clock())

    await lite.db.write(hear)
    watch = Watch(lite.services, texts_of(), CallsUp(lite.services))
    seen: list[tuple[str, ...]] = []
    known: list[bool] = []
    for second in range(0, 180, 10):
        if second > 90:
            await lite.db.write(hear)
        snapshot = await watch.look()
        seen.append(tuple(one.subject for one in snapshot.alarms))
        known.append(snapshot.calls is not None)
        lite.clock.advance(seconds=10)

    assert seen[4] == ()
    assert seen[6] == (public_name(NODE),)  # its own is nobody's to know
    assert seen[-1] == ()
    assert sum(one != two for one, two in pairwise(seen)) == 2
    assert (known[3], known[6], known[-1]) == (True, False, True)


async def test_a_pool_is_on_the_board_soon_after_it_is_there(
    lite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_pools, "REST", 0.0)  # however long the machine takes to count
    watch, before = await watched(lite)
    await stocked(lite.db, lite.services.vault, size=2)
    lite.clock.advance(seconds=5)
    after = await watch.look()

    assert before.pools == ()
    assert [(one.gauge.pool, one.gauge.size) for one in after.pools or ()] == [("default", 2)]


async def test_what_it_reads_is_bounded_by_what_is_new(lite: House) -> None:
    await keep(lite, *[a_call(n % 40, call_id=f"call_{n}") for n in range(1_500)])
    lite.clock.now = START + timedelta(minutes=45)
    watch, last = await watched(lite)
    assert last.whole.seizures == AT_ONCE
    while last.reading:
        before, last = last, await watch.look()
        assert last.whole.seizures - before.whole.seizures <= AT_ONCE
    assert last.whole.seizures == 1_500
