"""The demo page as a whole: carrier, marketplace, radio and feed; begins and ends with `up --demo`.

Knows the page's few questions and answers them. Whatever breaks here, Maskline itself goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from masking.model import Language, Role
from maskline import instance
from maskline.client import ApiClient
from maskline.demo.carrier_node import CarrierNode, CarrierPlace, Mobile
from maskline.demo.page.feed import Feed
from maskline.demo.page.market import Market, Visit
from maskline.demo.page.people import ACTORS, ROLES
from maskline.demo.page.places import Places
from maskline.demo.page.radio import FAIR, POOR, Radio
from maskline.demo.page.routes import PREFIX, application
from maskline.demo.page.voices import Voices
from maskline.errors import MasklineError
from maskline.settings import Address
from maskline.toolbox import ToolboxSettings, find_asterisk
from maskline.toolbox.web import find_web
from telephony.errors import TelephonyError

SWITCHES: Final = ("offline", "poor", "company")

Json = Mapping[str, Any]


class Stage:
    """See the module. `guests` is what HTTP serves, `run` what has to run meanwhile."""

    def __init__(self, places: Places, environ: Mapping[str, str] | None = None) -> None:
        self._places = places
        self._tools = ToolboxSettings.from_env(dict(environ if environ is not None else os.environ))
        self.feed = Feed()
        self._voices = Voices(self._tools)
        self._radio = Radio(places.settings.http.host, places.radio)
        self._mobiles = {
            role: Mobile(ACTORS[role].mobile, ACTORS[role].phone, secrets.token_urlsafe(18))
            for role in ROLES
        }
        self._switches = dict.fromkeys(SWITCHES, False)
        self._carrier: CarrierNode | None = None
        self._market: Market | None = None
        self._visit: Visit | None = None
        self._turn = asyncio.Lock()
        self._app_ws = ""
        self._built: Path | None = None

    @property
    def guests(self) -> Mapping[str, web.Application]:
        """Applications by the path they are served below."""
        return {PREFIX: application(self, self._assets)}

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://{Address(self._places.web_host, self._places.settings.http.port)}{PREFIX}"

    def _assets(self) -> Path | None:
        """Where set-up built the page; looked for until it is there, and then kept."""
        if self._built is None and (found := find_web(self._tools)) is not None:
            self._built = found / "demo"
        return self._built

    # -- life ------------------------------------------------------------------------------------

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Until cancelled. Calls `on_ready` with a line for the operator once the page works.

        Raises MasklineError where it cannot.
        """
        try:
            carrier = self._make_carrier()
            running = asyncio.create_task(carrier.run(), name="the demo's carrier")
            async with ApiClient.of(self._places.settings.data) as api:
                try:
                    await carrier.wait_ready()
                    market = Market(api, f"{self.url}/hooks")
                    await market.make_ready(carrier.trunk)
                    self._app_ws = await market.app_socket()
                    self._carrier, self._market = carrier, market
                    on_ready(self._line())
                    await asyncio.shield(running)
                finally:
                    await self._end(carrier)
                    await asyncio.wait((running,))
        except TelephonyError as error:
            raise MasklineError(f"the demo page has no carrier: {error}") from None

    def _line(self) -> str:
        if self._assets() is None:
            return "The demo page is not built; make setup builds it."
        return f"Demo page: {self.url}"

    def _make_carrier(self) -> CarrierNode:
        running = instance.find(self._places.settings.data)
        place = CarrierPlace(
            data_dir=self._places.settings.data / "demo",
            web_host=self._places.settings.http.host,
            maskline=running.sip_address,
            rtp=self._places.carrier_rtp,
        )
        mobiles = tuple(self._mobiles.values())
        return CarrierNode(place, mobiles, find_asterisk(self._tools), entropy=secrets.token_hex)

    async def _end(self, carrier: CarrierNode) -> None:
        self.feed.close()
        self._radio.close()
        market, self._market = self._market, None
        if market is not None:
            # At the very end the API may have gone before us.
            with contextlib.suppress(MasklineError):
                await market.leave()
        await carrier.stop()

    # -- what the page asks (routes.Desk) ----------------------------------------------------------

    async def show(self, asked: Json) -> Json:
        """Everything the page begins with; a conversation is begun where there is none."""
        return await self._begin(Language(asked["lang"]), fresh=False)

    async def again(self, asked: Json) -> Json:
        """The same with a new conversation and all switches off."""
        return await self._begin(Language(asked["lang"]), fresh=True)

    async def _begin(self, language: Language, *, fresh: bool) -> Json:
        market, carrier = self._ready()
        async with self._turn:
            visit = self._visit
            if visit is None or fresh or visit.language != language:
                if visit is not None:
                    await market.close(visit)
                self._visit = visit = await market.open(language)
                if fresh:
                    self._switches = dict.fromkeys(SWITCHES, False)
                self._radio.weather = POOR if self._switches["poor"] else FAIR
                await market.set_company(visit, company=self._switches["company"])
        return {
            **market.described(visit),
            "switches": self._switches,
            "mobiles": {
                str(role): {
                    "ws_port": carrier.ws_port,
                    "username": one.username,
                    "password": one.password,
                }
                for role, one in self._mobiles.items()
            },
            **await market.records(visit),
        }

    async def credentials(self, asked: Json) -> Json:
        """Of an app: what the backend of a platform would fetch for its signed-in user."""
        market, _ = self._ready()
        given: Json = await market.credentials(self._now(), Role(asked["role"]))
        return given

    async def switch(self, asked: Json) -> Json:
        """Flip what is named."""
        market, _ = self._ready()
        async with self._turn:
            for name in SWITCHES:
                if isinstance(asked.get(name), bool):
                    self._switches[name] = asked[name]
            self._radio.weather = POOR if self._switches["poor"] else FAIR
            if "company" in asked:
                await market.set_company(self._now(), company=self._switches["company"])
        return {"switches": self._switches}

    async def records(self, asked: Json) -> Json:
        """History and call log."""
        market, _ = self._ready()
        return await market.records(self._now())

    async def seen(self, asked: Json) -> Json:
        """The seller has looked."""
        market, _ = self._ready()
        await market.seen(self._now(), str(asked["until"]))
        return await market.records(self._now())

    async def relay(self, asked: Json) -> Json:
        """A relay, for one peer connection of the buyer's app."""
        self._ready()
        try:
            ends = await self._radio.open()
        except OSError:
            raise web.HTTPServiceUnavailable from None
        return {"host": self._radio.reached_at(asked["host"]), "near": ends.near, "far": ends.far}

    def policy(self, host: str) -> str:
        """Nothing but the page's own files, this server, and the two WebSockets of the phones."""
        sockets = [f"ws://{Address(host, self._carrier.ws_port)}"] if self._carrier else []
        sockets += [self._app_ws] if self._app_ws else []
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"media-src 'self'; connect-src 'self' {' '.join(sockets)}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def voice(self, language: Language, role: Role, number: int) -> Path | None:
        """A line that is spoken."""
        return self._voices.file(language, role, number)

    # -- what Maskline tells us ----------------------------------------------------------------

    def secret(self, door: str) -> str:
        """What signs requests to `door`."""
        if self._market is None:
            return ""
        return self._market.push_secret if door == "push" else self._market.webhook_secret

    def pushed(self, body: Json) -> bool:
        """A push for an app: the page is the phone it goes to."""
        visit = self._visit
        roles = [one for one in ROLES if visit and body.get("user_id") == visit.user_id(one)]
        if not roles:
            return False
        seller_off = roles[0] is Role.SELLER and self._switches["offline"]
        reached = self.feed.watched and not seller_off
        what = {"role": str(roles[0]), "card": body.get("card"), "call_id": body.get("call_id")}
        self.feed.tell("push" if reached else "push_refused", what)
        return reached

    def heard(self, body: Json) -> None:
        """An event: the page looks again at what it shows."""
        visit = self._visit
        if visit is not None and body.get("conversation_id") == visit.conversation_id:
            self.feed.tell("event", {"type": body.get("type"), "data": body.get("data")})

    # -- inside ----------------------------------------------------------------------------------

    def _ready(self) -> tuple[Market, CarrierNode]:
        if self._market is None or self._carrier is None or not self._carrier.ready:
            raise web.HTTPServiceUnavailable
        return self._market, self._carrier

    def _now(self) -> Visit:
        if self._visit is None:
            raise web.HTTPConflict
        return self._visit
