"""An Asterisk manager that does what a test tells it, with a controller on it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from masking.load import TrunkLoads
from masking.model import Language, Phone, Role
from masking.plan import (
    Announcement,
    Attempt,
    Channel,
    Decision,
    Offer,
    Plan,
    Refusal,
    RefusalReason,
    Step,
)
from telephony.controller import Controller, ControllerLimits
from tests.unit.ami.fake import (
    SYSTEMNAME,
    FakeAsterisk,
    Request,
    item,
    response,
)

PLAN = Plan(
    session_id="ses_1",
    caller=Role.BUYER,
    callee=Role.SELLER,
    number_in=Phone("+74951110001"),
    number_out=Phone("+74951110002"),
    attempts=(
        Attempt(
            Channel.GSM,
            (
                Step("carrier-b", "+79267654321", "+74951110002"),
                Step("carrier-c", "+79267654321", "+74951110002"),
            ),
            20,
        ),
    ),
    language=Language.RU,
    max_call_s=3600,
)
REFUSAL = Refusal(RefusalReason.BLOCKED, Announcement.BLOCKED, 21, Language.RU)


@dataclass
class Routes:
    decision: Decision | Exception = PLAN
    offers: list[Offer] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

    def decide_at_once(self, offer: Offer, load: TrunkLoads) -> Decision | None:
        if not self.at_once:
            return None
        self.offers.append(offer)
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision

    async def decide(self, offer: Offer, load: TrunkLoads) -> Decision:
        self.offers.append(offer)
        await self.gate.wait()
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision


class Scene:
    """An Asterisk with channels, as much of it as the controller can see."""

    def __init__(self, fake: FakeAsterisk) -> None:
        self.fake = fake
        self.routes = Routes()
        self.errors: list[BaseException] = []
        self.statuses: list[dict[str, str]] = []
        self.called: list[str] = []
        fake.answer = self.answer

    def answer(self, request: Request) -> None:
        if request["Action"] == "Status":
            request.peer.send(response(request.id, EventList="start"))
            for status in self.statuses:
                lines = "".join(f"{key}: {value}\r\n" for key, value in status.items())
                tail = f"ActionID: {request.id}\r\n\r\n"
                request.peer.send(f"Event: Status\r\nPrivilege: Call\r\n{lines}{tail}".encode())
            request.peer.send(item(request.id, "StatusComplete", EventList="Complete"))
        else:
            request.peer.send(response(request.id))

    @asynccontextmanager
    async def controller(self, **limits: float) -> AsyncIterator[Controller]:
        controller = Controller(
            node=SYSTEMNAME,
            login=self.fake.login(),
            routes=self.routes,
            limits=ControllerLimits(**limits),  # type: ignore[arg-type]
            on_error=self.errors.append,
            on_called=self.called.append,
        )
        run = asyncio.create_task(controller.run())
        try:
            await controller.wait_up(deadline_s=5)
            yield controller
        finally:
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run

    def tell(self, name: str, *, age_s: float = 0.0, **headers: str) -> None:
        """An event, to whoever hears events."""
        head = (
            f"Event: {name}\r\nPrivilege: call,all\r\nTimestamp: {time.time() - age_s:.6f}\r\n"
            f"SystemName: {SYSTEMNAME}\r\n"
        )
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self.fake.peers[-1].send(f"{head}{lines}\r\n".encode())

    def offer(self, number: int = 1, *, age_s: float = 0.0, **changed: str) -> str:
        unique_id = f"{SYSTEMNAME}-1700000000.{number}"

        def header(text: str) -> str:
            return base64.b64encode(f"{text} {unique_id}".encode()).decode()

        headers = {
            "Channel": f"PJSIP/carrier-a-{number:08x}",
            "Uniqueid": unique_id,
            "Linkedid": unique_id,
            "UserEvent": "CallOffered",
            "Trunk": "carrier-a",
            "Trusted": "yes",
            "Called": "+74951110001",
            "From": header("<sip:+79161234567@h>"),
            "Identity": header(""),
            "Privacy": header(""),
            "Complete": "yes",
        }
        self.tell("UserEvent", age_s=age_s, **(headers | changed))
        return unique_id

    def dial_end(self, linked_id: str, status: str, trunk: str = "carrier-b") -> None:
        destination = f"PJSIP/{trunk}-000000ff"
        self.tell("DialEnd", Linkedid=linked_id, DestChannel=destination, DialStatus=status)

    def hang_up(self, unique_id: str) -> None:
        self.tell("Hangup", Uniqueid=unique_id, Linkedid=unique_id)

    def sent(self, name: str) -> list[Request]:
        return [request for request in self.fake.received if request["Action"] == name]
