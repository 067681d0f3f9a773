"""A day without a mouse: every place is reached, seen when it is stood on, and led back to."""

from __future__ import annotations

from typing import Any

from tests.support.call_centre import ADMIN, AGENT, SUPERVISOR, CallCentre
from tests.support.console_steps import REASON
from tests.support.console_window import NARROW, StaffWindow

# What is stood on: who it is, whether it has a ring, and what of it is in sight and not covered.
_STOOD_ON = """() => {
  const here = document.activeElement;
  if (here === null || here === document.body) return null;
  const place = here.getBoundingClientRect();
  const seen = (x, y) => {
    const top = document.elementFromPoint(x, y);
    return top !== null && (here.contains(top) || top.contains(here));
  };
  const step = (least, most, n) => Math.max(least, 0) + (most - Math.max(least, 0)) * n / 4;
  const right = Math.min(place.right, innerWidth), bottom = Math.min(place.bottom, innerHeight);
  const points = [1, 2, 3].flatMap((n) => [1, 2, 3].map((m) =>
    seen(step(place.left, right, n), step(place.top, bottom, m))));
  return {
    what: here.outerHTML.slice(0, 120),
    key: [...document.querySelectorAll("*")].indexOf(here),
    ring: getComputedStyle(here).outlineStyle !== "none",
    seen: points.some(Boolean),
  };
}"""
_STEPS = 250  # more than any page has places


async def test_calls_are_found_and_read(centre: CallCentre) -> None:
    window = await centre.window(AGENT)
    page = window.page
    await window.go("/console/calls")

    await page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert await _stands_on(window, ".skip")
    box = await skip.bounding_box()
    assert box is not None
    assert box["y"] >= 0, "it is seen once it is stood on"
    await page.keyboard.press("Enter")
    assert await _stands_on(window, "#main")

    await page.keyboard.press("f")
    assert await page.locator(".pop[open] .filters").count() == 1
    assert await _stands_on(window, ".filters select[name=period]")
    await page.keyboard.press("j")
    assert await _stands_on(window, ".filters select[name=period]"), "whoever types is left alone"
    await page.keyboard.press("Escape")
    assert await page.locator(".pop[open]").count() == 0
    assert await _stands_on(window, "summary[data-key=f]")

    await page.keyboard.press("/")
    assert await _stands_on(window, "#find")
    await page.keyboard.type("?j/")
    assert await page.locator("#find").input_value() == "?j/"

    await page.locator("h1").click()
    for key in "jjjk":
        await page.keyboard.press(key)
    assert await _stands_on(window, "#calls tbody tr:nth-child(2) th a")
    await page.keyboard.press("?")
    await page.locator("#keys[open]").wait_for()
    assert await _stands_on(window, "#keys button")
    await page.keyboard.press("Escape")
    assert await page.locator("#keys[open]").count() == 0
    assert await _stands_on(window, "#calls tbody tr:nth-child(2) th a")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/calls/cal_*")


async def test_a_number_is_revealed_and_a_recording_played(centre: CallCentre) -> None:
    window = await centre.window(SUPERVISOR)
    page = window.page
    await window.go(f"/console/calls/{centre.scene.call_id('recorded')}")

    summary = ".call-side.callee .reveal summary"
    await page.locator(summary).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await _stands_on(window, ".reveal[open] input[name=reason]")
    await page.keyboard.press("Escape")
    assert await page.locator(".reveal[open]").count() == 0
    assert await _stands_on(window, summary)
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type(REASON)
    await page.keyboard.press("Enter")
    await page.locator("[data-revealed]").wait_for()
    await window.until(lambda: _stands_on(window, "[data-revealed]"), "led to what was revealed")

    await page.locator("#play input[name=reason]").focus()
    await page.keyboard.type(REASON)
    await page.keyboard.press("Enter")
    await page.locator("[data-player][data-ready]").wait_for()
    await window.until(lambda: _stands_on(window, "audio"), "led to the player")


async def test_dialogs_and_the_menu_give_the_place_back(centre: CallCentre) -> None:
    window = await centre.window(ADMIN, size=NARROW)
    page = window.page
    await window.go("/console/accounts")

    button = "[data-opens=new-account]"
    await page.locator(button).focus()
    await page.keyboard.press("Enter")
    await page.locator("#new-account[open]").wait_for()
    assert await _stands_on(window, "#new-account input[name=login]")
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate(
            "document.activeElement === document.body || "
            "document.activeElement.closest('#new-account') !== null"
        ), "behind it nothing is reached"
    await page.keyboard.press("Escape")
    assert await page.locator("#new-account[open]").count() == 0
    assert await _stands_on(window, button)

    await page.locator(".menu > summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await _stands_on(window, ".menu nav a")
    await page.keyboard.press("Escape")
    assert await page.locator(".menu[open]").count() == 0
    assert await _stands_on(window, ".menu > summary")


async def test_whatever_is_stood_on_is_seen(centre: CallCentre) -> None:
    """WCAG 2.2, 2.4.7 and 2.4.11, on a phone's width, where a header stays at the top."""
    window = await centre.window(SUPERVISOR, size=NARROW)
    wrong: list[str] = []
    for address, fewest in (
        ("/console/calls", 30),
        (f"/console/calls/{centre.scene.call_id('recorded')}", 40),
    ):
        await window.go(address)
        stood = await _walk(window)
        assert len({one["key"] for one in stood}) >= fewest, f"{address}: {len(stood)}"
        wrong += [f"{address}: {one}" for one in stood if not (one["ring"] and one["seen"])]
    # And back again: what is above is not behind the header.
    wrong += [f"back: {one}" for one in await _walk(window, "Shift+Tab") if not one["seen"]]
    assert wrong == []


async def _stands_on(window: StaffWindow, selector: str) -> bool:
    return bool(
        await window.page.evaluate("(what) => document.activeElement?.matches(what)", selector)
    )


async def _walk(window: StaffWindow, key: str = "Tab") -> list[dict[str, Any]]:
    """Everything that is stood on from where one is to the end of the page."""
    found: list[dict[str, Any]] = []
    for _ in range(_STEPS):
        await window.page.keyboard.press(key)
        here = await window.page.evaluate(_STOOD_ON)
        if here is None:
            return found
        found.append(here)
    raise AssertionError(f"no end after {_STEPS} steps")
