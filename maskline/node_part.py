"""The controller role: a node, its controller, and the trunks that the node is told of.

Calls that are up never depend on anything here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from api.outbound import OutboundClient
from api.services import Health, LivePlane, Probe
from maskline.hook import MOST_ASKED, PlatformHook
from maskline.node_settings import node_settings
from maskline.prompts import ensure_prompts
from maskline.routes import StoredRoutes, TrunkBook
from maskline.settings import Settings
from maskline.store import Store, utc_now
from maskline.toolbox import ToolboxSettings, ensure_toolbox, find_asterisk
from maskline.trunk_watch import TrunkWatch
from telephony.ami import AmiError, LinkState, Trouble, TroubleKind
from telephony.controller import Controller, ControllerLimits
from telephony.errors import TrunksNotTaken, UnknownCall
from telephony.live import LiveCall
from telephony.node import Node
from telephony.supervisor import NodeState

_log = logging.getLogger("maskline.node")
READY_S = 60.0
LINK_S = 30.0

Own = Callable[[str, Coroutine[Any, Any, object]], None]


class NodeDoor(LivePlane, Protocol):
    """What the API asks of the nodes."""

    async def trunks_changed(self) -> None:
        """Return when the nodes have taken the trunks as stored."""

    def probes(self) -> Mapping[str, Probe]:
        """Whether they are well."""


class NodePart:
    """This machine's node."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """Lock the node's folder. Raises ToolboxError, TelephonyError."""
        tools = ToolboxSettings.from_env(os.environ)
        prompts = ensure_prompts(
            settings.data / "prompts",
            lambda: ensure_toolbox(tools),
            settings.prompts,
            spoken_dir=tools.cache_dir / "prompts",
        )
        self._settings = settings
        self._book = TrunkBook(store.vault)
        self._store = store
        self._controller: Controller | None = None
        self.node = Node.open(
            node_settings(settings, prompts.sounds_dir),
            find_asterisk(tools),
            entropy=secrets.token_hex,
            on_state=_tell_state,
        )
        self._trunks = TrunkWatch(store.db, self._book, self.node)

    async def start(self, own: Own) -> None:
        """Begin the node's tasks; returns when calls can be made. Raises TelephonyError."""
        with contextlib.suppress(TrunksNotTaken):
            await self._trunks.apply()  # written for the start
        own("Asterisk", self.node.run())
        await self.node.wait_ready(deadline_s=READY_S)
        if self.node.adopted:
            _log.info("took over the Asterisk that was running")
        client = OutboundClient(self._settings.outbound_allow, connections=MOST_ASKED)
        own("the way to the platform", _hold_open(client))
        self._controller = Controller(
            node=self.node.name,
            login=self.node.controller_login(),
            routes=StoredRoutes(
                self._store.db,
                self._store.vault,
                self._book,
                utc_now,
                platform=PlatformHook.over(client),
                busy=self._busy,
            ),
            limits=ControllerLimits(route_timeout_s=self._settings.route_timeout_s),
            report=_tell_trouble,
            on_error=_tell_error,
        )
        own("the controller", self._controller.run())
        await self._controller.wait_up(deadline_s=LINK_S)
        await self._trunks.apply()
        own("the watch over trunks", self._trunks.run())

    def _busy(self) -> frozenset[str]:
        """The sessions that have a call up on this node."""
        return frozenset(one.session_id for one in self.live_calls() if one.session_id is not None)

    async def stop(self) -> None:
        """End all calls, each with its record, then Asterisk."""
        await self.node.stop()

    def let_go(self) -> None:
        """Give the node's folder free; an Asterisk that runs, runs on."""
        self.node.close()

    # -- NodeDoor --------------------------------------------------------------------------------

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

    async def trunks_changed(self) -> None:
        """See `NodeDoor`."""
        await self._trunks.changed()

    def probes(self) -> Mapping[str, Probe]:
        """See `NodeDoor`."""
        return {"asterisk": self._probe_node, "controller": self._probe_controller}

    async def _probe_node(self) -> Health:
        state = self.node.state
        gauges = {"starts_total": float(self.node.starts)}
        return Health(state is NodeState.READY, state.value, gauges)

    async def _probe_controller(self) -> Health:
        if self._controller is None:
            return Health(ok=False, detail="starting")
        state, count = self._controller.link.state, self._controller.counters
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
        }
        return Health(state is LinkState.UP, state.value, gauges)


async def _hold_open(client: OutboundClient) -> None:
    """Until cancelled; then every connection is closed."""
    async with client:
        await asyncio.Event().wait()


class NoNode:
    """For an API whose nodes are in other processes: they look for changed trunks by themselves."""

    def live_calls(self) -> tuple[LiveCall, ...]:
        """None are known here."""
        return ()

    async def hang_up(self, call_id: str) -> None:
        """Not from here."""
        raise ConnectionError("the node is in another process")

    async def trunks_changed(self) -> None:
        """Their controllers look every second."""

    def probes(self) -> Mapping[str, Probe]:
        """Nothing to ask."""
        return {}


def _tell_state(state: NodeState) -> None:
    level = logging.WARNING if state in (NodeState.DOWN, NodeState.HUNG) else logging.INFO
    _log.log(level, "Asterisk is %s", state.value)


def _tell_trouble(trouble: Trouble) -> None:
    if trouble.kind is TroubleKind.FRAME_REJECTED:
        _log.warning("AMI: a frame was not believed: %s", trouble.detail)
    else:
        _log.warning("AMI: %s", trouble.kind.value)


def _tell_error(error: BaseException) -> None:
    _log.error("an offer could not be answered", exc_info=error)
