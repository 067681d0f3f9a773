"""Wires the rooms together, runs them, and takes them down in order.

The only place that knows every room. Every task has one owner, the task group below: when a part
ends by itself the rest goes down with it, but Asterisk is left to its calls, for the next start to
adopt.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from datetime import timedelta
from enum import StrEnum
from typing import Any

import uvloop
from aiohttp import web

from api.in_app.bus import Bus
from api.in_app.redis_bus import RedisBus
from cdr.beside import Beside
from cdr.ingest import Ingester, IngestSettings
from maskline import instance
from maskline.data_folder import DataFolder
from maskline.deliver_part import DeliverPart
from maskline.errors import MasklineError, PartFailed, SettingsRefused
from maskline.http_part import HttpPart
from maskline.instance import Instance
from maskline.node_part import NodePart, NoNode
from maskline.recording_part import RecordingPart
from maskline.settings import Settings
from maskline.store import Store, open_store, utc_now
from maskline.upkeep import all_chores, keep_tidy
from maskline.vault_keeper import KeeperSettings, VaultKeeper
from storage.errors import StorageError
from storage.retention import Terms
from telephony.ami import AmiError
from telephony.errors import TelephonyError
from telephony.layout import Layout, load_identity, make_folders

_log = logging.getLogger("maskline")
DRAIN_S = 20.0  # for the event file, at the end
AFTER_S = 10.0  # for what was begun once calls could be made, to end in order


class Role(StrEnum):
    """What a process does."""

    API = "api"
    CONTROLLER = "controller"
    INGEST = "ingest"
    DELIVER = "deliver"


Say = Callable[[str], None]
AfterReady = Callable[[Settings], Coroutine[Any, Any, None]]
Guests = Mapping[str, web.Application]


def run_app(
    settings: Settings,
    roles: AbstractSet[Role],
    say: Say,
    after_ready: AfterReady | None = None,
    guests: Callable[[], Guests] = dict,
) -> int:
    """Run `roles` until SIGTERM or SIGINT; 0. Raises MasklineError and the rooms' own errors.

    `after_ready` is run once calls can be made; whatever becomes of it, the rest goes on. `guests`
    gives what HTTP serves besides, by path.
    """
    _tune_interpreter()
    with (
        DataFolder(settings.data, roles),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop,
    ):
        loop.run(_App(settings, roles, say, after_ready, guests).run())
    return 0


def _tune_interpreter() -> None:
    """For a process in which callers wait: look for garbage less often, hand the GIL over sooner.

    What exists once all is imported is never garbage; what a call makes hardly ever forms cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    sys.setswitchinterval(0.0005)  # s; a writer's Python code would else keep an offer for 5 ms


class _App:
    """One process."""

    def __init__(
        self,
        settings: Settings,
        roles: AbstractSet[Role],
        say: Say,
        after_ready: AfterReady | None,
        guests: Callable[[], Guests],
    ) -> None:
        self._settings = settings
        self._roles = roles
        self._say = say
        self._after_ready = after_ready
        self._guests = guests
        self._bus = _bus(settings)
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()  # asked to stop once more
        self._starting: asyncio.Task[None] | None = None
        self._after: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """From nothing to nothing."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            async with AsyncExitStack() as stack:
                http = self._listen(stack)
                store = await stack.enter_async_context(open_store(self._settings))
                node = self._open_node(stack, store)
                await self._serve(stack, store, http, node)
        except* (MasklineError, StorageError, TelephonyError, AmiError) as group:
            raise _first(group) from None
        except* Exception as group:  # noqa: BLE001 (the last line of defence says so in one line)
            error = _first(group)
            _log.error("this is a fault of Maskline's own", exc_info=error)
            raise PartFailed(f"failed: {type(error).__name__}; see the log") from error

    def _listen(self, stack: AsyncExitStack) -> HttpPart | None:
        """Take the HTTP port before anything else is begun."""
        if Role.API not in self._roles:
            return None
        http = HttpPart(self._settings, self._guests())
        stack.callback(http.let_go)
        return http

    def _open_node(self, stack: AsyncExitStack, store: Store) -> NodePart | None:
        if Role.CONTROLLER not in self._roles:
            return None
        node = NodePart(self._settings, store, self._bus)
        stack.callback(node.let_go)
        return node

    def _deliver(self, stack: AsyncExitStack, store: Store) -> DeliverPart | None:
        if Role.DELIVER not in self._roles:
            return None
        part = DeliverPart(self._settings, store)
        stack.push_async_callback(part.close)
        return part

    async def _serve(
        self,
        stack: AsyncExitStack,
        store: Store,
        http: HttpPart | None,
        node: NodePart | None,
    ) -> None:
        deliver = self._deliver(stack, store)
        ingester, recorder = self._readers(store, node, deliver)
        self._build(http, store, node, ingester, deliver, recorder)
        parts: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as tasks:

            def own(name: str, work: Coroutine[Any, Any, object]) -> None:
                parts.append(tasks.create_task(self._part(name, work), name=name))

            try:
                self._starting = asyncio.current_task()
                if isinstance(self._bus, RedisBus):
                    own("the bus", self._bus.run())
                if node is not None:
                    await node.start(own)
                own("vault keys", self._keeper(store).run())
                if ingester is not None and recorder is not None:
                    own("ingest", ingester.run())
                    own("recordings", recorder.run())
                if deliver is not None:
                    own("deliver", deliver.run())
                if Role.API in self._roles:
                    terms = _terms(self._settings)
                    chores = all_chores(store.vault, secrets.token_bytes, terms)
                    every_s = self._settings.upkeep_s
                    own("upkeep", keep_tidy(store.db, utc_now, chores, every_s=every_s))
                if http is not None:
                    await http.start()
                self._starting = None
                if not self._stop.is_set():
                    self._ready(tasks, http)
                await self._stop.wait()
            except asyncio.CancelledError:
                if not self._stop.is_set():
                    raise  # a part has failed: Asterisk is left to its calls
            finally:
                instance.withdraw(self._settings.data)
            await self._take_down(http, node, ingester)
            for part in parts:
                part.cancel()

    def _build(
        self,
        http: HttpPart | None,
        store: Store,
        node: NodePart | None,
        ingester: Ingester | None,
        deliver: DeliverPart | None,
        recorder: RecordingPart | None,
    ) -> None:
        """Before the node is started: once callers wait for this loop, nothing may hold it up."""
        if http is not None:
            door = node or NoNode(self._settings)
            http.build(store, door, self._bus, ingester, deliver, recorder)

    def _ready(self, tasks: asyncio.TaskGroup, http: HttpPart | None) -> None:
        settings = self._settings
        if http is None:
            self._say(f"ready {' '.join(sorted(self._roles))}")
            return
        instance.announce(
            settings.data, Instance(os.getpid(), str(settings.http), str(settings.sip))
        )
        self._say(f"ready http://{settings.http}")
        if self._after_ready is not None:
            work = self._afterwards(self._after_ready)
            self._after = tasks.create_task(work, name="after ready")

    async def _afterwards(self, work: AfterReady) -> None:
        stopped = asyncio.ensure_future(self._stop.wait())
        doing = asyncio.ensure_future(work(self._settings))
        await asyncio.wait((stopped, doing), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, doing):
            task.cancel()
        found = await asyncio.gather(doing, return_exceptions=True)
        if isinstance(found[0], Exception):
            self._say(f"maskline: {found[0]}")

    async def _take_down(
        self, http: HttpPart | None, node: NodePart | None, ingester: Ingester | None
    ) -> None:
        """In order: nothing new, calls ended so that their records are whole, then the records.

        Calls may end by themselves for a while before, if the operator wants that.

        What was begun once calls could be made goes before: it may still ask the API to tidy up.
        """
        if self._after is not None:
            await asyncio.wait((self._after,), timeout=AFTER_S)
        if http is not None:
            await http.stop()
        if node is not None:
            await node.drain(self._settings.drain_s, self._hurry)
            await node.stop()
        if ingester is not None:
            try:
                async with asyncio.timeout(DRAIN_S):
                    await ingester.drain()
            except TimeoutError:
                _log.warning("the event file is not read to its end; the next start goes on")
            finally:
                await ingester.close()

    def _keeper(self, store: Store) -> VaultKeeper:
        layout = Layout.of(self._settings.data)
        reads = Role.INGEST in self._roles
        settings = KeeperSettings(
            name=f"{socket.gethostname()} {os.getpid()}",
            turns=Role.API in self._roles,
            node=load_identity(layout, secrets.token_hex).name if reads else None,
            spool=layout.spool if reads else None,
        )
        return VaultKeeper(store.db, store.vault, utc_now, settings)

    def _readers(
        self, store: Store, node: NodePart | None, deliver: DeliverPart | None
    ) -> tuple[Ingester, RecordingPart] | tuple[None, None]:
        """What reads from the node's disk: its events, and what was recorded."""
        if Role.INGEST not in self._roles:
            return None, None
        if node is not None:
            name, layout = node.node.name, node.node.layout
        else:
            layout = Layout.of(self._settings.data)
            make_folders(layout)
            name = load_identity(layout, secrets.token_hex).name
        owed = deliver.wake if deliver is not None else lambda: None
        recorder = RecordingPart(self._settings, store, name, layout.recordings, owed)

        def kept() -> None:
            owed()
            recorder.wake()

        keys = store.vault.path
        beside = None if keys is None else Beside(self._settings.database, keys)
        how = IngestSettings(app_host=self._settings.app_host)
        ingester = Ingester(store.db, store.vault, layout.spool, name, utc_now, how, kept, beside)
        return ingester, recorder

    async def _part(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        """A part, which ends only when all is taken down. Raises PartFailed if before."""
        try:
            await work
        except (MasklineError, StorageError, TelephonyError):
            raise
        except AmiError as error:
            raise PartFailed(f"{name} has failed: {error}") from error
        except Exception as error:
            _log.exception("%s has failed", name)
            raise PartFailed(f"{name} has failed: {type(error).__name__}; see the log") from error
        if not self._stop.is_set():
            raise PartFailed(f"{name} has ended by itself")

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
            return
        self._stop.set()
        if self._starting is not None:
            self._starting.cancel()


def _terms(settings: Settings) -> Terms:
    return Terms(
        sessions=timedelta(days=settings.keep_sessions_days),
        history=timedelta(days=settings.keep_history_days),
        call_log=timedelta(days=settings.keep_call_log_days),
        caller_phones=timedelta(days=settings.keep_caller_phones_days),
        records=timedelta(days=settings.keep_records_days),
        sip=timedelta(days=settings.sip_ladder_days),
    )


def _bus(settings: Settings) -> Bus | RedisBus:
    """What carries events to apps: over Redis where there is one, for there may be others then."""
    if settings.redis_url is None:
        return Bus()
    try:
        return RedisBus(settings.redis_url)
    except ValueError:
        raise SettingsRefused("setting redis_url: this is no URL of a Redis") from None


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first plain error in a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error
