# ruff: noqa: ANN401 (what a page answers is JSON)
"""A window of real Chromium in which a member of the staff works with the console.

It keeps every byte that it was served, every line of its console and every request it made, to be
searched for phones; and it sees whatever of a planted text became markup or ran.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Response,
    async_playwright,
)

from maskline.demo.spec import PATIENCE_S
from tests.support.web_app import chromium

Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
WIDE, NARROW = (1280, 900), (390, 844)
Way = tuple[Theme, tuple[int, int]]
WAYS: Final[tuple[Way, ...]] = tuple(itertools.product(THEMES, (WIDE, NARROW)))
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Runs before a page's own scripts: what planted texts would call, and what a policy stopped.
_WATCH: Final = """
window.planted = () => console.error("planted: it ran");
document.addEventListener("securitypolicyviolation", (one) =>
  console.error("policy: " + one.violatedDirective + " " + one.blockedURI));
"""
_WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_STREAM: Final = "text/event-stream"


@dataclass
class StaffWindow:
    """One tab of one member of the staff; made by `Staffroom.open`."""

    page: Page
    context: BrowserContext
    base: str  # http://host:port
    served: list[tuple[str, bytes]] = field(default_factory=list)  # address, head and body
    streamed: list[str] = field(default_factory=list)  # of server-sent events
    asked: list[str] = field(default_factory=list)  # addresses
    said: list[str] = field(default_factory=list)  # in the browser's console
    errors: list[str] = field(default_factory=list)
    _reading: set[asyncio.Task[None]] = field(default_factory=set)

    async def begin(self) -> None:
        """Keep what happens from now on."""
        await self.context.add_init_script(_WATCH)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("response", self._keep)
        wire = await self.context.new_cdp_session(self.page)
        await wire.send("Network.enable")
        wire.on("Network.eventSourceMessageReceived", self._follow)

    def _follow(self, event: dict[str, Any]) -> None:
        self.streamed.append(str(event["data"]))

    def _hear(self, line: ConsoleMessage) -> None:
        self.said.append(line.text)
        # A refusal that a test asks for is a line there as well: the test sees it by itself.
        if line.type == "error" and "Failed to load resource" not in line.text:
            self.errors.append(line.text)

    def _keep(self, response: Response) -> None:
        task = asyncio.create_task(self._read(response))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, response: Response) -> None:
        head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
        body = b""
        if not response.headers.get("content-type", "").startswith(_STREAM):
            with contextlib.suppress(Error):  # a redirect has none, and a page may be left
                body = await response.body()
        self.served.append((response.url, f"{response.status}\n{head}\n\n".encode() + body))

    async def settled(self) -> None:
        """Everything that was answered has been read."""
        if self._reading:
            await asyncio.wait(self._reading, timeout=PATIENCE_S)

    async def leave(self) -> None:
        """Close it; what it kept stays."""
        await self.settled()
        await self.context.close()

    async def keep(self, folder: Path, name: str) -> None:
        """What a failed test saw."""
        with contextlib.suppress(Error):  # the page may be what broke
            await self.picture(folder / f"{name}.png")
            (folder / f"{name}.html").write_text(await self.page.content())

    # -- what one does ---------------------------------------------------------------------------

    async def go(self, path: str) -> Response:
        """Open a page by its address."""
        # A page with a stream is never idle; it is there when it is read.
        response = await self.page.goto(self.base + path, wait_until="load")
        assert response is not None
        return response

    async def enter(self, login: str, password: str) -> None:
        """What the page of the way in asks for."""
        await self.page.locator("input[name=login]").fill(login)
        await self.page.locator("input[name=password]").fill(password)
        await self.page.locator("main form button").first.click()

    async def refused(self, login: str, password: str, status: int) -> None:
        """The same, and stay outside."""
        async with self.page.expect_navigation() as moved:
            await self.enter(login, password)
        assert (await moved.value).status == status
        await self.page.locator("#refused").wait_for()

    async def code(self, code: str) -> None:
        """The second factor."""
        await self.page.locator("input[name=code]").fill(code)
        await self.page.locator("main form button").first.click()

    async def own_password(self, password: str) -> None:
        """In place of the one that was given."""
        await self.page.locator("input[name=password]").fill(password)
        await self.page.locator("input[name=again]").fill(password)
        await self.page.locator("main form button").first.click()

    async def until(
        self, good: Callable[[], Awaitable[bool]], what: str, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until it is `good`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await good():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = await self.page.locator("body").inner_text()
            raise AssertionError(f"not {what} within {timeout_s} s: {text[:2000]}") from None

    # -- what is seen ----------------------------------------------------------------------------

    async def text(self) -> str:
        """Of the page's main part, as it is shown."""
        return await self.page.locator("main").inner_text()

    async def fits(self) -> bool:
        """Nothing has to be scrolled sideways, but tables in boxes of their own."""
        wide = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return int(wide) <= 0

    async def planted(self) -> list[str]:
        """What of a planted text became part of the page, or ran, or was asked for."""
        elements = await self.page.evaluate(
            "[...document.querySelectorAll('[data-planted]')].map((one) => one.outerHTML)"
        )
        asked = [url for url in self.asked if "/planted" in url]
        ran = [line for line in self.said if line.startswith(("planted", "policy"))]
        return [*elements, *asked, *ran]

    async def faults(
        self, axe: str, *, only_colours: bool = False, within: str | None = None
    ) -> list[str]:
        """What axe-core finds against WCAG 2.2 A and AA, one line each."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(axe)
        rules = ["color-contrast", "link-in-text-block"] if only_colours else list(_WCAG)
        found: Any = await self.page.evaluate(
            """async ([only, within]) => (await axe.run(within ?? document, {
              runOnly: only, resultTypes: ["violations"],
            })).violations.flatMap((rule) => rule.nodes.map((node) =>
              `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`))""",
            [{"type": "rule" if only_colours else "tag", "values": rules}, within],
        )
        return list(found)

    async def look(self, *, theme: Theme, size: tuple[int, int]) -> None:
        """The same page in another theme and size."""
        await self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await self.page.set_viewport_size({"width": size[0], "height": size[1]})

    async def pictures(self, folder: Path, name: str, ways: Collection[Way] = WAYS) -> list[str]:
        """The page in each of `ways`; in which of them it is wider than the window."""
        wrong: list[str] = []
        for theme, size in ways:
            await self.look(theme=theme, size=size)
            await self.picture(folder / f"{name}-{theme}-{size[0]}.png")
            if not await self.fits():
                wrong.append(f"{name}, {theme}, {size[0]}: wider than the window")
        return wrong

    async def barriers(self, axe: str, themes: Collection[Theme] = THEMES) -> list[str]:
        """What axe-core finds in either theme; in the dark one only colours can differ."""
        wrong: list[str] = []
        for theme in themes:
            await self.look(theme=theme, size=WIDE)
            found = await self.faults(axe, only_colours=theme == "dark")
            wrong += [f"{theme}: {one}" for one in found]
        return wrong

    async def picture(self, path: Path, *, full: bool = True) -> None:
        """A screenshot."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=path, full_page=full, animations="disabled")


@dataclass
class Staffroom:
    """One browser for everybody; each window is somebody's own."""

    browser: Browser
    base: str
    windows: list[StaffWindow] = field(default_factory=list)

    async def open(
        self, *, theme: Theme = "light", size: tuple[int, int] = WIDE, **more: Any
    ) -> StaffWindow:
        """A new window, in which nobody is signed in."""
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            reduced_motion="reduce",
            **more,
        )
        window = StaffWindow(await context.new_page(), context, self.base)
        window.page.set_default_timeout(PATIENCE_S / 2 * 1000)
        await window.begin()
        self.windows.append(window)
        return window

    async def close(self) -> None:
        """All windows; what they kept stays."""
        for window in self.windows:
            await window.leave()


@asynccontextmanager
async def staffroom(base: str) -> AsyncIterator[Staffroom]:
    """Debian's Chromium, for as long as it is needed."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=[*_FLAGS])
        try:
            yield Staffroom(browser, base)
        finally:
            await browser.close()
