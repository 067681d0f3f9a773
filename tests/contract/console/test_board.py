"""The live board as it is read: whole without a script, then new by a stream of events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from api.console import board
from masking.outcome import Outcome
from masking.staff import StaffRole
from tests.contract.api.house import START, House, LiveCallDouble
from tests.contract.api.recorded import record
from tests.contract.console.conftest import Seat
from tests.contract.console.kept import keep
from tests.support.app_events import EventReader
from tests.support.console import Desk

PAGE, EVENTS = "/console/board", "/console/board/events"


@asynccontextmanager
async def following(house: House, desk: Desk) -> AsyncIterator[EventReader]:
    cookies = "; ".join(f"{name}={value}" for name, value in desk.cookies.items())
    sent = {"Cookie": cookies, "Accept": "text/event-stream"}
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{house.port}", cookie_jar=jar) as http,
        http.get(EVENTS, headers=sent) as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield EventReader(response, house.memory.answers.append)


async def a_morning(house: House) -> None:
    kept = [record(n, None, Outcome.MISSED if n % 4 == 0 else Outcome.ANSWERED) for n in range(20)]
    await keep(house, *kept)
    house.clock.now = START + timedelta(minutes=30)
    since = house.clock.now - timedelta(seconds=20)
    house.node.calls["call_live"] = LiveCallDouble("call_live", since)


async def test_the_page_says_what_is_going_on_without_a_script(lite: House, desk: Seat) -> None:
    await a_morning(lite)
    somebody = await desk(StaffRole.OPERATOR)
    shown = await somebody.get(PAGE)

    assert shown.status == 200
    for words in ("Calls now 1", "Delivery lag 0 s 0 notices wait", "MOS", "No alarms.", "75%"):
        assert words in shown.words
    assert "/console/calls?trunk=carrier-a&period=1h" in shown.links()
    assert 'aria-live="polite"' in shown.html
    assert "style=" not in shown.html


async def test_every_abbreviation_has_its_meaning_one_click_away(lite: House, desk: Seat) -> None:
    shown = await (await desk(StaffRole.SUPERVISOR)).get(PAGE)
    asked = set(re.findall(r'popovertarget="(what-[a-z_]+)"', shown.html))

    assert asked >= {"what-asr", "what-acd", "what-pdd", "what-mos"}
    for one in asked:
        assert f'id="{one}" popover' in shown.html


async def test_it_speaks_russian_to_who_reads_russian(lite: House) -> None:
    somebody = await Desk.of(lite, StaffRole.OPERATOR, language="ru")
    shown = await somebody.get(PAGE)

    assert "Звонков сейчас" in shown.words
    assert "Тревог нет." in shown.words


@pytest.mark.parametrize("path", [PAGE, EVENTS])
async def test_an_agent_has_no_board(lite: House, desk: Seat, path: str) -> None:
    assert (await (await desk(StaffRole.AGENT)).get(path)).status == 403


async def test_the_stream_begins_with_all_of_it_and_goes_on_with_what_changed(
    lite: House, desk: Seat
) -> None:
    await a_morning(lite)
    somebody = await desk(StaffRole.OPERATOR)
    async with following(lite, somebody) as events:
        whole = await events.next()
        while "reading" in whole.data["fragments"].get("board-state", ""):
            whole = await events.next()
        assert whole.data["texts"]["value-calls"] == "1"
        assert len(whole.data["lines"]["calls"]["values"]) == 60
        assert "carrier-a" in whole.data["fragments"]["board-trunks"]

        lite.node.calls.clear()
        lite.node.away = True
        told: dict[str, str] = {}
        async with asyncio.timeout(10):
            while "value-calls" not in told:
                news = await events.next()
                told |= news.data["texts"]
                assert "board-trunks" not in news.data["fragments"]
        assert told["value-calls"] == "–"  # no node tells of calls any more
        assert "value-mos" not in told


async def test_all_readers_share_one_look_a_second(lite: House, desk: Seat) -> None:
    lite.node.calls["call_live"] = LiveCallDouble("call_live", START)
    looks = 0
    live_calls = lite.node.live_calls

    def counted() -> tuple[LiveCallDouble, ...]:
        nonlocal looks
        looks += 1
        return live_calls()

    lite.node.live_calls = counted  # type: ignore[method-assign]
    desks = [await desk(StaffRole.OPERATOR) for _ in range(5)]
    async with (
        following(lite, desks[0]) as one,
        following(lite, desks[1]) as two,
        following(lite, desks[2]),
        following(lite, desks[3]),
        following(lite, desks[4]),
    ):
        before, begun = looks, asyncio.get_running_loop().time()
        for _ in range(2):
            await asyncio.gather(one.next(comments=True), two.next(comments=True))
        passed = asyncio.get_running_loop().time() - begun
    assert looks - before <= passed + 2


async def test_an_account_has_so_many_streams_and_no_more(lite: House, desk: Seat) -> None:
    somebody = await desk(StaffRole.OPERATOR)
    async with asyncio.timeout(20):
        async with following(lite, somebody) as first:
            await first.next()
            opened = [following(lite, somebody) for _ in range(board.MOST_OF_ACCOUNT - 1)]
            for one in opened:
                await (await one.__aenter__()).next()
            assert (await somebody.get(EVENTS)).status == 503
            for one in opened:
                await one.__aexit__(None, None, None)
        other = await desk(StaffRole.OPERATOR)
        async with following(lite, other) as events:
            await events.next()
