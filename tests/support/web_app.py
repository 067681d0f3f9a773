# ruff: noqa: ANN401 (what a page answers is JSON)
"""Web apps in real, headless Chromium: pages with the softphone in them, each a device of a user.

A page's microphone plays a tone from a file, and its ear hears tones: so sound is checked, not
packets. Everything that reached a page is kept, to be searched for what it must not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import shutil
import struct
import wave
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    WebSocket,
    async_playwright,
)

from maskline.demo.spec import PATIENCE_S
from tests.support.lossy_relay import LossyRelay

PAGE = Path(__file__).parents[1] / "browser" / "page"
TONES = (450, 700, 1000)  # Hz; those of the simulated carrier among them
_RATE = 48_000
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pages that nobody looks at would have their timers slowed down.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)

Credentials = Callable[[str], Awaitable[Mapping[str, Any]]]


def chromium() -> str | None:
    """Chromium's program; None where it is not installed."""
    return shutil.which("chromium")


@dataclass
class WebApp:
    """A page: one device of one user."""

    name: str
    page: Page
    context: BrowserContext
    tone_hz: int
    relay: LossyRelay
    frames: list[str] = field(default_factory=list)  # WebSocket, received
    sent: list[str] = field(default_factory=list)  # WebSocket, sent
    bodies: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    given: list[Mapping[str, Any]] = field(default_factory=list)  # credentials, as received
    _left: tuple[str, str] | None = None  # received and own, of a page that is closed

    @property
    def is_open(self) -> bool:
        """It has not been closed."""
        return self._left is None

    async def start(
        self,
        base_url: str,
        *,
        last_event_id: str | None = None,
        ice_policy: str = "all",
        reconnect_s: float | None = None,
    ) -> None:
        """Fetch credentials and register."""
        options = {
            "base_url": base_url,
            "tones": TONES,
            "last_event_id": last_event_id,
            "use_relay": self.relay.used,
            "ice_policy": ice_policy,
            "reconnect_s": reconnect_s,
        }
        await self.page.evaluate("options => app.start(options)", options)

    async def ready(self) -> None:
        """It is registered: it rings, and may call."""
        await self.until(lambda view: view["phone"] == "registered", "registered")

    async def stop(self) -> None:
        """Unregister, as an app that is closed in order."""
        await self.page.evaluate("app.state.phone.stop()")

    async def view(self) -> Any:
        """What its user sees."""
        return await self.page.evaluate("app.view()")

    async def until(
        self, good: Callable[[Any], bool], what: str, timeout_s: float = PATIENCE_S
    ) -> Any:
        """The view, as soon as it is `good`."""
        view: Any = None
        try:
            async with asyncio.timeout(timeout_s):
                while not good(view := await self.view()):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            shown = json.dumps(view, ensure_ascii=False)
            raise AssertionError(
                f"{self.name} is not {what} within {timeout_s} s: {shown}"
            ) from None
        return view

    async def call(self, session_id: str) -> None:
        """Call the other participant."""
        await self.page.evaluate("id => app.call(id)", session_id)

    async def rings(self, timeout_s: float = PATIENCE_S) -> Any:
        """The card of the call that comes in."""
        view = await self.until(
            lambda view: (
                view["call"] is not None
                and view["call"]["direction"] == "in"
                and view["call"]["state"] == "ringing"
            ),
            "rung",
            timeout_s,
        )
        return view["call"]["card"]

    async def answer(self) -> None:
        """Take it."""
        await self.page.evaluate("app.state.call.answer()")

    async def decline(self) -> None:
        """Refuse it."""
        await self.page.evaluate("app.state.call.decline()")

    async def hang_up(self) -> None:
        """End it."""
        await self.page.evaluate("app.state.call.hangUp()")

    async def preflight(self, session_id: str) -> Any:
        """Measure, and ask which way."""
        return await self.page.evaluate("id => app.preflight(id)", session_id)

    async def hand_over(self, to: str) -> None:
        """Move this side of the call."""
        await self.page.evaluate("to => app.handOver(to)", to)

    async def up(self, timeout_s: float = PATIENCE_S) -> None:
        """The call is up."""
        await self._in_state("up", timeout_s)

    async def ringing(self, timeout_s: float = PATIENCE_S) -> None:
        """The other side rings."""
        await self._in_state("ringing", timeout_s)

    async def ended(self, timeout_s: float = PATIENCE_S) -> str:
        """Why the call ended, once it has."""
        view = await self._in_state("ended", timeout_s)
        reason: str = view["call"]["reason"]
        return reason

    async def _in_state(self, state: str, timeout_s: float) -> Any:
        return await self.until(
            lambda view: view["call"] is not None and view["call"]["state"] == state,
            f"in a call that is {state}",
            timeout_s,
        )

    async def heard(self) -> Any:
        """Tones of the present call: `tone_ms` by Hz, `gaps_ms` between them."""
        return await self.page.evaluate("app.heard()")

    async def ways(self) -> list[Any]:
        """The ways that its media take, as ICE found them: `local` and `remote` candidates."""
        found: list[Any] = await self.page.evaluate("app.ways()")
        return found

    async def gather(self, ice_servers: list[Any]) -> Any:
        """What these relays give: `candidates`, and the `errors` of those that refuse."""
        return await self.page.evaluate("servers => app.gather(servers)", ice_servers)

    async def hear(self, hz: int, ms: int = 400, timeout_s: float = PATIENCE_S) -> None:
        """`ms` more of the tone `hz` arrive."""
        heard: Any = await self.heard()
        wanted = heard["tone_ms"].get(str(hz), 0) + ms
        try:
            async with asyncio.timeout(timeout_s):
                while (heard := await self.heard())["tone_ms"].get(str(hz), 0) < wanted:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.name} did not hear {hz} Hz: {heard}") from None

    async def falls_silent(self, ms: int = 400, timeout_s: float = PATIENCE_S) -> None:
        """No tone for `ms`."""
        heard: Any = None
        try:
            async with asyncio.timeout(timeout_s):
                while (heard := await self.heard())["silent_ms"] < ms:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.name} still hears {heard}") from None

    async def received(self) -> str:
        """Everything that ever reached the page."""
        if self._left is not None:
            return self._left[0]
        kept = await self.page.evaluate("app.addresses()")
        pieces = (*self.frames, *self.bodies, *kept["texts"], *kept["sdp"], *kept["stats"])
        return "\n".join(pieces)

    async def own(self) -> str:
        """What it said of itself: its descriptions of media."""
        if self._left is not None:
            return self._left[1]
        described: str = await self.page.evaluate("app.ours()")
        return "\n".join((*self.sent, described))

    async def close(self) -> None:
        """The device is gone, without a word."""
        if self._left is None:
            self._left = (await self.received(), await self.own())
            await self.context.close()


@dataclass
class WebApps:
    """Browsers, one for each tone, and the site that the pages come from.

    `async with WebApps(folder) as apps:`
    """

    folder: Path
    artefacts: Path | None = None
    pins: tuple[str, ...] = ()  # of certificates to be taken, which a browser is told as it begins
    apps: list[WebApp] = field(default_factory=list)
    origin: str = ""
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _playwright: Playwright | None = None
    _browsers: dict[int, Browser] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        site = web.Application()
        site.router.add_static("/", PAGE)
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._playwright = await self._stack.enter_async_context(async_playwright())
        return self

    async def __aexit__(self, *exc: object) -> None:
        for browser in self._browsers.values():
            await browser.close()
        await self._stack.aclose()

    async def open(
        self,
        name: str,
        tone_hz: int,
        credentials: Credentials,
        relay: LossyRelay | None = None,
    ) -> WebApp:
        """A page that is not started yet. Its microphone plays `tone_hz`."""
        browser = await self._browser(tone_hz)
        context = await browser.new_context(permissions=["microphone"])
        page = await context.new_page()
        app = WebApp(name, page, context, tone_hz, relay or LossyRelay(used=False))
        page.on("pageerror", lambda error: app.errors.append(str(error)))

        def follow(socket: WebSocket) -> None:
            socket.on("framereceived", lambda data: app.frames.append(_text(data)))
            socket.on("framesent", lambda data: app.sent.append(_text(data)))

        page.on("websocket", follow)

        async def give(reason: str) -> Mapping[str, Any]:
            given = await credentials(reason)
            app.given.append(given)
            return given

        await page.expose_function("credentials", give)
        await page.expose_function("throughRelay", app.relay.through)
        await page.goto(f"{self.origin}/index.html")
        await page.wait_for_function("window.app !== undefined")
        self.apps.append(app)
        return app

    async def close_all(self, *, failed: str | None = None) -> None:
        """Close the pages; of a test that failed, keep what they showed."""
        apps, self.apps = self.apps, []
        for app in apps:
            if failed is not None and self.artefacts is not None and app.is_open:
                await _keep(app, self.artefacts / failed)
            await app.close()

    async def _browser(self, tone_hz: int) -> Browser:
        if tone_hz not in self._browsers:
            assert self._playwright is not None
            sound = self.folder / f"{tone_hz}.wav"
            _write_tone(sound, tone_hz)
            self._browsers[tone_hz] = await self._playwright.chromium.launch(
                executable_path=chromium(),
                args=[
                    *_FLAGS,
                    f"--use-file-for-fake-audio-capture={sound}",
                    f"--ignore-certificate-errors-spki-list={','.join(self.pins)}",
                ],
            )
        return self._browsers[tone_hz]


async def _keep(app: WebApp, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Exception):  # the page may be what broke
        await app.page.screenshot(path=folder / f"{app.name}.png")
        seen = {"view": await app.view(), "heard": await app.heard(), "errors": app.errors}
        (folder / f"{app.name}.json").write_text(json.dumps(seen, indent=1, ensure_ascii=False))
    lines = [f"< {one}" for one in app.frames] + [f"> {one}" for one in app.sent]
    (folder / f"{app.name}.sip.txt").write_text("\n".join(lines))


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def _write_tone(path: Path, hz: int) -> None:
    """A second of it: whole waves, so that it may be repeated without a click."""
    samples = (int(12_000 * math.sin(2 * math.pi * hz * n / _RATE)) for n in range(_RATE))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(b"".join(struct.pack("<h", one) for one in samples))
