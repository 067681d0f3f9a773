# ruff: noqa: ANN401 (what the API answers is JSON)
"""What a call centre has behind it in the morning: real calls of every kind, and staff to look.

Made once, by an Asterisk and two carriers; all calls at the same time, for what a test waits for is
the longest of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from maskline.demo import Answer, Call, CallSpec, Carrier, Reject, Ring, Trying
from tests.support.app_phone import AppPhone
from tests.support.maskline import Session, eventually, session_body
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import CALLEES, CALLERS, Pool, Scene

# Wherever a caller or a platform may write, this is written. Markup that got through would be an
# element with this attribute, or a request for this address: looked for on every page.
PLANT: Final = "<img src=/planted onerror=planted() data-planted>"
PLANT_IN_ATTRIBUTE: Final = "\"'><svg onload=planted() data-planted hx-get=/planted>"
PLANT_IN_TEMPLATE: Final = "{{ 7 * 7 }}{% raise %}${planted()}"
PLANTS: Final = (PLANT, PLANT_IN_ATTRIBUTE, PLANT_IN_TEMPLATE)
LONG_TALK_S: Final = 11  # two reports of quality come in that time


@dataclass
class ConsoleScene:
    """The calls, by what came of them."""

    stage: Scene
    far: Carrier  # whom nobody reaches anybody through
    open: Pool
    kept: Pool  # recorded always
    webhook_id: str  # whose receiver is not there
    delivery_id: str = field(init=False)  # that failed
    story: Session = field(init=False)  # the buyer called three times, the seller says nobody did
    sessions: dict[str, Session] = field(default_factory=dict)
    records: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def carrier(self) -> Carrier:
        """The one that works."""
        return self.stage.carrier

    def call_id(self, what: str) -> str:
        """Of the last call of a session."""
        return str(self.records[what][-1]["call_id"])

    async def session(self, what: str, pool: Pool | None = None, **more: Any) -> Session:
        """Two new people, who will be known as `what`."""
        buyer, seller = self.stage.person(), self.stage.person()
        titles = more.pop("listing", {"id": "L-42", "title": "Lada Vesta 2019"})
        names = more.pop("names", ("Anna", "Petr"))
        body = session_body(buyer, seller, pool=(pool or self.open).name, **more)
        body["listing"] = titles
        for side, name in zip(body["participants"], names, strict=True):
            side["name"] = name
        made = Session.of(await self.stage.ask("POST", "/v1/sessions", body), buyer, seller)
        self.sessions[what] = made
        return made

    async def dial(self, session: Session, **more: Any) -> Call:
        """The buyer calls the seller."""
        spec = CallSpec(number=session.buyer_dials, from_=session.buyer, tone_hz=CALLERS, **more)
        return await self.carrier.dial(spec)

    # -- what happened ---------------------------------------------------------------------------

    async def play(self) -> None:
        """All of it."""
        async with native_apps(self.stage) as apps:
            buyer, seller, mover = await self._with_apps(apps)
            await asyncio.gather(
                self._missed(),
                self._answered(),
                self._recorded(),
                self._planted(),
                self._over_the_app(buyer, seller),
                self._handed_over(mover),
                self._refused("busy", Reject(486, "Busy Here")),
                self._refused("declined", Reject(603, "Decline", ring_ms=300)),
                self._refused("unreachable", Reject(480, "Temporarily Unavailable")),
                self._refused("failed", Reject(503, "Service Unavailable"), self.far),
                self._given_up(),
            )
        while self.carrier.incoming_waiting:
            await self.carrier.incoming()
        while self.far.incoming_waiting:
            await self.far.incoming()
        for what, session in self.sessions.items():
            count = 3 if what == "story" else 1
            self.records[what] = await self.stage.maskline.recorded(session, count)
        await self._said_afterwards()

    async def _missed(self) -> None:
        """The buyer calls three times; the seller's phone rings, and nobody takes it."""
        self.story = await self.session(
            "story",
            names=("Ольга", "Виктор"),
            listing={"id": "L-77", "title": "Детская коляска, почти новая"},
        )
        self.carrier.on_invite(Ring(), number=self.story.seller)
        for seconds in (1.2, 0.8, 1.6):
            call = await self.dial(self.story)
            await call.wait_ringing()
            await asyncio.sleep(seconds)
            await call.cancel()
            await call.wait_ended()

    async def _answered(self) -> None:
        session = await self.session("answered")
        self.carrier.on_invite(Answer(ring_ms=600, tone_hz=CALLEES), number=session.seller)
        call = await self.dial(session)
        await self._talk(call, 1.2)

    async def _recorded(self) -> None:
        session = await self.session(
            "recorded", self.kept, listing={"id": "L-9", "title": "Apartment, 2 rooms"}
        )
        self.carrier.on_invite(Answer(ring_ms=400, tone_hz=CALLEES), number=session.seller)
        call = await self.dial(session)
        await self._talk(call, 2.5)

    async def _talk(self, call: Call, seconds: float) -> None:
        await call.hear(CALLEES)
        await asyncio.sleep(seconds)
        await call.hang_up()

    async def _planted(self) -> None:
        """A caller and a platform that mean harm: every text is markup."""
        session = await self.session(
            "planted",
            names=(PLANT, PLANT_IN_ATTRIBUTE),
            listing={"id": "L-13", "title": PLANT_IN_TEMPLATE + PLANT + PLANT_IN_ATTRIBUTE},
        )
        headers = (f'Reason: SIP;text="{PLANT}"', f"Server: {PLANT}", f"X-Planted: {PLANT}")
        reject = Reject(486, PLANT, ring_ms=200, headers=headers)
        self.carrier.on_invite(reject, number=session.seller)
        lines = (f"User-Agent: {PLANT}", f"Subject: {PLANT_IN_TEMPLATE}", f"Organization: {PLANT}")
        call = await self.dial(session, display=f'"{PLANT}"', headers=lines)
        await call.wait_ended()

    async def _with_apps(self, apps: NativeApps) -> tuple[AppPhone, AppPhone, AppPhone]:
        """Both of one session, and the buyer of another, are there before anybody calls.

        Asterisk asks for each at first, and does not wait long for an answer.
        """
        policy: dict[str, Any] = {"channel_policy": "app_then_gsm"}
        talk = await self.session("app", names=("Ivan", "Maria"), **policy)
        handover = await self.session("handover", names=("Boris", "Zoya"), **policy)
        return await asyncio.gather(
            apps.open(talk.buyer, tone_hz=CALLERS),
            apps.open(talk.seller, tone_hz=CALLEES),
            apps.open(handover.buyer, tone_hz=CALLERS),
        )

    async def _over_the_app(self, buyer: AppPhone, seller: AppPhone) -> None:
        """Both have the app, and talk long enough for their networks to be judged."""
        call = await buyer.call(self.sessions["app"].id)
        leg = await seller.incoming()
        leg.answer()
        await asyncio.gather(call.until_up(), leg.until_up())
        await call.hear(CALLEES)
        await asyncio.sleep(LONG_TALK_S)
        await call.hang_up()

    async def _handed_over(self, buyer: AppPhone) -> None:
        """The buyer's network fails, and their phone goes on with the call."""
        session = self.sessions["handover"]
        self.carrier.on_invite(Answer(ring_ms=300, tone_hz=CALLEES), number=session.seller)
        self.carrier.on_invite(Answer(ring_ms=400, tone_hz=CALLERS), number=session.buyer)
        call = await buyer.call(session.id)
        await call.until_up()
        await asyncio.sleep(1.5)
        [live] = [
            one for one in await self.stage.maskline.live() if one["session_id"] == session.id
        ]
        asked = {"user_id": session.buyer_id, "to": "gsm"}
        await self.stage.ask("POST", f"/v1/calls/{live['call_id']}/handover", asked)
        await call.until_over()
        [leg] = await self._legs(session.buyer)
        await asyncio.sleep(2.5)
        await leg.hang_up()

    async def _refused(self, what: str, how: Reject, *also: Carrier) -> None:
        session = await self.session(what)
        for carrier in (self.carrier, *also):
            carrier.on_invite(how, number=session.seller)
        call = await self.dial(session)
        await call.wait_ended()

    async def _given_up(self) -> None:
        session = await self.session("cancelled")
        self.carrier.on_invite(Trying(), number=session.seller)
        call = await self.dial(session)
        # Earlier it would be a call of which nobody knows yet whom it is for.
        await eventually(lambda: self._legs(session.seller), lambda legs: legs)
        await call.cancel()
        await call.wait_ended()

    async def _legs(self, phone: str) -> list[Call]:
        """What came to `phone` so far."""
        calls = self.carrier.calls
        return [one for one in calls if not one.is_caller and one.dialled == phone]

    async def _said_afterwards(self) -> None:
        """A rating, and a block with a reason."""
        rating = {"user_id": self.sessions["app"].buyer_id, "stars": 2, "issues": ["echo"]}
        await self.stage.ask("POST", f"/v1/calls/{self.call_id('app')}/rating", rating)
        planted = self.sessions["planted"]
        block = {
            "user_id": planted.seller_id,
            "blocked_user_id": planted.buyer_id,
            "reason": PLANT,
        }
        await self.stage.ask("POST", "/v1/blocks", block)
        path = f"/v1/webhooks/{self.webhook_id}/deliveries"
        page = await eventually(lambda: self.stage.ask("GET", path), lambda one: one["items"])
        self.delivery_id = str(page["items"][0]["id"])
        recorded = f"/v1/calls/{self.call_id('recorded')}/recording"
        await eventually(
            lambda: self.stage.ask("GET", recorded), lambda one: one["state"] == "ready"
        )


async def console_scene(stage: Scene, far: Carrier) -> ConsoleScene:
    """Trunks, pools and webhooks, with which everything is still to happen."""
    maskline = stage.maskline
    await maskline.add_trunk(stage.trunk, stage.carrier.host, stage.carrier.port, max_cps=100)
    await maskline.add_trunk("far", far.host, far.port, inbound=False, priority=200)
    await stage.subscribe()
    nobody_there = {
        "url": f"{stage.platform.events_url}-not{PLANT_IN_ATTRIBUTE[:3]}",
        "description": PLANT,
    }
    webhook = await maskline.ask("POST", "/v1/webhooks", nobody_there)
    # Whoever has one of its two numbers has half of them: that is an alarm of the board.
    low = {"low_percent": 60}
    kept = await stage.pool("en", 2, numbers_rules=low, recording={"mode": "always"})
    stage.begin()
    return ConsoleScene(stage, far, await stage.pool("ru", numbers=3), kept, webhook["id"])
