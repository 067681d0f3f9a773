"""Following histories and call logs with a key, and what users have seen of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, func, select

from api.live_streams import LONGEST
from api.services import ApiSettings
from cdr import call_log, entries, history, people
from cdr.model import CallRecord
from masking.outcome import Outcome
from storage.keys import KeyRole
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.contract.api.recorded import keep, record
from tests.support.app_events import Told

HISTORY = "/v1/conversations/chat-81/history"
LOG = "/v1/users/u-2/call-log"


@pytest.fixture
async def impatient(sqlite_url: str) -> AsyncIterator[House]:
    """A house whose streams are few, and show often that they live."""
    few = ApiSettings(sip_host="sip.test", keep_alive_s=0.05, streams_of_key=2, streams=3)
    async for house in run(sqlite_url, few):
        yield house


async def a_session(house: House) -> str:
    await house.furnish()
    session_id: str = (await house.open_session())["id"]
    return session_id


def key(house: House) -> str:
    return house.keys[KeyRole.PLATFORM]


async def test_a_history_is_told_as_it_is_written_each_entry_once(house: House) -> None:
    session_id = await a_session(house)
    calls = [record(n, session_id, Outcome.MISSED) for n in (5, 3, 9, 1)]  # late ones among them
    await keep(house, calls[0])

    async with house.follow(HISTORY + "/events", key(house)) as reader:
        first = await reader.next()
        await keep(house, *calls[1:3])
        told = [first, await reader.next(), await reader.next()]
    await keep(house, calls[3])
    async with house.follow(HISTORY + "/events", key(house), after=told[1].id) as reader:
        again = [await reader.next(), await reader.next()]

    assert [one.data["call_id"] for one in told] == [call.call_id for call in calls[:3]]
    assert [one.data["call_id"] for one in again] == [call.call_id for call in calls[2:]]
    assert {one.kind for one in told} == {"history"}
    listed = (await house.ask("GET", HISTORY)).json()["items"]
    by_id = {one["id"]: one for one in listed}
    assert [by_id[one.id] for one in told] == [one.data for one in told]


async def test_a_history_is_told_in_the_language_asked_for(lite: House) -> None:
    session_id = await a_session(lite)
    await keep(lite, record(1, session_id, Outcome.MISSED))
    async with lite.follow(HISTORY + "/events?language=en", key(lite)) as reader:
        told = await reader.next()
    assert told.data["text"]["callee"] == "You missed a call"


async def test_a_conversation_tells_nothing_of_another(lite: House) -> None:
    session_id = await a_session(lite)
    async with lite.follow("/v1/conversations/chat-82/history/events", key(lite)) as other:
        async with lite.follow(HISTORY + "/events", key(lite)) as reader:
            await keep(lite, record(1, session_id, Outcome.MISSED))
            await reader.next()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await other.next()


async def test_a_log_is_told_to_a_key_as_to_an_app(house: House) -> None:
    session_id = await a_session(house)
    missed, later = (record(n, session_id, Outcome.MISSED) for n in (1, 2))
    await keep(house, missed)

    async with house.follow(LOG + "/events", key(house)) as reader:
        told = await reader.next()
        await keep(house, later)
        then = await reader.next()
        seen = await house.ask("POST", LOG + "/seen", {"until": later.offered_at.isoformat()})
        looked = await reader.next()

    assert (told.kind, told.data["call_id"]) == ("call.missed", missed.call_id)
    assert then.data["call_id"] == later.call_id
    assert seen.json() == {"marked": 2}
    assert (looked.kind, looked.id) == ("call_log.seen", None)
    assert looked.data == {"until": "2026-11-22T10:02:00Z", "conversation_id": None}


async def test_what_a_device_has_seen_is_told_to_the_platform(lite: House) -> None:
    await a_session(lite)
    token = (await lite.credential("u-2"))["token"]
    async with lite.follow(LOG + "/events", key(lite)) as reader:
        at = lite.clock().isoformat()
        await lite.ask_app("POST", "/v1/app/call-log/seen", {"until": at}, token=token)
        assert (await reader.next()).kind == "call_log.seen"


async def test_a_stream_shows_that_it_lives_and_ends_by_itself(impatient: House) -> None:
    await a_session(impatient)
    async with impatient.follow(HISTORY + "/events", key(impatient)) as reader:
        assert (await reader.next(comments=True)).kind == ""
        impatient.clock.advance(seconds=LONGEST / timedelta(seconds=1) + 1)
        ended = await reader.next()
        assert (ended.kind, ended.data) == ("end", {"reason": "expired"})


async def test_streams_of_one_key_are_bounded_and_so_are_all(impatient: House) -> None:
    await a_session(impatient)
    path = HISTORY + "/events"
    async with (
        impatient.follow(path, key(impatient)) as oldest,
        impatient.follow(path, key(impatient)),
        impatient.follow(path, key(impatient)),
    ):
        ended = await oldest.next()
        assert (ended.kind, ended.data) == ("end", {"reason": "replaced"})
        with pytest.raises(EOFError):
            await oldest.next()
        async with impatient.follow("/v1/conversations/c-2/history/events", key(impatient)):
            refused = impatient.follow("/v1/conversations/c-3/history/events", key(impatient))
            async with refused as fourth:
                assert fourth.response.status == 503


async def test_what_a_user_has_seen_of_a_conversation_is_seen_in_the_log(house: House) -> None:
    session_id = await a_session(house)
    outcomes = (Outcome.MISSED, Outcome.ANSWERED, Outcome.MISSED)
    calls = [record(n, session_id, outcome) for n, outcome in enumerate(outcomes)]
    await keep(house, *calls)

    page = (await house.ask("GET", HISTORY + "?user_id=u-2")).json()
    assert (page["unread_count"], [one["unread"] for one in page["items"]]) == (
        2,
        [True, False, True],
    )
    body = {"user_id": "u-2", "until": calls[1].offered_at.isoformat()}
    assert (await house.ask("POST", HISTORY + "/seen", body)).json() == {"marked": 1}
    assert (await house.ask("POST", HISTORY + "/seen", body)).json() == {"marked": 0}

    page = (await house.ask("GET", HISTORY + "?user_id=u-2")).json()
    assert (page["unread_count"], [one["unread"] for one in page["items"]]) == (
        1,
        [True, False, False],
    )
    assert (await house.ask("GET", LOG)).json()["unread_count"] == 1
    nobody = (await house.ask("GET", HISTORY)).json()
    assert "unread_count" not in nobody
    assert {one["unread"] for one in nobody["items"]} == {None}


async def test_of_another_conversation_nothing_is_marked(house: House) -> None:
    session_id = await a_session(house)
    await keep(house, record(1, session_id, Outcome.MISSED))
    at = house.clock.now + timedelta(days=1)
    body = {"user_id": "u-2", "until": at.isoformat()}
    other = await house.ask("POST", "/v1/conversations/chat-82/history/seen", body)
    assert other.json() == {"marked": 0}


async def test_unread_calls_of_many_users_are_counted_at_once(house: House) -> None:
    session_id = await a_session(house)
    await keep(house, *(record(n, session_id, Outcome.MISSED) for n in range(3)))
    asked = {"user_ids": ["u-9", "u-2", "u-1", "u-2"]}
    answered = await house.ask("POST", "/v1/call-log/unread", asked)
    assert answered.json() == {
        "items": [
            {"user_id": "u-9", "unread_count": 0},
            {"user_id": "u-2", "unread_count": 3},
            {"user_id": "u-1", "unread_count": 0},
        ]
    }


async def test_what_is_committed_out_of_order_comes_once_to_everyone(house: House) -> None:
    session_id = await a_session(house)
    old = [record(n, session_id, Outcome.MISSED) for n in range(30)]
    await keep(house, *old)
    new = [record(1000 - 7 * n, session_id, Outcome.MISSED) for n in range(48)]  # back in time
    rng = random.Random(5)
    pauses_s = [rng.choice((0.0, 0.01, 0.05, 0.15)) for _ in new]

    def work(conn: Connection, one: CallRecord, pause_s: float) -> None:
        """The ids are given out; whoever comes later may commit sooner."""
        parties = people.parties_of(conn, {session_id})[session_id]
        history.insert(conn, [entries.history_row(one, parties)])
        call_log.insert(conn, entries.log_rows(one, parties))
        if conn.dialect.name == "postgresql":
            conn.execute(select(func.pg_sleep(pause_s)))

    async def write() -> None:
        for begin in range(0, len(new), 8):
            pairs = zip(new[begin : begin + 8], pauses_s[begin : begin + 8], strict=True)
            works = [partial(work, one=one, pause_s=pause_s) for one, pause_s in pairs]
            await asyncio.gather(*map(house.db.write, works))

    async def follow(path: str) -> list[Told]:
        """Everything, by a reader who is cut off again and again."""
        seen: list[Told] = []
        while len(seen) < len(old) + len(new):
            async with house.follow(path, key(house), after=seen[-1].id if seen else None) as one:
                seen += [await one.next() for _ in range(min(13, len(old) + len(new) - len(seen)))]
        return seen

    async def scroll() -> list[str]:
        """All pages, while more is written."""
        seen: list[str] = []
        cursor = ""
        while True:
            page = (await house.ask("GET", f"{HISTORY}?limit=3{cursor}")).json()
            seen += [one["call_id"] for one in page["items"]]
            if page["next_cursor"] is None:
                return seen
            cursor = f"&cursor={page['next_cursor']}"

    _, told, logged, scrolled = await asyncio.gather(
        write(), follow(HISTORY + "/events"), follow(LOG + "/events"), scroll()
    )

    everything = {one.call_id for one in (*old, *new)}
    for stream in (told, logged):
        assert len(stream) == len(everything)
        assert {one.data["call_id"] for one in stream} == everything
        ids = [one.id or 0 for one in stream]
        assert sorted(ids) == ids
    assert len(set(scrolled)) == len(scrolled)
    assert {one.call_id for one in old} <= set(scrolled)
