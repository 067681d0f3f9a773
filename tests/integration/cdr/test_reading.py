"""What the API reads: pages of records, of a conversation's history, of a user's log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select

from cdr import call_log, history, records
from cdr.call_log import Direction
from cdr.records import Filter
from masking.model import Card, Listing, Phone, Role
from masking.outcome import Outcome
from storage.errors import BadCursor
from storage.pages import Page
from storage.schema import sessions
from tests.integration.cdr.world import World, add_session
from tests.unit.cdr.calls import call, interleaved
from tests.unit.cdr.scenario import START

OTHER = "ses_2"


@pytest.fixture
async def busy_world(world: World) -> World:
    """Twelve calls of u-1 to u-2 and six of u-2, in another session, to u-3."""
    phones = (Phone("+79267654321"), Phone("+79035556677"))

    def once(conn: Connection) -> None:
        if conn.execute(select(sessions.c.id).where(sessions.c.id == OTHER)).first() is None:
            add_session(conn, world.vault, OTHER, "chat-2", phones, ("u-2", "u-3"))

    await world.db.write(once)
    calls = [call(n) for n in range(12)] + [call(n, session_id=OTHER) for n in range(12, 18)]
    world.append(b"".join(interleaved(calls)))
    await world.ingest()
    return world


async def all_pages(read: Callable[[str | None], Awaitable[Page[Any]]]) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        page = await read(cursor)
        items.extend(page.items)
        if page.next_cursor is None:
            return items
        assert page.items
        cursor = page.next_cursor


async def ids(world: World, limit: int, wanted: Filter) -> list[str]:
    async def read(cursor: str | None) -> Page[Any]:
        return await world.db.read(
            lambda conn: records.page(conn, wanted, limit=limit, cursor=cursor)
        )

    return [record.call_id for record in await all_pages(read)]


async def test_records_come_newest_first_each_once(busy_world: World) -> None:
    for limit in (1, 4, 17, 18, 500):
        found = await ids(busy_world, limit, Filter())
        assert len(set(found)) == len(found) == 18
    newest = await busy_world.records()
    offered = [record.offered_at for record in newest]
    assert offered == sorted(offered, reverse=True)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"session_id": "ses_1"}, 12),
        ({"conversation_id": "chat-2"}, 6),
        ({"user_id": "u-1"}, 12),
        ({"user_id": "u-2"}, 18),
        ({"user_id": "u-3"}, 6),
        ({"user_id": "u-4"}, 0),
        ({"outcomes": (Outcome.BUSY,)}, 6),
        ({"outcomes": (Outcome.BUSY, Outcome.MISSED)}, 12),
        ({"user_id": "u-3", "outcomes": (Outcome.ANSWERED,)}, 2),
        ({"node": "n0123456789ab"}, 18),
        ({"node": "nother"}, 0),
        ({"since": START + timedelta(seconds=1)}, 8),
        ({"until": START + timedelta(seconds=1)}, 10),
        ({"since": START + timedelta(seconds=1), "until": START + timedelta(seconds=1.1)}, 1),
        ({"user_id": "u-2", "since": START + timedelta(seconds=1)}, 8),
    ],
)
async def test_filters(busy_world: World, wanted: dict[str, Any], count: int) -> None:
    for limit in (3, 500):
        found = await ids(busy_world, limit, Filter(**wanted))
        assert len(set(found)) == len(found) == count


async def test_a_record_is_read_as_it_was_written(busy_world: World) -> None:
    for record in await busy_world.records():
        assert await busy_world.db.read(partial(records.get, call_id=record.call_id)) == record
        assert record.recorded_at == busy_world.now[0]
        assert (record.listing_id, record.listing_title) == ("L-42", "Lada Vesta 2019")
        assert record.attempts
        assert [leg.codec for leg in record.legs] == ["alaw", "alaw"]
    assert await busy_world.db.read(lambda conn: records.get(conn, "cal_none")) is None


async def test_history_holds_a_conversations_calls_newest_first(busy_world: World) -> None:
    async def read(cursor: str | None) -> Page[Any]:
        return await busy_world.db.read(
            lambda conn: history.page(conn, "chat-1", limit=5, cursor=cursor)
        )

    entries = await all_pages(read)
    assert len({entry.call_id for entry in entries}) == len(entries) == 12
    assert [entry.at for entry in entries] == sorted((e.at for e in entries), reverse=True)
    [first] = [entry for entry in entries if entry.at == START]
    assert (first.caller.role, first.caller.user_id) == (Role.BUYER, "u-1")
    assert (first.callee.role, first.callee.user_id) == (Role.SELLER, "u-2")
    assert first.listing == Listing("L-42", "Lada Vesta 2019")
    assert (first.outcome, first.talk_ms, first.channel) == (Outcome.ANSWERED, 30_000, "gsm")
    assert (await busy_world.history("chat-none")) == []


async def test_a_log_shows_the_other_sides_card_and_which_way_it_went(busy_world: World) -> None:
    [mine] = [entry for entry in await busy_world.logs("u-1") if entry.at == START]
    assert mine.direction is Direction.OUT
    assert (mine.role, mine.card) == (Role.SELLER, Card("Petr", 4.7))
    [theirs] = [entry for entry in await busy_world.logs("u-2") if entry.at == START]
    assert theirs.direction is Direction.IN
    assert theirs.card == Card("Anna", 4.9, (("deals", "12"),))
    assert theirs.listing == Listing("L-42", "Lada Vesta 2019")
    assert (theirs.session_id, theirs.ring_ms, theirs.talk_ms) == ("ses_1", 2_980, 30_000)
    directions = [entry.direction for entry in await busy_world.logs("u-2")]
    assert (directions.count(Direction.IN), directions.count(Direction.OUT)) == (12, 6)


async def test_a_log_in_pages_and_parts(busy_world: World) -> None:
    async def read(cursor: str | None) -> Page[Any]:
        return await busy_world.db.read(
            lambda conn: call_log.page(conn, "u-2", limit=4, cursor=cursor)
        )

    assert len(await all_pages(read)) == 18

    async def part(**wanted: Any) -> int:  # noqa: ANN401 (whatever a page can be asked for)
        page = await busy_world.db.read(
            lambda conn: call_log.page(conn, "u-2", limit=500, **wanted)
        )
        return len(page.items)

    assert await part(outcome=Outcome.MISSED) == 6
    assert await part(unread=True) == 8  # four missed and four busy ones that came in
    assert await part(unread=False) == 10
    assert await part(outcome=Outcome.BUSY, unread=True) == 4


async def test_missed_calls_are_unread_until_they_are_read(busy_world: World) -> None:
    async def unread(user_id: str) -> int:
        return await busy_world.db.read(lambda conn: call_log.unread_count(conn, user_id))

    async def read_until(seconds: float) -> int:
        return await busy_world.db.write(
            lambda conn: call_log.mark_read(
                conn, "u-2", until=START + timedelta(seconds=seconds), now=busy_world.now[0]
            )
        )

    assert [await unread(user) for user in ("u-1", "u-2", "u-3")] == [0, 8, 4]
    assert await read_until(0.2) == 2
    assert await unread("u-2") == 6
    assert await read_until(0.2) == 0
    assert await read_until(60) == 6
    assert [await unread(user) for user in ("u-1", "u-2", "u-3")] == [0, 0, 4]
    assert {e.read_at for e in await busy_world.logs("u-2")} >= {busy_world.now[0]}


@pytest.mark.parametrize("limit", [0, 501])
async def test_a_page_has_bounds(small_world: World, limit: int) -> None:
    with pytest.raises(ValueError, match="500"):
        await small_world.db.read(lambda conn: records.page(conn, Filter(), limit=limit))


async def test_a_cursor_of_another_list_is_refused(busy_world: World) -> None:
    page = await busy_world.db.read(lambda conn: records.page(conn, Filter(), limit=1))
    for read in (
        lambda conn: history.page(conn, "chat-1", limit=1, cursor=page.next_cursor),
        lambda conn: call_log.page(conn, "u-1", limit=1, cursor=page.next_cursor),
        lambda conn: records.page(conn, Filter(user_id="u-1"), limit=1, cursor="x"),
    ):
        with pytest.raises(BadCursor):
            await busy_world.db.read(read)
