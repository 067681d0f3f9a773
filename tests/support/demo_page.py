"""The demo page as a visitor has it: a window of real Chromium with four phones in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Locator, Page

from maskline.demo.spec import PATIENCE_S

Phone = Literal["app-buyer", "mobile-buyer", "app-seller", "mobile-seller"]
PHONES: tuple[Phone, ...] = ("app-buyer", "mobile-buyer", "app-seller", "mobile-seller")
WIDE, NARROW = (1280, 900), (390, 844)

# For each text on the page: its contrast with what is behind it, where that is one plain colour.
_CONTRASTS = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const texts = [...one.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    if (!texts.length || one.closest("svg") || one.closest("[disabled]")) continue;
    const box = one.getBoundingClientRect();
    if (!box.width || getComputedStyle(one).visibility === "hidden") continue;
    let behind = null;
    for (let up = one; up && behind === null; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.backgroundImage !== "none") behind = undefined;
      else if ((rgb(style.backgroundColor)[3] ?? 1) === 1) behind = rgb(style.backgroundColor);
    }
    if (!behind) continue;
    const style = getComputedStyle(one);
    const [a, b] = [light(rgb(style.color)), light(behind)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const large = size >= 24 || (bold && size >= 18.66);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push([one.textContent.trim().slice(0, 40), ratio]);
  }
  return found;
}"""


@dataclass
class DemoWindow:
    """One window."""

    page: Page
    context: BrowserContext
    pictures: Path
    frames: dict[str, list[str]] = field(default_factory=dict)  # received, by WebSocket URL
    addresses: set[str] = field(default_factory=set)  # hosts that were asked for anything
    errors: list[str] = field(default_factory=list)

    @classmethod
    async def open(
        cls,
        browser: Browser,
        url: str,
        pictures: Path,
        *,
        lang: str = "en",
        theme: Literal["light", "dark"] = "light",
        size: tuple[int, int] = WIDE,
    ) -> DemoWindow:
        """A new visitor with a microphone."""
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            permissions=["microphone"],
        )
        page = await context.new_page()
        window = cls(page, context, pictures)
        page.on("pageerror", lambda error: window.errors.append(str(error)))
        page.on("console", lambda said: _note(window.errors, said.type, said.text))
        page.on("request", lambda request: window.addresses.add(_host(request.url)))
        page.on("websocket", window._listen)
        await page.goto(f"{url}?lang={lang}")
        return window

    def _listen(self, socket: Any) -> None:  # noqa: ANN401 (Playwright's WebSocket)
        self.addresses.add(_host(socket.url))
        kept = self.frames.setdefault(socket.url, [])
        socket.on("framereceived", lambda frame: kept.append(str(frame)))

    @property
    def heard_from_maskline(self) -> str:
        """All that reached the two apps over SIP; the mobiles are the carrier's business."""
        texts = ["".join(frames) for frames in self.frames.values()]
        return "".join(text for text in texts if 'realm="maskline"' in text)

    async def close(self) -> None:
        """The visitor leaves."""
        await self.context.close()

    # -- what one sees ---------------------------------------------------------------------------

    def phone(self, phone: Phone) -> Locator:
        """One of the four."""
        return self.page.locator(f"[data-phone={phone}]")

    async def states(self) -> dict[Phone, str]:
        """What each phone is doing."""
        return {one: await self.phone(one).get_attribute("data-state") or "" for one in PHONES}

    async def story(self) -> str:
        """The sentence that tells what is going on."""
        return await self.page.locator("#story").inner_text()

    async def until(
        self, good: Callable[[], Awaitable[bool]], what: str, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until it is `good`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await good():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.picture("failed")
            raise AssertionError(
                f"not {what} within {timeout_s} s: {await self.states()}, {await self.story()!r},"
                f" {self.errors}"
            ) from None

    async def wait(self, phone: Phone, state: str, timeout_s: float = PATIENCE_S) -> None:
        """Until `phone` is in `state`."""

        async def good() -> bool:
            return await self.phone(phone).get_attribute("data-state") == state

        await self.until(good, f"{phone} {state}", timeout_s)

    async def ready(self) -> None:
        """Until all four phones are in their networks."""
        await self.until(self._is_ready, "ready")
        for one in PHONES:
            await self.wait(one, "on")

    async def _is_ready(self) -> bool:
        return await self.page.locator("body").get_attribute("data-status") == "ready"

    async def _session(self) -> str | None:
        return await self.page.locator("body").get_attribute("data-session")

    async def hears(self, phone: Phone, ms: int = 400, timeout_s: float = PATIENCE_S) -> None:
        """Until `phone` has heard `ms` more of what the other side says."""
        begun = await self._heard(phone)

        async def good() -> bool:
            return await self._heard(phone) - begun >= ms

        await self.until(good, f"hearing at {phone}", timeout_s)

    async def _heard(self, phone: Phone) -> int:
        return int(await self.phone(phone).get_attribute("data-heard-ms") or 0)

    async def events(self, where: Literal["history", "log"]) -> list[str]:
        """The outcomes of the calls that stand there, as they stand there."""
        found = self.page.locator(f"#{where} [data-outcome]")
        shown: list[str] = await found.evaluate_all("all => all.map(one => one.dataset.outcome)")
        return shown

    async def recorded(self, where: Literal["history", "log"], *outcomes: str) -> None:
        """Until exactly these calls stand there."""

        async def good() -> bool:
            return await self.events(where) == list(outcomes)

        await self.until(good, f"{where} {outcomes}")

    async def picture(self, name: str, *, full: bool = False) -> None:
        """A screenshot into the build folder."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        path = self.pictures / f"{name}.png"
        await self.page.screenshot(path=path, full_page=full, animations="disabled")

    async def fits(self) -> bool:
        """Nothing has to be scrolled sideways."""
        wide = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return int(wide) <= 0

    async def faint(self) -> list[Any]:
        """Texts whose contrast is below WCAG 2.2 AA (1.4.3)."""
        found: list[Any] = await self.page.evaluate(_CONTRASTS)
        return found

    # -- what one does ---------------------------------------------------------------------------

    async def press(self, phone: Phone, act: str) -> None:
        """A button of a phone."""
        await self.phone(phone).locator(f"[data-act={act}]").first.click()

    async def call(self) -> None:
        """The listing's button."""
        await self.page.locator("#call").click()

    async def flip(self, switch: str) -> None:
        """One of the switches."""
        await self.page.locator(f"[data-act=switch-{switch}]").click()

    async def again(self) -> None:
        """Start over: a new conversation, all switches off."""
        before = await self._session()

        async def fresh() -> bool:
            return await self._session() != before

        await self.page.locator("[data-act=again]").click()
        await self.until(fresh, "begun anew")
        await self.recorded("history")
        await self.ready()


def _host(url: str) -> str:
    return url.split("://", 1)[-1].split("/", 1)[0].rsplit(":", 1)[0]


def _note(errors: list[str], kind: str, text: str) -> None:
    if kind == "error":
        errors.append(text)
