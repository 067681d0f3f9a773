"""Whatever happens to records, the counters say what the records say, and each call counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from cdr import analytics as counting
from cdr import records
from cdr.analytics_rebuild import Recount, rebuild, spans
from cdr.model import Attempt, CallRecord, CameBy, Leg, Step, Stream
from masking.funnel import Contact, Level, Variant
from masking.lift import Arm
from masking.model import Phone, Role
from masking.outcome import DialStatus, EndedBy, Outcome
from masking.plan import Channel
from storage import (
    Database,
    analytics,
    analytics_reports,
    analytics_upkeep,
    contacts,
    open_database,
)
from storage.analytics import HOURS_A_DAY, Tally, hour_of
from storage.analytics_reports import By, Span, TrafficBy
from storage.schema import calls, funnel_calls, funnel_contacts, participants, sessions
from storage.vault import Vault
from tests.integration.cdr.world import TABLES, World, add_session
from tests.unit.cdr.calls import call
from tests.unit.cdr.scenario import NODE, START

HOUR = timedelta(hours=1)
FIRST = hour_of(START) - 3  # three hours of one day, and more of the next
SPAN = Span(FIRST, FIRST + 7)
SESSIONS = ("ses_1", "ses_2", "ses_3")
CATEGORIES = {"ses_1": "cars", "ses_2": None, "ses_3": "flats"}
_STREAM = Stream(100, 0, 1.0, None, None)


@st.composite
def a_record(draw: st.DrawFn, n: int) -> CallRecord:
    """Any call's record, as far as it is counted."""
    offered = START + draw(st.integers(-3, 3)) * HOUR + timedelta(milliseconds=n)
    outcome = draw(st.sampled_from(Outcome))
    answered = outcome is Outcome.ANSWERED
    rang = offered + timedelta(seconds=draw(st.integers(0, 20))) if draw(st.booleans()) else None
    talk_ms = draw(st.sampled_from((0, 9_999, 10_000, 10_001, 60_000))) if answered else 0
    session = draw(st.sampled_from((None, *SESSIONS)))
    trunk = draw(st.sampled_from((None, "a", "b")))
    channel = Channel.APP if trunk is None else Channel.GSM
    status = DialStatus.ANSWER if answered else draw(st.sampled_from(DialStatus))
    step = Step(1, trunk, status, None, 480, offered, rang, offered + HOUR, talk_ms)
    mos = draw(st.sampled_from((None, 1.0, 3.21, 4.5)))
    leg = Leg(EndedBy.CALLEE, trunk, "alaw", 20.0, _STREAM, replace(_STREAM, mos=mos), channel)
    came_by = draw(st.sampled_from((None, *CameBy)))
    given_variant = draw(st.sampled_from(Variant))
    return CallRecord(
        call_id=f"cal_{n:026d}",
        node=draw(st.sampled_from((NODE, "n0000000000zz"))),
        linked_id=f"l-{n}",
        session_id=session,
        caller_role=Role.BUYER,
        callee_role=Role.SELLER,
        number_in=None,
        number_out=None,
        trunk_in=draw(st.sampled_from((None, "a"))),
        trunk_out=trunk,
        channel=draw(st.sampled_from((None, channel))),
        outcome=outcome,
        reason=None,
        announcement=None,
        ended_by=None,
        cause=17,
        offered_at=offered,
        rang_at=rang,
        answered_at=offered + timedelta(seconds=5) if answered else None,
        ended_at=offered + HOUR,
        ring_ms=0,
        talk_ms=talk_ms,
        attempts=(Attempt(channel, (step,)),) if draw(st.booleans()) else (),
        legs=(leg,),
        came_by=came_by,
        category=CATEGORIES[session] if session else None,
        variant=given_variant if session else None,
    )


@st.composite
def a_life(draw: st.DrawFn) -> tuple[list[list[CallRecord]], list[tuple[int, CallRecord]]]:
    """Records in batches, in any order; and corrections of some of them."""
    count = draw(st.integers(1, 12))
    found = draw(st.permutations([draw(a_record(n)) for n in range(count)]))
    edges = sorted(draw(st.lists(st.integers(0, count), max_size=4)))
    batches = [found[a:b] for a, b in zip([0, *edges], [*edges, count], strict=True)]
    corrected = draw(st.lists(st.integers(0, count - 1), max_size=4))
    return batches, [(n, draw(a_record(n))) for n in corrected]


def keep(conn: Connection, batch: Sequence[CallRecord]) -> None:
    """As a batch does it."""
    tally = Tally()
    for record in batch:
        _insert(conn, record)
        counting.count(tally, record, record.variant, record.category)
    reached = contacts.follow(conn, tally.reached)
    analytics.add(conn, tally, reached)


def _row(record: CallRecord) -> dict[str, Any]:
    row = records.row_of(record, START, None)
    about = {"category": record.category, "variant": record.variant}
    return {name: value for name, value in (row | about).items() if name in calls.c}


def _insert(conn: Connection, record: CallRecord) -> None:
    conn.execute(calls.insert(), _row(record))


def correct(conn: Connection, n: int, wanted: CallRecord) -> None:
    """As a correction does it: the new record in the place of the old one, then its counters."""
    old = records.get(conn, f"cal_{n:026d}")
    assert old is not None
    row = _row(wanted)
    conn.execute(update(calls).where(calls.c.call_id == old.call_id).values(row))
    new = records.get(conn, old.call_id)
    assert new is not None
    counting.corrected(conn, old, new)


def recount(conn: Connection, hours_from: int = 0, *, mend: bool = False) -> Recount:
    found = [rebuild(conn, one, mend=mend) for one in spans(SPAN.first, SPAN.end, hours_from)]
    return Recount(sum(one.calls for one in found), sum(one.wrong for one in found))


def emptied(conn: Connection, vault: Vault) -> None:
    for table in (*TABLES, participants, sessions):
        conn.execute(table.delete())
    phones = (Phone("+79161234567"), Phone("+79267654321"))
    for session in SESSIONS:
        add_session(conn, vault, session, f"chat-{session}", phones)
        named = update(sessions).where(sessions.c.id == session)
        conn.execute(named.values(listing_category=CATEGORIES[session]))


def counters(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: sorted(tuple(row) for row in conn.execute(select(table)))
        for table in TABLES
        if table.name.startswith(("funnel", "traffic"))
    }


def test_counters_say_what_records_say(url: str, vault: Vault) -> None:
    """In whatever batches and order records come, and however they are corrected."""
    with asyncio.Runner() as runner:
        db = _opened(runner, url)

        @settings(
            max_examples=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(a_life())
        def check(life: tuple[list[list[CallRecord]], list[tuple[int, CallRecord]]]) -> None:
            batches, corrections = life

            def write(work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
                return runner.run(db.write(work))

            write(lambda conn: emptied(conn, vault))
            for batch in batches:
                write(partial(keep, batch=batch))
            assert write(recount).wrong == 0
            for n, wanted in corrections:
                write(partial(correct, n=n, wanted=wanted))
            assert write(recount) == Recount(sum(map(len, batches)), 0)
            before = write(counters)
            assert write(lambda conn: recount(conn, mend=True)).wrong == 0
            assert _told(write(counters)) == _told(before)
            later = START + timedelta(days=60)
            write(lambda conn: analytics_upkeep.roll_up(conn, later))
            assert write(lambda conn: recount(conn, SPAN.end)).wrong == 0

        try:
            check()
        finally:
            runner.run(db.close())


def _opened(runner: asyncio.Runner, url: str) -> Database:
    async def opened() -> Database:
        return open_database(url)

    return runner.run(opened())


def _told(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Without lines of nothing, which a correction leaves and a recount does not."""
    keys = {table.name: len(table.primary_key.columns) for table in TABLES}
    return {
        name: [row for row in rows if not row[keys[name] :] or any(row[keys[name] :])]
        for name, rows in found.items()
    }


async def test_batches_of_any_size_count_the_same(world: World) -> None:
    for n in range(9):
        world.append(b"".join(row for _, row in call(n).rows))
    await world.ingest()
    first = await world.db.read(counters)
    rows = await world.db.read(lambda conn: analytics_reports.funnel(conn, SPAN, [By.CATEGORY]))
    assert [(row.key, row.calls, row.contacts) for row in rows] == [
        (("cars",), (9, 6, 3, 3), (1, 1, 1, 1))
    ]
    assert (await world.db.read(recount)).wrong == 0
    assert first["traffic"]


async def test_an_hour_that_went_wrong_is_mended(world: World) -> None:
    for n in range(3):
        world.append(b"".join(row for _, row in call(n).rows))
    await world.ingest()
    right = await world.db.read(counters)

    def spoil(conn: Connection) -> None:
        conn.execute(update(funnel_calls).values(called=7))
        conn.execute(update(funnel_contacts).values(talked=7, shown=5))
        conn.execute(update(sessions).values(contact_reached=1))

    await world.db.write(spoil)
    assert (await world.db.read(recount)).wrong == 2
    assert (await world.db.write(lambda conn: recount(conn, mend=True))).wrong == 2
    mended = await world.db.read(counters)
    [contact] = mended.pop("funnel_contacts")
    [before] = right.pop("funnel_contacts")
    assert mended == right
    assert contact[3:] == (5, *before[4:])  # what the platform told is its own
    reached = await world.db.read(lambda conn: conn.scalar(select(sessions.c.contact_reached)))
    assert reached == Level.TALKED


def told(conn: Connection, hour: int, category: str, shown: int = 1) -> int:
    key = (hour, Variant.SHOWN_NUMBER.value, category)
    return analytics.add(conn, Tally(contacts={key: [shown, 0, 0, 0, 0, 0]}))


async def test_a_day_names_so_many_categories_and_the_rest_are_others(world: World) -> None:
    def work(conn: Connection) -> list[int]:
        return [told(conn, FIRST, f"c{n}") for n in range(analytics.CATEGORIES_A_DAY + 2)]

    others = await world.db.write(work)
    assert others == [0] * analytics.CATEGORIES_A_DAY + [1, 1]
    again = await world.db.write(lambda conn: (told(conn, FIRST, "c0"), told(conn, FIRST, "c200")))
    assert again == (0, 1)
    rows = await world.db.read(lambda conn: analytics_reports.funnel(conn, SPAN, [By.CATEGORY]))
    shown = {row.key[0]: row.shown for row in rows}
    assert len(shown) == analytics.CATEGORIES_A_DAY + 1
    assert shown["other"] == 3
    assert shown["c0"] == 2
    next_day = FIRST + HOURS_A_DAY
    assert await world.db.write(lambda conn: told(conn, next_day, "c200")) == 0


async def test_old_hours_become_days_and_old_days_go(world: World) -> None:
    day = FIRST - FIRST % HOURS_A_DAY
    await world.db.write(lambda conn: [told(conn, day + n, "cars", n) for n in (0, 5, 23)])
    later = START + timedelta(days=60)
    assert await world.db.write(lambda conn: analytics_upkeep.roll_up(conn, later)) == 2
    kept = await world.db.read(lambda conn: conn.execute(select(funnel_contacts)).all())
    assert [(row.hour, row.shown) for row in kept] == [(day, 28)]
    assert await world.db.write(lambda conn: analytics_upkeep.sweep(conn, later)) == 0
    far = START + timedelta(days=1_200)
    assert await world.db.write(lambda conn: analytics_upkeep.sweep(conn, far)) == 2
    assert await world.db.read(lambda conn: conn.execute(select(funnel_contacts)).all()) == []


async def test_a_late_earlier_call_moves_the_contact_to_its_hour(world: World) -> None:
    at_ms = FIRST * 3_600_000
    later = Contact(at_ms + 3_600_000, Variant.CALL_BUTTON, Level.RANG)
    earlier = Contact(at_ms, Variant.SHOWN_NUMBER, Level.TALKED)

    def work(conn: Connection) -> None:
        for contact in (later, earlier, later):
            reached = contacts.follow(conn, {"ses_1": contact})
            analytics.add(conn, Tally(), reached)

    await world.db.write(work)
    found = await world.db.read(lambda conn: analytics_reports.arms(conn, SPAN))
    assert found == {Variant.SHOWN_NUMBER: Arm(0, 1, 1, 1, 1)}


async def test_traffic_is_told_by_trunk(world: World) -> None:
    world.append(b"".join(row for _, row in call(0).rows))
    await world.ingest()
    rows = await world.db.read(
        lambda conn: analytics_reports.traffic_of(conn, SPAN, [TrafficBy.TRUNK])
    )
    assert [(row.key, row.direction, row.sums["seizures"]) for row in rows] == [
        (("carrier-a",), "in", 1),
        (("carrier-b",), "out", 1),
    ]
    assert rows[1].sums["answered"] == rows[1].sums["effective"] == 1
    assert rows[1].sums["talk_ms"] == 30_000
    assert rows[1].sums["delays"] == rows[1].sums["scores"] == 1
