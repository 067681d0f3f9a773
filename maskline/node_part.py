"""The controller role: a node, its controller, and the trunks that the node is told of.

Calls that are up never depend on anything here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from api.in_app.bus import AppBus
from api.outbound import OutboundClient
from api.services import AppTransports, Health, LivePlane, NodeElsewhere, Probe
from cdr.errors import SpoolUnreadable
from cdr.room import EventRoom
from masking.plan import Channel
from maskline.app_address import app_transports, known_ws
from maskline.app_part import AppPart
from maskline.hook import MOST_ASKED, PlatformHook
from maskline.idle_watch import IdleWatch
from maskline.ladder_part import LadderPart
from maskline.live_events import LiveEvents
from maskline.live_part import LivePart
from maskline.node_settings import node_settings
from maskline.prompts import ensure_prompts
from maskline.push import MOST_PUSHED, PushHook
from maskline.routes import StoredRoutes, TrunkBook
from maskline.settings import Settings
from maskline.store import Store, utc_now
from maskline.toolbox import ToolboxSettings, ensure_toolbox, find_asterisk
from maskline.trunk_watch import TrunkWatch
from maskline.wake import AppWaking
from telephony.ami import AmiError, LinkState, Trouble, TroubleKind
from telephony.controller import Controller, ControllerLimits
from telephony.errors import TrunksNotTaken, UnknownCall
from telephony.live import LiveCall
from telephony.node import Node
from telephony.supervisor import NodeState
from telephony.trunk_answers import TrunkAnswers

_log = logging.getLogger("maskline.node")
READY_S = 60.0
LINK_S = 30.0
DRAIN_LOOK_S = 0.25  # between looks whether calls are left
ROOM_S = 0.5  # between looks at the disk of the event file

Own = Callable[[str, Coroutine[Any, Any, object]], None]


class NodeDoor(LivePlane, Protocol):
    """What the API asks of the nodes."""

    @property
    def name(self) -> str | None:
        """Of the node whose calls these are; None: nodes are in other processes."""

    async def trunks_changed(self) -> None:
        """Return when the nodes have taken the trunks as stored."""

    async def apps_changed(self, usernames: Sequence[str]) -> None:
        """Return when the nodes have shut out these apps, whose credentials are over.

        Raises ConnectionError where a node cannot be told; it will be, as soon as it can.
        """

    def registered(self, usernames: Collection[str]) -> frozenset[str]:
        """Those of these apps that are registered now."""

    def transports(self) -> AppTransports:
        """Where apps reach the nodes."""

    def trunk_answers(self) -> Mapping[str, bool]:
        """By trunk, whether it answered its last OPTIONS; only those of which it is known."""

    def probes(self) -> Mapping[str, Probe]:
        """Whether they are well."""


class NodePart:
    """This machine's node."""

    def __init__(self, settings: Settings, store: Store, bus: AppBus) -> None:
        """Lock the node's folder. `bus`: to the apps. Raises ToolboxError, TelephonyError."""
        tools = ToolboxSettings.from_env(os.environ)
        prompts = ensure_prompts(
            settings.data / "prompts",
            lambda: ensure_toolbox(tools),
            settings.prompts,
            spoken_dir=tools.cache_dir / "prompts",
        )
        self._settings = settings
        self._bus = bus
        self._book = TrunkBook(store.vault)
        self._store = store
        self._stopping = False
        self._controller: Controller | None = None
        self._live: LivePart | None = None
        self._answers: TrunkAnswers | None = None
        self.node = Node.open(
            node_settings(settings, prompts.sounds_dir),
            find_asterisk(tools),
            entropy=secrets.token_hex,
            on_state=self._tell_state,
        )
        self._trunks = TrunkWatch(store.db, self._book, self.node)
        self.apps = AppPart(store, self.node)
        self._ladder = LadderPart(store, self.node)
        self._room = EventRoom(self.node.layout.events)

    async def start(self, own: Own) -> None:
        """Begin the node's tasks; returns when calls can be made. Raises TelephonyError."""
        with contextlib.suppress(TrunksNotTaken):
            await self._trunks.apply()  # written for the start
        self.apps.begin(own)
        self._ladder.begin(own)
        own("room for event rows", self._keep_room())
        own("Asterisk", self.node.run())
        await self.node.wait_ready(deadline_s=READY_S)
        if self.node.adopted:
            _log.info("took over the Asterisk that was running")
        await self._ladder.follow()
        client = OutboundClient(self._settings.outbound_allow, connections=MOST_ASKED)
        own("the way to the platform", _hold_open(client))
        pushes = OutboundClient(self._settings.outbound_allow, connections=MOST_PUSHED)
        own("the way to the push hooks", _hold_open(pushes))
        routes = StoredRoutes(
            self._store.db,
            self._store.vault,
            self._book,
            utc_now,
            platform=PlatformHook.over(client),
            busy=self._busy,
            devices=self.apps.devices.of,
        )
        events = LiveEvents(self._store.db, self._store.vault, self._bus)
        own("what apps are told of calls", events.run())
        self._controller = Controller(
            node=self.node.name,
            login=self.node.controller_login(),
            routes=routes,
            apps=AppWaking(
                self._store.db,
                self._store.vault,
                PushHook.over(pushes),
                utc_now,
                self.apps.devices.of,
            ),
            limits=ControllerLimits(
                route_timeout_s=self._settings.route_timeout_s,
                begun_a_second=self._settings.begun_a_second,
            ),
            report=self._tell_trouble,
            on_error=_tell_error,
            on_connected=self.apps.connected,
            on_live=events.heard,
            on_called=self.apps.called,
            has_room=lambda: self._room.enough,
            ladder=self._ladder.dialogs,
        )
        self.apps.devices.when_registered(self._controller.registered)
        await self.apps.follow(self._controller.link, own)
        self._live = LivePart(
            self._store,
            self._bus,
            self._book,
            routes,
            self._controller,
            node=self.node.name,
            devices=self.apps.devices.of,
        )
        self._live.begin(own)
        idle = IdleWatch(self._store.db, self._controller.live_calls, utc_now)
        own("which sessions have calls", idle.run())
        own("the controller", self._controller.run())
        await self._controller.wait_up(deadline_s=LINK_S)
        await self._trunks.apply()
        own("the watch over trunks", self._trunks.run())
        self._answers = TrunkAnswers(self._controller.link, lambda: self._book.trunks)
        own("whether trunks answer", self._answers.run())
        await self.apps.settle()

    async def _keep_room(self) -> None:
        enough = True
        while True:
            try:
                await asyncio.to_thread(self._room.keep)
            except SpoolUnreadable:
                _log.exception("the event file cannot be looked at")
            if self._room.enough is not enough:
                enough = self._room.enough
                said = "room again: calls are taken" if enough else "full: no call is begun"
                _log.log(logging.WARNING, "the disk of the event file is %s", said)
            await asyncio.sleep(ROOM_S)

    def _busy(self) -> frozenset[str]:
        """The sessions that have a call up on this node."""
        return frozenset(one.session_id for one in self.live_calls() if one.session_id is not None)

    async def drain(self, within_s: float, hurry: asyncio.Event) -> None:
        """Begin no call; return when those of now are over, so late at most, at once on `hurry`."""
        if self._controller is None or not within_s:
            return
        self._controller.close_door()
        left = {one.call_id for one in self.live_calls()}
        _log.info("no call is begun any more; %d may end within %g s", len(left), within_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while left and not hurry.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(DRAIN_LOOK_S):
                            await hurry.wait()
                    left &= {one.call_id for one in self.live_calls()}

    async def stop(self) -> None:
        """End all calls, each with its record, then Asterisk."""
        self._stopping = True
        await self.node.stop()

    def _tell_state(self, state: NodeState) -> None:
        wrong = state in (NodeState.DOWN, NodeState.HUNG) and not self._stopping
        _log.log(logging.WARNING if wrong else logging.INFO, "Asterisk is %s", state.value)

    def _tell_trouble(self, trouble: Trouble) -> None:
        if trouble.kind is TroubleKind.FRAME_REJECTED:
            _log.warning("AMI: a frame was not believed: %s", trouble.detail)
        elif not (trouble.kind is TroubleKind.DOWN and self._stopping):
            _log.warning("AMI: %s", trouble.kind.value)

    def let_go(self) -> None:
        """Give the node's folder free; an Asterisk that runs, runs on."""
        self.node.close()

    # -- NodeDoor --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """See `NodeDoor`."""
        return self.node.name

    def live_calls(self) -> tuple[LiveCall, ...]:
        """See `LivePlane`."""
        return self._controller.live_calls() if self._controller is not None else ()

    async def hang_up(self, call_id: str) -> None:
        """See `LivePlane`."""
        if self._controller is None:
            raise ConnectionError("the node is starting")
        try:
            await self._controller.hang_up(call_id)
        except UnknownCall as error:
            raise LookupError(call_id) from error
        except AmiError as error:
            raise ConnectionError(error.error_id) from error

    async def hand_over(self, call_id: str, user_id: str, to: Channel) -> None:
        """See `LivePlane`."""
        await self._live_now().hand_over(call_id, user_id, to)

    async def click(self, session_id: str, user_id: str) -> str:
        """See `LivePlane`."""
        return await self._live_now().click(session_id, user_id)

    def _live_now(self) -> LivePart:
        if self._live is None:
            raise ConnectionError("the node is starting")
        return self._live

    async def trunks_changed(self) -> None:
        """See `NodeDoor`."""
        await self._trunks.changed()

    async def apps_changed(self, usernames: Sequence[str]) -> None:
        """See `NodeDoor`."""
        await self.apps.over(usernames)

    def registered(self, usernames: Collection[str]) -> frozenset[str]:
        """See `NodeDoor`."""
        return self.apps.devices.registered(usernames)

    def transports(self) -> AppTransports:
        """See `NodeDoor`."""
        return app_transports(self._settings, self.node.ws_address)

    def trunk_answers(self) -> Mapping[str, bool]:
        """See `NodeDoor`."""
        return {} if self._answers is None else self._answers.answers()

    def probes(self) -> Mapping[str, Probe]:
        """See `NodeDoor`."""
        return {
            "asterisk": self._probe_node,
            "controller": self._probe_controller,
            "event_file": self._probe_room,
        }

    async def _probe_node(self) -> Health:
        state = self.node.state
        gauges = {"starts_total": float(self.node.starts)}
        return Health(state is NodeState.READY, state.value, gauges)

    async def _probe_room(self) -> Health:
        detail = "" if self._room.enough else "its disk is full: no call is begun"
        return Health(self._room.enough, detail, {"room_bytes": float(self._room.left_bytes)})

    async def _probe_controller(self) -> Health:
        if self._controller is None:
            return Health(ok=False, detail="starting")
        state, count = self._controller.link.state, self._controller.counters
        waking = self._controller.waking
        gauges = {
            "live_calls": float(len(self._controller.live_calls())),
            "offers_total": float(count.offers),
            "plans_total": float(count.plans),
            "prompts_total": float(count.prompts),
            "refusals_total": float(sum(count.refusals.values())),
            "late_total": float(count.late),
            "failed_total": float(count.failed),
            "overload_total": float(count.overload),
            "decide_seconds_total": count.decide_s,
            "app_pushes_total": float(waking.pushed),
            "app_pushes_refused_total": float(waking.refused),
            "app_pushes_overload_total": float(waking.overload),
            "apps_woken_total": float(waking.woken),
            "app_late_devices_rung_total": float(self._controller.late.counters.rung),
            "app_late_devices_answered_total": float(self._controller.late.counters.answered),
            **self.apps.gauges(),
            **self._ladder.gauges(),
            **({} if self._live is None else self._live.gauges()),
        }
        return Health(state is LinkState.UP, state.value, gauges)


async def _hold_open(client: OutboundClient) -> None:
    """Until cancelled; then every connection is closed."""
    async with client:
        await asyncio.Event().wait()


class NoNode:
    """For an API whose nodes are in other processes: they look for changed trunks by themselves."""

    name = None

    def live_calls(self) -> tuple[LiveCall, ...]:
        """None are known here."""
        return ()

    async def hang_up(self, call_id: str) -> None:
        """Not from here."""
        raise NodeElsewhere

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def hand_over(self, call_id: str, user_id: str, to: Channel) -> None:
        """Not from here."""
        raise NodeElsewhere

    async def click(self, session_id: str, user_id: str) -> str:
        """Not from here."""
        raise NodeElsewhere

    async def trunks_changed(self) -> None:
        """Their controllers look every second."""

    async def apps_changed(self, usernames: Sequence[str]) -> None:
        """Their controllers look every second."""

    def registered(self, usernames: Collection[str]) -> frozenset[str]:
        """None are known here."""
        return frozenset()

    def transports(self) -> AppTransports:
        """As the settings say, or a node that runs on the same folder."""
        return app_transports(self._settings, known_ws(self._settings))

    def trunk_answers(self) -> Mapping[str, bool]:
        """Not known here."""
        return {}

    def probes(self) -> Mapping[str, Probe]:
        """Nothing to ask."""
        return {}


def _tell_error(error: BaseException) -> None:
    _log.error("an offer could not be answered", exc_info=error)
