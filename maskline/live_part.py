"""What is done with calls that are up or begun for somebody: wires handovers, clicks and listening.

Tells apps at once and the platform by webhook. A call goes on without anything here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from sqlalchemy import Connection

from api.in_app.bus import AppBus
from masking.live import LiveRefused
from masking.model import Session
from masking.notice import Notice, NoticeKind
from masking.plan import Channel
from masking.quality_window import Sound, WindowRules
from masking.rules import Handover, HandoverRules
from maskline.routes import StoredRoutes, TrunkBook
from maskline.store import Store, utc_now
from maskline.ways import StoredWays
from storage import outbox, reaching
from storage.errors import StorageError
from telephony.ami import AmiError
from telephony.click import Clicks
from telephony.controller import Controller
from telephony.errors import PlanUnusable, UnknownCall
from telephony.handover import Handovers, Moved, Why
from telephony.live import LiveCall
from telephony.quality import Heard, QualityWatch

_log = logging.getLogger("maskline.live")

Own = Callable[[str, Coroutine[Any, Any, object]], None]

MOST_WAITING: Final = 2000  # things to tell; of more the oldest wait, and the newest are dropped
MOST_KNOWN: Final = 20_000  # calls whose pool's rules are remembered


@dataclass(frozen=True, slots=True)
class _Learn:
    """A call whose pool's rules are not known yet."""

    call: LiveCall


class LivePart:
    """One node's."""

    def __init__(
        self,
        store: Store,
        bus: AppBus,
        book: TrunkBook,
        routes: StoredRoutes,
        controller: Controller,
        *,
        node: str,
        devices: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._store = store
        self._bus = bus
        self._controller = controller
        self._ways = StoredWays(
            store.db, store.vault, book, routes, utc_now, node=node, devices=devices
        )
        self._handovers = Handovers(
            controller,
            self._ways,
            node=node,
            clock=utc_now,
            entropy=secrets.token_hex,
            moved=self._put,
            on_error=_tell_error,
        )
        self._clicks = Clicks(
            controller,
            self._ways,
            node=node,
            clock=utc_now,
            entropy=secrets.token_hex,
            on_error=_tell_error,
        )
        self._quality = QualityWatch(
            controller,
            heard=self._put,
            rules=self._rules_of,
            clock_s=time.monotonic,
            wall_ms=lambda: time.time_ns() // 1_000_000,
        )
        self._rules: dict[str, HandoverRules | None] = {}  # by call id; None: being looked up
        self._queue: asyncio.Queue[Heard | Moved | _Learn] = asyncio.Queue(MOST_WAITING)
        self._dropped = 0

    def begin(self, own: Own) -> None:
        """Begin the tasks; before the controller's link is run."""
        own("handovers", self._handovers.run())
        own("clicks to call", self._clicks.run())
        own("how calls sound", self._quality.run())
        own("news of live calls", self._tell_all())

    async def hand_over(self, call_id: str, user_id: str, to: Channel) -> None:
        """See `LivePlane`."""
        call = self._controller.live_call(call_id)
        if call is None or call.session_id is None:
            raise LookupError(call_id)
        role = await self._ways.role_of(call.session_id, user_id)
        try:
            await self._handovers.begin(call_id, role, to, Why.REQUEST)
        except UnknownCall as error:
            raise LookupError(call_id) from error
        except (AmiError, PlanUnusable) as error:
            raise ConnectionError(error.error_id) from error

    async def click(self, session_id: str, user_id: str) -> str:
        """See `LivePlane`."""
        role = await self._ways.role_of(session_id, user_id)
        try:
            return await self._clicks.begin(session_id, role)
        except (AmiError, PlanUnusable) as error:
            raise ConnectionError(error.error_id) from error

    def gauges(self) -> Mapping[str, float]:
        """For metrics."""
        count = self._quality.counters
        return {
            "handovers_under_way": float(len(self._handovers.under_way)),
            "quality_samples_total": float(count.samples),
            "quality_poor_total": float(count.poor),
            "quality_failed_total": float(count.failed),
            "live_news_dropped_total": float(self._dropped),
        }

    # -- what is told -------------------------------------------------------------------------

    def _put(self, news: Heard | Moved | _Learn) -> None:
        try:
            self._queue.put_nowait(news)
        except asyncio.QueueFull:
            self._dropped += 1

    def _rules_of(self, call: LiveCall) -> WindowRules:
        """The pool's; the usual ones until they are known."""
        rules = self._rules.get(call.call_id)
        if rules is None:
            if call.call_id not in self._rules:
                if len(self._rules) >= MOST_KNOWN:
                    self._rules.clear()
                self._rules[call.call_id] = None
                self._put(_Learn(call))
            return WindowRules()
        return WindowRules(below_mos=rules.below_mos, above_mos=rules.above_mos)

    async def _tell_all(self) -> NoReturn:
        while True:
            news = await self._queue.get()
            try:
                match news:
                    case Heard():
                        await self._tell_sound(news)
                    case Moved():
                        await self._tell_moved(news)
                    case _Learn():
                        await self._learn(news.call)
            except (StorageError, LookupError) as error:
                _log.warning("a change of a live call was not told: %s", type(error).__name__)

    async def _learn(self, call: LiveCall) -> None:
        _, self._rules[call.call_id] = await self._session(call.session_id)
        live = {one.call_id for one in self._controller.live_calls()}
        for gone in self._rules.keys() - live:
            del self._rules[gone]

    async def _session(self, session_id: str | None) -> tuple[Session, HandoverRules]:
        """Raises LookupError, StorageError."""
        if session_id is None:
            raise LookupError
        vault = self._store.vault
        both = await self._store.db.look_up(
            lambda conn: reaching.in_session(conn, vault, session_id)
        )
        if not both:
            raise LookupError(session_id)
        return both[0].session, both[0].pool.rules.handover

    async def _tell_sound(self, heard: Heard) -> None:
        call, change, role = heard.call, heard.change, heard.role
        if role is None:
            return
        session, rules = await self._session(call.session_id)
        measured = change.measured
        data = {
            "call_id": call.call_id,
            "session_id": session.id,
            "state": change.sound.value,
            "mos": round(change.mos, 2),
            "rtt_ms": round(measured.rtt_ms, 1),
            "jitter_ms": round(measured.jitter_ms, 1),
            "loss": round(measured.loss, 4),
        }
        mine, other = session.participant(role), session.other(role)
        self._bus.publish(mine.user_id, "call.quality", {**data, "side": "own"})
        self._bus.publish(other.user_id, "call.quality", {**data, "side": "other"})
        offered = change.sound is Sound.POOR and rules.mode is Handover.OFFER
        if offered:
            self._quality.offered(heard)
            self._bus.publish(
                mine.user_id,
                "call.handover_offered",
                {
                    "call_id": call.call_id,
                    "session_id": session.id,
                    "to": Channel.GSM.value,
                    "reason": "quality",
                },
            )
        if change.sound is Sound.POOR and rules.mode is Handover.AUTO:
            with contextlib.suppress(LiveRefused, UnknownCall, AmiError, PlanUnusable):
                await self._handovers.begin(call.call_id, role, Channel.GSM, Why.QUALITY)
        await self._owe(
            NoticeKind.CALL_QUALITY,
            session,
            {**data, "role": role.value, "user_id": mine.user_id, "handover_offered": offered},
        )

    async def _tell_moved(self, moved: Moved) -> None:
        session, _ = await self._session(moved.session_id)
        mine, other = session.participant(moved.role), session.other(moved.role)
        data = {
            "call_id": moved.call_id,
            "session_id": session.id,
            "to": moved.to.value,
            "why": moved.why.value,
            "result": moved.result.value,
        }
        self._bus.publish(mine.user_id, "call.handover", {**data, "side": "own"})
        self._bus.publish(other.user_id, "call.handover", {**data, "side": "other"})
        more = {"role": moved.role.value, "user_id": mine.user_id}
        await self._owe(NoticeKind.CALL_HANDOVER, session, {**data, **more})

    async def _owe(
        self, kind: NoticeKind, session: Session, data: Mapping[str, str | float | bool]
    ) -> None:
        now = utc_now()
        notice = Notice(
            kind=kind,
            key=f"{kind}:{data['call_id']}:{data['role']}:{int(now.timestamp() * 1000)}",
            at=now,
            conversation_id=session.conversation_id,
            data={**data, "conversation_id": session.conversation_id},
        )

        def write(conn: Connection) -> None:
            outbox.owe(conn, notice)

        await self._store.db.write(write)


def _tell_error(error: BaseException) -> None:
    _log.error("a leg could not be made", exc_info=error)
