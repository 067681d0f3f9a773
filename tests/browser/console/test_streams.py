"""Pages whose figures come by themselves: what they say and do when these no longer come."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from maskline.settings import Address
from storage import staff_sessions
from tests.support.call_centre import OWN_PASSWORD, SUPERVISOR, CallCentre
from tests.support.console_window import StaffWindow
from tests.support.http_relay import HttpRelay
from tests.support.maskline import free_tcp_port

LIVE = "#board-link[data-state=live]"
AWAY = "[data-state=lost]"


@asynccontextmanager
async def _relay(centre: CallCentre) -> AsyncIterator[HttpRelay]:
    relay = HttpRelay(Address.parse(centre.scene.stage.maskline.http), free_tcp_port())
    await relay.open()
    try:
        yield relay
    finally:
        await relay.shut()


async def _told_it_is_over(window: StaffWindow) -> None:
    await window.page.wait_for_url("**/console/sign-in?to=**")
    await window.page.get_by_text("Your session has ended.").wait_for()


async def test_a_page_says_that_its_figures_are_old_and_gets_new_ones_again(
    centre: CallCentre,
) -> None:
    async with _relay(centre) as relay:
        board, calls = [await centre.window(SUPERVISOR) for _ in range(2)]
        tries: list[float] = []
        for window, path in ((board, "/console/board"), (calls, "/console/calls")):
            window.base = relay.base
            await window.go(path)
        board.page.on(
            "request", lambda one: tries.append(time.monotonic()) if "/session" in one.url else None
        )
        await board.page.locator(LIVE).wait_for()
        await calls.page.locator("#live-link[data-state=live]").wait_for(state="attached")
        assert await board.page.locator("html[data-stale]").count() == 0

        await relay.shut()
        for window in (board, calls):
            told = window.page.locator(AWAY)
            await told.wait_for()
            assert "Not up to date since" in await told.inner_text()
            assert "{" not in await told.inner_text()
            assert await window.page.locator("html[data-stale]").count() == 1
            assert await window.faults(centre.axe, only_colours=True) == []
        await board.picture(centre.screens / "board-stale-en.png", full=False)
        await calls.picture(centre.screens / "calls-stale-en.png", full=False)

        async def tried() -> bool:
            return len(tries) >= 3

        # Each wait is half to one and a half of twice the one before: the second two, at least.
        await board.until(tried, "tried three times")
        assert tries[2] - tries[0] >= 0.5 + 1 - 0.01

        await relay.open()
        for window, live in ((board, LIVE), (calls, "#live-link[data-state=live]")):
            # A browser that has a network again says so: then nobody waits for the next try.
            await window.page.evaluate("dispatchEvent(new Event('online'))")
            await window.page.locator(live).wait_for(state="attached")
            assert await window.page.locator("html[data-stale]").count() == 0
        assert await calls.page.locator("#live-link").inner_text() == ""


async def test_a_session_that_is_ended_elsewhere_leads_to_sign_in_and_back(
    centre: CallCentre,
) -> None:
    board = await centre.room.open(locale="en-GB")
    await board.go("/console/board")
    await centre.enter(board, SUPERVISOR)
    await board.page.locator(LIVE).wait_for()

    other = await centre.room.open(locale="en-GB")
    await other.go("/console/account")
    await centre.enter(other, SUPERVISOR)
    await other.page.wait_for_url("**/console/account")
    assert await other.faults(centre.axe) == []
    ends = other.page.get_by_role("button", name="End Chrome")
    left = await ends.count()
    await ends.first.click()  # this one is not offered; of the others the board's is the latest
    await other.page.get_by_text("Ended.").wait_for()
    assert await ends.count() == left - 1

    await _told_it_is_over(board)
    await board.picture(centre.screens / "session-over-en.png")
    await board.enter(SUPERVISOR.login, OWN_PASSWORD)
    await board.page.wait_for_url("**/console/board")
    await board.page.locator(LIVE).wait_for()


async def test_a_session_that_was_not_used_too_long_ends_by_itself(centre: CallCentre) -> None:
    calls = await centre.room.open(locale="en-GB")
    await calls.go("/console/calls?outcome=missed")
    await centre.enter(calls, SUPERVISOR)
    await calls.page.locator("#live-link[data-state=live]").wait_for(state="attached")

    (token,) = (
        one["value"] for one in await calls.context.cookies() if one["name"] == "maskline_console"
    )
    half_an_hour_ago = int((time.time() - 1_801) * 1000)
    file = centre.scene.stage.maskline.data / "maskline.db"
    with closing(sqlite3.connect(file, timeout=20)) as conn, conn:
        conn.execute(
            "UPDATE staff_sessions SET seen_at = ? WHERE token_hash = ?",
            (half_an_hour_ago, staff_sessions.hashed(token)),
        )

    await _told_it_is_over(calls)
    await calls.enter(SUPERVISOR.login, OWN_PASSWORD)
    await calls.page.wait_for_url("**/console/calls?outcome=missed")
    await calls.page.locator("#calls").wait_for()
