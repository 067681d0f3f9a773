"""The demo page: its minute, as a visitor has it, in real Chromium through two real Asterisks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Locator

from tests.support.app_scene import AppScene
from tests.support.demo_page import NARROW, WIDE, DemoWindow
from tests.support.maskline import Maskline
from tests.support.web_app import TONES, WebApps

PHONES = ("79161234501", "79267654301")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(
    tmp_path_factory: pytest.TempPathFactory, web_apps: WebApps
) -> AsyncIterator[Maskline]:
    """A Maskline with its demo."""
    maskline = Maskline(tmp_path_factory.mktemp("demo") / "data", flags=("--demo",))
    await maskline.start()
    try:
        assert maskline.process is not None
        assert maskline.process.stdout is not None
        line = await maskline.process.stdout.readline()
        assert line.decode().strip() == f"Demo page: http://{maskline.http}/demo", maskline.log
        yield maskline
        assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def window(demo: Maskline, web_apps: WebApps) -> AsyncIterator[DemoWindow]:
    """A visitor, at the beginning. Nothing fails on the page; no app learns a phone number."""
    opened = await _open(demo, web_apps)
    try:
        await opened.ready()
        await opened.again()
        yield opened
        assert opened.errors == []
        heard = opened.heard_from_maskline
        assert "X-Maskline-Card" in heard or "SIP/2.0 200" in heard
        assert not any(phone in heard for phone in PHONES)
        assert opened.addresses == {"127.0.0.1"}
    finally:
        await opened.close()


async def _open(
    demo: Maskline,
    web_apps: WebApps,
    *,
    lang: str = "en",
    theme: Literal["light", "dark"] = "light",
    size: tuple[int, int] = WIDE,
) -> DemoWindow:
    url = f"http://{demo.http}/demo"
    browser = await web_apps._browser(TONES[0])
    folder = (web_apps.artefacts or Path("build")) / "demo"
    return await DemoWindow.open(browser, url, folder, lang=lang, theme=theme, size=size)


@pytest.mark.parametrize(
    ("lang", "theme", "size"),
    [("en", "light", WIDE), ("ru", "dark", WIDE), ("ru", "light", NARROW)],
)
async def test_the_minute(
    demo: Maskline,
    web_apps: WebApps,
    lang: str,
    theme: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    window = await _open(demo, web_apps, lang=lang, theme=theme, size=size)
    name = f"{lang}-{theme}-{size[0]}"
    try:
        await window.ready()
        await window.again()
        assert await window.fits()
        assert await window.faint() == []
        await window.picture(f"{name}-1-idle", full=size == NARROW)

        await window.call()
        await window.wait("app-seller", "incoming")
        shown = await window.phone("app-seller").inner_text()
        assert ("Анна" if lang == "ru" else "Anna") in shown
        assert "Lada Vesta 2019" in shown
        assert not re.search(r"\d{6}", shown.replace(" ", "")), "no number"
        await window.picture(f"{name}-2-rings", full=size == NARROW)

        await window.press("app-seller", "answer")
        await window.hears("app-seller")
        await window.hears("app-buyer")
        assert await window.faint() == []
        assert await window.fits()
        await window.picture(f"{name}-3-talk", full=size == NARROW)

        await window.press("app-buyer", "hang-up")
        await window.recorded("history", "answered")
        await window.recorded("log", "answered")
        await window.picture(f"{name}-4-over", full=True)
        assert window.errors == []
    finally:
        await window.close()


async def test_offline_the_phone_rings_and_the_missed_call_waits_in_the_log(
    window: DemoWindow,
) -> None:
    await window.flip("offline")
    await window.wait("app-seller", "off")

    await window.call()
    await window.wait("mobile-seller", "incoming")
    shown = await window.phone("mobile-seller").inner_text()
    assert "+7 495 111-99-" in shown, "a number of ours"
    await window.picture("offline-rings")
    await window.press("app-buyer", "hang-up")
    await window.recorded("history", "missed")
    await window.recorded("log", "missed")

    await window.flip("offline")
    await window.wait("app-seller", "on")
    await window.phone("app-seller").locator(".mini.call").first.click()
    await window.wait("app-buyer", "incoming")
    await window.press("app-buyer", "answer")
    await window.hears("app-seller")
    await window.press("app-seller", "hang-up")
    await window.recorded("history", "missed", "answered")


async def test_a_closed_app_is_woken(window: DemoWindow) -> None:
    await window.press("app-seller", "app-power")
    await window.wait("app-seller", "asleep")

    await window.call()
    await window.wait("app-seller", "incoming")
    await window.press("app-seller", "decline")

    await window.wait("app-buyer", "on")
    await window.recorded("history", "declined")
    assert (await window.states())["mobile-seller"] == "on"


async def test_a_company_is_called_by_phone(window: DemoWindow) -> None:
    await window.flip("company")

    await window.call()
    await window.wait("mobile-seller", "incoming")
    await window.press("mobile-seller", "green")
    await window.hears("mobile-seller")
    await window.hears("app-buyer")

    assert (await window.states())["app-seller"] == "on", "it was left alone"
    await window.press("mobile-seller", "red")
    await window.recorded("history", "answered")


async def test_on_a_poor_network_the_phone_is_proposed(window: DemoWindow) -> None:
    await window.flip("poor")

    await window.call()
    by_phone = window.phone("app-buyer").locator("[data-act=by-phone]")
    await window.until(by_phone.is_visible, "advised")
    await window.picture("poor-advice")
    await by_phone.click()
    await window.wait("app-seller", "incoming")
    await window.press("app-seller", "answer")
    await window.hears("mobile-buyer")

    await window.press("mobile-buyer", "red")
    await window.recorded("history", "answered")


async def test_a_call_that_gets_poor_goes_on_over_the_mobile_network(window: DemoWindow) -> None:
    await window.call()
    await window.wait("app-seller", "incoming")
    await window.press("app-seller", "answer")
    await window.hears("app-buyer")
    await window.flip("poor")

    offer = window.phone("app-buyer").locator("[data-act=accept-offer]")
    await window.until(offer.is_visible, "offered", 45)
    await window.picture("poor-offered")
    await offer.click()
    await window.wait("mobile-buyer", "incoming")
    await window.press("mobile-buyer", "green")
    await window.wait("mobile-buyer", "up")
    await window.wait("app-buyer", "on")
    await window.hears("mobile-buyer")
    await window.hears("app-seller")
    await window.picture("poor-moved")

    await window.press("mobile-buyer", "red")
    await window.wait("app-seller", "on")
    await window.recorded("history", "answered")


async def test_it_is_worked_by_keyboard(window: DemoWindow) -> None:
    await window.page.locator("#call").focus()
    await window.page.keyboard.press("Enter")
    await window.wait("app-seller", "incoming")
    answer = window.phone("app-seller").locator("[data-act=answer]")
    await answer.focus()
    await window.page.keyboard.press("Enter")
    await window.hears("app-seller")

    # The focus has stayed on that phone, on what one would press next.
    focused = await window.page.evaluate("document.activeElement.dataset.act")
    assert focused == "hang-up"
    await window.page.keyboard.press("Enter")
    await window.recorded("history", "answered")


async def test_the_visitor_may_speak(window: DemoWindow) -> None:
    speak = window.page.locator("[data-act=speak]")
    await speak.click()
    await window.until(lambda: _pressed(speak), "speaking")

    await window.call()
    await window.wait("app-seller", "incoming")
    await window.press("app-seller", "answer")
    await window.hears("app-seller", 1500)

    await window.press("app-seller", "hang-up")
    await window.recorded("history", "answered")


async def _pressed(button: Locator) -> bool:
    return await button.get_attribute("aria-pressed") == "true"


async def test_a_second_window_takes_the_phones(
    demo: Maskline, web_apps: WebApps, window: DemoWindow
) -> None:
    second = await _open(demo, web_apps)
    try:
        await second.ready()
        use_here = window.page.locator("[data-act=use-here]")
        await window.until(use_here.is_visible, "told")
    finally:
        await second.close()
    await use_here.click()
    await window.ready()


async def test_it_is_served_to_itself_alone(demo: Maskline) -> None:
    base = f"http://{demo.http}/demo"
    async with aiohttp.ClientSession() as http:
        async with http.get(base) as page:
            policy = page.headers["Content-Security-Policy"]
        assert page.status == 200
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "*" not in policy
        foreign = {"Origin": "http://elsewhere.example"}
        renamed = {"Host": "elsewhere.example"}
        for headers in (foreign, renamed):
            asked = http.post(f"{base}/ask/credentials", json={"role": "buyer"}, headers=headers)
            async with asked as answer:
                assert answer.status == 403
        for door in ("push", "events"):
            async with http.post(f"{base}/hooks/{door}", json={}) as answer:
                assert answer.status == 401, "unsigned"


async def test_without_the_flag_there_is_no_demo(house: AppScene) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://{house.maskline.http}/demo") as answer,
    ):
        assert answer.status == 404
