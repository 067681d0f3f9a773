"""Keeps one Asterisk running: adopts or starts it, and notices when it dies or hangs.

A call that is up is worth more than tidiness: the supervisor leaves a running Asterisk alone when
it is itself cancelled; only `stop` ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from telephony.agent import open_agent
from telephony.ami import AmiError, Backoff, Limits
from telephony.errors import NodeDied, NodeNotReady, TelephonyError
from telephony.install import AsteriskInstall
from telephony.layout import Identity, Layout
from telephony.process import AsteriskProcess, append_node_start

__all__ = ["NodeState", "Supervisor", "SupervisorLimits"]


class Prepare(Protocol):
    """Says how to reach Asterisk, and before a start writes what it is started on."""

    def __call__(self, *, adopting: bool) -> Identity:
        """Raises TelephonyError where a start is not possible."""


class Ends(NamedTuple):
    """What ends our looking after a process."""

    process: asyncio.Task[None]
    stop: asyncio.Task[bool]


class NodeState(Enum):
    """What the node is doing."""

    DOWN = "down"
    STARTING = "starting"
    READY = "ready"
    HUNG = "hung"  # alive, but answers nobody; killed if that lasts
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class SupervisorLimits:
    """Bounds of the supervisor, in seconds."""

    ready_s: float = 30.0
    adopt_s: float = 10.0
    check_every_s: float = 5.0  # a login that stayed would cost every call some CPU
    hung_s: float = 10.0  # after a check has failed, before it is killed
    drain_s: float = 5.0  # for hanging up what is up
    stop_s: float = 5.0  # from SIGTERM to SIGKILL
    backoff: Backoff = field(
        default_factory=lambda: Backoff(first_s=0.2, cap_s=30.0, steady_after_s=60.0)
    )
    ping: Limits = field(default_factory=lambda: Limits(connect_s=5.0))  # of a check


class Supervisor:
    """One node's supervisor. `run` must be somebody's task; it returns after `stop`."""

    def __init__(
        self,
        *,
        layout: Layout,
        install: AsteriskInstall,
        prepare: Prepare,
        boot_id: Callable[[], str],
        limits: SupervisorLimits,
        on_state: Callable[[NodeState], None] = lambda _: None,
    ) -> None:
        self._layout = layout
        self._install = install
        self._prepare = prepare
        self._boot_id = boot_id
        self._limits = limits
        self._on_state = on_state
        self._state = NodeState.DOWN
        self._changed = asyncio.Event()
        self._stop_asked = asyncio.Event()
        self._failure: TelephonyError | None = None
        self._died_at_s: float | None = None
        self.starts = 0
        self.adopted = False

    @property
    def state(self) -> NodeState:
        """What the node is doing."""
        return self._state

    def _set(self, state: NodeState) -> None:
        if state is not self._state:
            self._state = state
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            self._on_state(state)

    async def wait_ready(self, *, deadline_s: float) -> None:
        """Wait until Asterisk takes calls. Raises NodeNotReady, or why the first start failed."""
        try:
            async with asyncio.timeout(deadline_s):
                while self._state is not NodeState.READY:
                    if self._failure is not None:
                        raise self._failure
                    await self._changed.wait()
        except TimeoutError:
            raise NodeNotReady(f"Asterisk was not ready within {deadline_s:g} s") from None

    def stop(self) -> None:
        """Ask `run` to end Asterisk and return."""
        self._stop_asked.set()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def run(self, found: AsteriskProcess | None) -> None:
        """Keep Asterisk running, beginning with `found` if there is one, until `stop`.

        Raises TelephonyError where the first start does not succeed; later ones are tried again.
        """
        loop = asyncio.get_running_loop()
        failures = 0
        was_ready = False
        process = found
        try:
            while not self._stop_asked.is_set():
                began_s = loop.time()
                try:
                    was_ready = await self._one_life(process) or was_ready
                except TelephonyError as error:
                    if not was_ready:
                        self._failure = error
                        raise
                process = None
                self._set(NodeState.DOWN)
                steady = loop.time() - began_s >= self._limits.backoff.steady_after_s
                failures = 1 if steady else failures + 1
                await self._pause(self._limits.backoff.pause_s(failures))
        finally:
            self._set(NodeState.DOWN)

    async def _pause(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stop_asked.wait()

    async def _one_life(self, found: AsteriskProcess | None) -> bool:
        """From start or adoption to the end of one process; whether it was ever ready."""
        self._set(NodeState.STARTING)
        identity = self._prepare(adopting=found is not None)
        process = found or self._start()
        ends = Ends(
            asyncio.create_task(process.wait(), name="asterisk-ended"),
            asyncio.create_task(self._stop_asked.wait(), name="node-stop"),
        )
        try:
            return await self._attend(process, ends, identity, adopted=found is not None)
        finally:
            if not process.alive:
                self._died_at_s = time.time()
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)
            process.close()

    def _start(self) -> AsteriskProcess:
        append_node_start(self._layout, self._boot_id(), self._died_at_s)
        process = AsteriskProcess.start(self._install, self._layout)
        self.starts += 1
        return process

    async def _attend(
        self, process: AsteriskProcess, ends: Ends, identity: Identity, *, adopted: bool
    ) -> bool:
        """Look after `process` until it ends, or must end; whether it was ever ready."""
        ready = False
        while True:
            answered = await self._answers(
                identity, ends, self._patience_s(ready=ready, adopted=adopted)
            )
            if answered:
                ready = True
                self.adopted = adopted
                self._set(NodeState.READY)
                while await self._pause_between_checks(ends):
                    if not await self._answers(identity, ends, self._limits.ping.connect_s):
                        break
            if ends.stop.done():
                await self._shut_down(process, identity)
                return ready
            if ends.process.done():
                if not ready:
                    raise NodeDied(self._what_it_said("Asterisk ended before it was ready"))
                return ready
            if not answered:
                # It neither answers nor ends.
                await process.end(gently_s=0)
                if not (ready or adopted):
                    raise NodeNotReady(self._what_it_said("Asterisk did not become ready"))
                return ready
            self._set(NodeState.HUNG)

    async def _answers(self, identity: Identity, ends: Ends, patience_s: float) -> bool:
        """Whether somebody who logs in is answered, before the process or our task ends."""
        asking = asyncio.create_task(
            open_agent(identity, deadline_s=patience_s, limits=self._limits.ping)
        )
        try:
            await asyncio.wait((asking, *ends), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait((asking,))
        if asking.cancelled():
            return False
        error = asking.exception()
        if error is None:
            await asking.result().aclose()
            return not (ends.process.done() or ends.stop.done())
        if isinstance(error, AmiError):
            return False
        raise error

    async def _pause_between_checks(self, ends: Ends) -> bool:
        """Whether the pause passed with nothing having ended."""
        done, _ = await asyncio.wait(
            ends, timeout=self._limits.check_every_s, return_when=asyncio.FIRST_COMPLETED
        )
        return not done

    def _patience_s(self, *, ready: bool, adopted: bool) -> float:
        if ready:
            return self._limits.hung_s
        return self._limits.adopt_s if adopted else self._limits.ready_s

    async def _shut_down(self, process: AsteriskProcess, identity: Identity) -> None:
        self._set(NodeState.STOPPING)
        drain_s = self._limits.drain_s
        with contextlib.suppress(AmiError):
            agent = await open_agent(identity, deadline_s=drain_s, limits=self._limits.ping)
            try:
                await agent.hang_up_all(deadline_s=drain_s)
            finally:
                await agent.aclose()
        await process.end(gently_s=self._limits.stop_s)

    def _what_it_said(self, what: str) -> str:
        """Asterisk's own last error, which at start names files and modules, never a caller."""
        for file in (self._layout.error_log, self._layout.output):
            with contextlib.suppress(OSError):
                lines = file.read_text(errors="replace").splitlines()[-50:]
                errors = [line.partition("]: ")[2] or line for line in lines if "ERROR" in line]
                if errors:
                    return f"{what}: {errors[-1].strip()}"
        return what
