"""The chain of records: whole after whatever is honest, broken wherever a record was touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    delete,
    select,
    update,
)

from cdr import ledger, ledger_rows
from cdr.ledger_export import Published
from cdr.ledger_walk import Why
from maskline.records_verify import Report, published_heads, verify_database
from storage.columns import UtcMillis
from storage.schema import calls, ledger_days
from tests.integration.cdr.world import World
from tests.unit.cdr.calls import call, interleaved
from tests.unit.cdr.scenario import START

TODAY = ledger.day_of
BOOKKEEPING = frozenset(
    # `call_id` is a hash of `linked_id`; the others are searched by, and follow from the rest or
    # are filled in later.
    {"linked_id", "mos_min", "mos_band", "ring_band", "talk_band", "stars", "recorded"}
)


async def filled(world: World, count: int = 6, *, first: int = 0) -> None:
    world.append(b"".join(interleaved([call(n) for n in range(first, first + count)])))
    await world.ingest()


async def report(world: World, published: Sequence[Published] = ()) -> Report:
    return await verify_database(world.db, world.vault, published=published)


async def breaks(world: World) -> list[tuple[Why, int | None]]:
    found = await report(world)
    return [(one.why, one.seq) for verdict in found.verdicts for one in verdict.breaks]


async def test_what_was_ingested_is_whole(world: World) -> None:
    await filled(world, 9)
    await filled(world, 3, first=900)
    found = await report(world)
    assert found.whole
    assert [(one.node, one.calls, one.erased) for one in found.verdicts] == [
        (ledger.public_name(world.node), 12, 0)
    ]


async def test_a_new_day_follows_on_the_one_before(small_world: World) -> None:
    world = small_world
    await filled(world)
    world.now[0] += timedelta(days=1)
    await filled(world, 2, first=600)
    world.now[0] += timedelta(days=3)
    await filled(world, 1, first=900)
    world.now[0] -= timedelta(days=4)  # a clock that was wrong takes nothing back
    await filled(world, 2, first=1200)
    found = await report(world)
    first = TODAY(world.now[0])
    assert [(one.day - first, one.calls) for one in found.verdicts] == [(0, 6), (1, 2), (4, 3)]
    assert found.whole

    which = ledger_days.c.day == first + 1
    await world.db.write(lambda conn: conn.execute(delete(ledger_days).where(which)))
    assert await breaks(world) == [(Why.PREVIOUS, None), (Why.NO_HEAD, None)]


def every_column() -> Iterator[str]:
    for column in calls.c:
        if column.name not in BOOKKEEPING - {"linked_id"}:
            yield column.name


async def change(world: World, which: ColumnElement[bool], **values: object) -> None:
    await world.db.write(lambda conn: conn.execute(update(calls).where(which).values(**values)))


async def test_a_change_of_any_column_is_found(world: World) -> None:
    await filled(world, 3)
    second = calls.c.ledger_seq == 2
    row = await world.db.read(lambda conn: conn.execute(select(calls).where(second)).one())
    for name in every_column():
        kept = getattr(row, name)
        changed = other(calls.c[name], kept)
        await change(world, calls.c.call_id == row.call_id, **{name: changed})
        found = await breaks(world)
        assert found, name
        assert {seq for _, seq in found} <= {None, 2, 3, 77}, name
        now = changed if name == "call_id" else row.call_id
        await change(world, calls.c.call_id == now, **{name: kept})
    assert await breaks(world) == []


def other(column: Column[Any], kept: object) -> object:
    """A value of the column's kind that differs from `kept`."""
    match column.type:
        case UtcMillis():
            return START + timedelta(days=300)
        case LargeBinary():
            return b"\1" * 48
        case JSON():
            return [{"else": 1}]
        case Integer():
            return kept + 75 if isinstance(kept, int) else 77
        case _:
            return "cal_00000000000000000000000000" if column.name == "call_id" else "else"


def test_every_column_is_hashed_personal_or_follows_from_the_rest() -> None:
    place = set(ledger_rows.NO_PLACE)
    personal = {name for names in ledger.ERASABLE.values() for name in names}
    kinds = (set(ledger.CONTENT), place, personal, set(BOOKKEEPING))
    assert set(calls.c.keys()) == set().union(*kinds)
    assert sum(map(len, kinds)) == len(calls.c)


async def test_a_record_that_is_gone_is_missed(world: World) -> None:
    await filled(world)
    await world.db.write(lambda conn: conn.execute(delete(calls).where(calls.c.ledger_seq == 4)))
    assert await breaks(world) == [(Why.MISSING, 4)]


async def test_a_tail_that_is_gone_is_missed(world: World) -> None:
    await filled(world)
    await world.db.write(lambda conn: conn.execute(delete(calls).where(calls.c.ledger_seq > 4)))
    assert await breaks(world) == [(Why.MISSING, 5), (Why.MISSING, 6)]


async def test_a_tail_that_is_gone_with_its_head_is_missed_by_the_published_one(
    small_world: World,
) -> None:
    world = small_world
    await filled(world)
    published = await published_heads(world.db)

    def cut(conn: Connection) -> None:
        last = select(calls.c.ledger_hash).where(calls.c.ledger_seq == 5).scalar_subquery()
        conn.execute(update(ledger_days).values(calls=5, head=last))
        conn.execute(delete(calls).where(calls.c.ledger_seq > 5))

    await world.db.write(cut)
    assert await breaks(world) == []
    found = await report(world, published=published)
    assert [(one.why, one.seq) for one in found.verdicts[0].breaks] == [(Why.PUBLISHED, 6)]
