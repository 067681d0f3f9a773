"""What a page shows only once somebody did something: each step is looked at as the page was.

Dialogs and sheets that are open, words beside a field that is wrong, what was found, revealed,
heard. Steps of a page are done one after another in the same window.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Page

from tests.support.console_window import NARROW, Way

REASON: Final = "a supervisor looks at this very page"


@dataclass(frozen=True)
class Step:
    """One thing done on a page."""

    name: str  # of its picture, after the page's
    does: Callable[[Page], Awaitable[None]]
    within: str = "main"  # where what is new is, for axe
    ways: tuple[Way, ...] | None = None  # in which it is looked at; None: as other pages are


def _opens(summary: str, shown: str) -> Callable[[Page], Awaitable[None]]:
    """A click opens something."""

    async def does(page: Page) -> None:
        await page.locator(summary).first.click()
        await page.locator(shown).first.wait_for()

    return does


def _sheet(action: str) -> Callable[[Page], Awaitable[None]]:
    """One of the sheets above the list of calls."""
    form = f"form[action='{action}']"
    return _opens(f"details.pop:has({form}) > summary", f"details.pop[open] {form}")


async def _wrong(page: Page) -> None:
    form = page.locator("form.filters")
    await form.locator("input[name=session_id]").fill("not a session")
    await form.locator("input[name=cause]").fill("hung up")
    await form.locator("input[name=mos_min]").fill("good")
    await form.locator("button").last.click()
    await page.locator("form.filters .wrong [aria-invalid=true]").first.wait_for()


async def _exported(page: Page) -> None:
    form = page.locator("form[action='/console/exports']")
    await form.locator("input[name=reason]").fill(REASON)
    await form.locator("button").click()
    await page.locator("table.exports a[href$='/file']").first.wait_for()


async def _keys(page: Page) -> None:
    await page.keyboard.press("Escape")
    await page.locator("h1").click()
    await page.keyboard.press("?")
    await page.locator("#keys[open]").wait_for()


async def _menu(page: Page) -> None:
    await page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    await page.locator(".menu > summary").click()
    await page.locator(".menu nav a").first.wait_for()


async def _found(page: Page) -> None:
    await page.locator("main form button").first.click()
    await page.locator("main table tbody tr").first.wait_for()


async def _inspected(page: Page, number: str, caller: str) -> None:
    await page.locator("input[name=number]").fill(number)
    await page.locator("input[name=caller]").fill(caller)
    await page.locator("main form button").first.click()
    await page.locator("#look-finding .look-why li").first.wait_for()


async def _plays(page: Page) -> None:
    await page.locator("#play input[name=reason]").fill(REASON)
    await page.locator("#play button").click()
    await page.locator("[data-player][data-ready]").wait_for()
    await page.locator(".call-wave svg").nth(1).wait_for()


async def _alarm(page: Page) -> None:
    """Somebody holds most of a small pool: that is told after ten seconds."""
    await page.locator("[data-alarm]").first.wait_for()


async def _printed(page: Page) -> None:
    await page.emulate_media(media="print")


def steps(number: str, caller: str) -> Mapping[str, tuple[Step, ...]]:
    """By the name of the page; `caller` would reach somebody by dialling `number`."""
    inspected = functools.partial(_inspected, number=number, caller=caller)
    return {
        "calls": (
            Step("filter", _opens("summary[data-key=f]", ".pop[open] fieldset"), ".pop[open]"),
            Step("wrong", _wrong),
            Step("columns", _sheet("/console/columns"), ".pop[open]"),
            Step("views", _sheet("/console/views"), ".pop[open]"),
            Step("export", _sheet("/console/exports"), ".pop[open]"),
            Step("exported", _exported),
        ),
        "exports": (
            Step("keys", _keys, "#keys"),
            Step("menu", _escaped(_menu), ".side", (("light", NARROW), ("dark", NARROW))),
        ),
        "call-story": (
            Step("reveal", _opens(".call-side.callee .reveal > summary", ".reveal[open] form")),
            Step("complaint", _opens("#complaints summary", "#complaints details[open] form")),
            Step("printed", _printed, "#text"),
        ),
        "call-recorded": (
            Step("plays", _plays, "#recording"),
            Step("message", _opens("#sip .sip-message > summary", "#sip pre"), "#sip"),
        ),
        "board": (
            Step("alarm", _alarm, "#board-alarms"),
            Step("term", _opens(".tiles .what", ".what-is:popover-open"), ".what-is:popover-open"),
        ),
        "accounts": (Step("new", _opens("[data-opens]", "dialog[open]"), "dialog[open]"),),
        "account-of": (Step("remove", _opens("main details > summary", "main details[open]")),),
        "inspect": (Step("found", inspected, "#look-finding"),),
        "sip": (Step("found", _found),),
        "webhook": (Step("tries", _opens(".look-tries summary", ".look-tries[open] li")),),
        "audit": (Step("export", _opens("details.card > summary", "details.card[open] form")),),
    }


def _escaped(does: Callable[[Page], Awaitable[None]]) -> Callable[[Page], Awaitable[None]]:
    """After what is open was closed."""

    async def both(page: Page) -> None:
        await page.keyboard.press("Escape")
        await does(page)

    return both
