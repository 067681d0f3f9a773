"""One node: its folder, its lock, its configuration, its Asterisk and its trunks.

    with Node.open(settings, install, entropy=secrets.token_hex) as node:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(node.run())
            await node.wait_ready(deadline_s=30)
            await node.apply_trunks(trunks)
            …
            await node.stop()

Cancelling `run` leaves Asterisk and its calls alone: the next Maskline on this folder adopts them.
It never touches an Asterisk that runs on another folder.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from masking.trunks import Trunk
from telephony import tls
from telephony import trunks as pjsip
from telephony.agent import Agent, open_agent
from telephony.ami import AmiError, Login
from telephony.app_config import media_address, ws_address
from telephony.errors import DataFolderUnusable, PortTaken, TelephonyError, TrunksNotTaken
from telephony.install import AsteriskInstall
from telephony.layout import (
    Doors,
    Identity,
    Layout,
    NodeSettings,
    free_loopback_port,
    kept_port,
    kept_udp_port,
    load_identity,
    make_folders,
    save_ami,
    save_doors,
    take_lock,
    write_private,
)
from telephony.ports import check_app_ports, check_ports, tcp_port_is_free
from telephony.process import AsteriskProcess
from telephony.render import (
    CONTROLLER_USER,
    fingerprint,
    render_files,
    write_hep,
    write_lookups,
    write_node,
)
from telephony.supervisor import NodeState, Supervisor, SupervisorLimits

__all__ = ["Node"]


class Node:
    """See the module."""

    def __init__(
        self,
        settings: NodeSettings,
        install: AsteriskInstall,
        layout: Layout,
        identity: Identity,
        lock: int,
        *,
        entropy: Callable[[int], str],
        limits: SupervisorLimits,
        on_state: Callable[[NodeState], None],
    ) -> None:
        """Use `open`."""
        self.settings = settings
        self.layout = layout
        self._install = install
        self._identity = identity
        self._lock = lock
        self._limits = limits
        self._entropy = entropy
        self._trunks_turn = asyncio.Lock()
        self._taken: Mapping[str, Trunk] | None = None  # that Asterisk has
        self._running: asyncio.Future[None] | None = None
        self._supervisor = Supervisor(
            layout=layout,
            install=install,
            prepare=self._prepare,
            boot_id=lambda: entropy(8),
            limits=limits,
            on_state=on_state,
        )

    @classmethod
    def open(
        cls,
        settings: NodeSettings,
        install: AsteriskInstall,
        *,
        entropy: Callable[[int], str],
        limits: SupervisorLimits | None = None,
        on_state: Callable[[NodeState], None] = lambda _: None,
    ) -> Self:
        """Make and lock the folder; `entropy(n)` gives n random bytes in hex.

        Raises DataFolderUnusable or AlreadyRunning.
        """
        layout = Layout.of(settings.data_dir)
        make_folders(layout)
        lock = take_lock(layout.lock_file, settings.data_dir)
        try:
            identity = load_identity(layout, entropy)
            return cls(
                settings,
                install,
                layout,
                identity,
                lock,
                entropy=entropy,
                limits=limits or SupervisorLimits(),
                on_state=on_state,
            )
        except BaseException:
            os.close(lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder free. Asterisk, if it runs, runs on."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # -- what others ask ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The node's secret name: Asterisk's systemname, first part of every uniqueid."""
        return self._identity.name

    @property
    def state(self) -> NodeState:
        """What the node is doing."""
        return self._supervisor.state

    @property
    def starts(self) -> int:
        """How often an Asterisk was started by this Node."""
        return self._supervisor.starts

    @property
    def adopted(self) -> bool:
        """Whether the Asterisk that runs was found running."""
        return self._supervisor.adopted

    def controller_login(self) -> Login:
        """The controller's login; valid once the node has been ready, and from then on."""
        ami = self._identity.ami
        return Login(
            host="127.0.0.1",
            port=ami.port,
            username=CONTROLLER_USER,
            secret=ami.controller_secret,
            systemname=self.name,
        )

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep Asterisk running until `stop`, restarting it with back-off when it dies.

        Raises PortTaken, DataFolderUnusable, NodeDied or NodeNotReady if the first start fails.
        """
        self._running = asyncio.get_running_loop().create_future()
        try:
            await self._supervisor.run(await self._find())
        finally:
            self._running.set_result(None)

    async def wait_ready(self, *, deadline_s: float) -> None:
        """Wait until calls can be made. Raises NodeNotReady, or why the first start failed."""
        await self._supervisor.wait_ready(deadline_s=deadline_s)

    async def stop(self) -> None:
        """End all calls, then Asterisk; returns when it is gone."""
        self._supervisor.stop()
        if self._running is not None:
            await asyncio.shield(self._running)

    async def _find(self) -> AsteriskProcess | None:
        """The Asterisk that runs on our folder, if it runs on what we would start it on.

        Another configuration (ports, version) cannot be had without a restart: that one is ended.
        """
        process = AsteriskProcess.find(self.layout)
        if process is None:
            return None
        if _read(self.layout.fingerprint) == self._fingerprint():
            return process
        await process.end(gently_s=self._limits.stop_s)
        process.close()
        return None

    def _fingerprint(self) -> str:
        return fingerprint(self._render(), self._install)

    def _render(self) -> dict[str, str]:
        return render_files(self.settings, self.layout, self._identity, self._install)

    def _prepare(self, *, adopting: bool) -> Identity:
        if adopting:
            return self._identity
        self._take_ws_port()
        check_ports(self.settings)
        check_app_ports(self.settings, self._identity.doors)
        port = self._identity.ami.port
        if not tcp_port_is_free("127.0.0.1", port):
            if self._supervisor.starts:
                # The controller knows the old one.
                raise PortTaken("AMI", "127.0.0.1", port, "it is in use")
            # Somebody took it while we were down.
            ami = replace(self._identity.ami, port=free_loopback_port())
            self._identity = replace(self._identity, ami=ami)
            save_ami(self.layout, ami)
        files = self._render()
        write_node(self.settings, self.layout, self._install, files)
        write_lookups(self.layout, self._identity)
        write_hep(self.settings, self.layout, self._identity)
        write_private(self.layout.fingerprint, fingerprint(files, self._install))
        return self._identity

    def _take_ws_port(self) -> None:
        """Another kept port where somebody took ours while we were down; a given one stays."""
        if self.settings.ws_port is not None or self._supervisor.starts:
            return
        if not tcp_port_is_free(*self.ws_address):
            self._keep(replace(self._identity.doors, ws_port=kept_port(self._entropy)))

    def _keep(self, doors: Doors) -> None:
        self._identity = replace(self._identity, doors=doors)
        save_doors(self.layout, doors)

    # -- apps ---------------------------------------------------------------------------------

    @property
    def ws_address(self) -> tuple[str, int]:
        """Where WebSockets of apps are served; holds once the node has been ready."""
        return ws_address(self.settings, self._identity.doors)

    @property
    def lookup_port(self) -> int:
        """The loopback port on which Asterisk asks for apps: `Directory` listens there."""
        return self._identity.doors.lookup_port

    @property
    def lookup_secret(self) -> str:
        """The path that it asks by."""
        return self._identity.doors.lookup_secret

    def move_lookups(self) -> int:
        """Choose another port for look-ups, for this one is taken; before `run`."""
        doors = self._identity.doors
        port = kept_port(self._entropy, doors.lookup_port, doors.ws_port)
        self._keep(replace(doors, lookup_port=port))
        return port

    async def tell_lookups(self, *, deadline_s: float = 5.0) -> None:
        """Have an Asterisk that was found running ask where we listen. Raises AmiError."""
        write_lookups(self.layout, self._identity)
        async with self._agent(deadline_s) as agent:
            await agent.take_lookups(deadline_s=deadline_s)

    async def read_certificate(self, *, deadline_s: float = 5.0) -> None:
        """Serve WebSockets with the certificate as it is now. Raises AmiError."""
        async with self._agent(deadline_s) as agent:
            await agent.read_certificate(deadline_s=deadline_s)

    async def app_contacts(self, *, deadline_s: float = 20.0) -> tuple[str, ...]:
        """The ids of all contacts of apps there are now. Raises AmiError."""
        async with self._agent(deadline_s) as agent:
            return await agent.app_contacts(deadline_s=deadline_s)

    async def ask_anew(self, *, deadline_s: float = 5.0) -> None:
        """Have Asterisk forget what it knows of apps; their registrations stay. Raises AmiError."""
        async with self._agent(deadline_s) as agent:
            await agent.forget_all_apps(deadline_s=deadline_s)

    async def shut_out(
        self, usernames: Sequence[str], contacts: Sequence[str], *, deadline_s: float = 5.0
    ) -> None:
        """Have Asterisk forget these apps and where they are; calls go on. Raises AmiError."""
        async with self._agent(deadline_s) as agent:
            await agent.forget_apps(usernames, contacts, deadline_s=deadline_s)

    @asynccontextmanager
    async def _agent(self, deadline_s: float) -> AsyncIterator[Agent]:
        agent = await open_agent(self._identity, deadline_s=deadline_s, limits=self._limits.ping)
        try:
            yield agent
        finally:
            await agent.aclose()

    # -- what it says of its SIP --------------------------------------------------------------

    @property
    def hep_port(self) -> int:
        """The loopback port to which Asterisk says what it sends and receives; 0: none yet."""
        return self._identity.doors.hep_port

    @property
    def hep_secret(self) -> str:
        """What it proves itself by there."""
        return self._identity.doors.hep_secret

    def move_hep(self) -> int:
        """Choose a port for it, or another; before `run`. Raises DataFolderUnusable."""
        port = kept_udp_port(self.settings, self._entropy)
        self._keep(replace(self._identity.doors, hep_port=port))
        return port

    async def tell_hep(self, *, deadline_s: float = 5.0) -> None:
        """Have an Asterisk that was found running say it where we listen. Raises AmiError."""
        write_hep(self.settings, self.layout, self._identity)
        async with self._agent(deadline_s) as agent:
            await agent.take_hep(deadline_s=deadline_s)

    # -- trunks -------------------------------------------------------------------------------

    async def apply_trunks(self, trunks: Iterable[Trunk], *, deadline_s: float = 5.0) -> None:
        """Make `trunks`, all there are, known to Asterisk. Calls that are up are not touched.

        Written even where Asterisk does not run: the next start reads them. Raises TelephonyError.
        """
        wanted = tuple(trunks)
        address, over_tls = media_address(self.settings), self._outgoing_tls(wanted)
        text = pjsip.render(wanted, media_address=address, tls=over_tls)
        taken = {trunk.name: trunk for trunk in wanted if trunk.enabled}
        async with self._trunks_turn:
            if text == _read(self.layout.trunks_conf) and self._taken == taken:
                return
            before, self._taken = self._taken or {}, None
            try:
                write_private(self.layout.trunks_conf, text)
            except OSError as error:
                raise DataFolderUnusable(self.layout.conf, str(error.strerror)) from error
            if self._supervisor.state is NodeState.DOWN:
                return
            try:
                # What starts at this moment may have read the file that was there before.
                await self._supervisor.wait_ready(deadline_s=deadline_s)
            except TelephonyError as error:
                raise TrunksNotTaken(
                    "Asterisk is not ready; it reads them when it starts"
                ) from error
            try:
                async with self._agent(deadline_s) as agent:
                    await agent.take_trunks(taken, before, deadline_s=deadline_s)
            except AmiError as error:
                raise TrunksNotTaken(str(error)) from error
            self._taken = taken

    def _outgoing_tls(self, trunks: Iterable[Trunk]) -> str:
        """The transport that they go out by where no other speaks TLS; on a port that is kept."""
        if not tls.wanted(self.settings, trunks):
            return ""
        doors = self._identity.doors
        if not doors.tls_port or self._was_taken(doors.tls_port):
            port = kept_port(self._entropy, doors.lookup_port, doors.ws_port)
            self._keep(replace(doors, tls_port=port))
        return tls.outgoing(self.settings, self._identity.doors.tls_port)

    def _was_taken(self, port: int) -> bool:
        """Whether somebody has a kept port of ours: who but our Asterisk, where one runs."""
        process = AsteriskProcess.find(self.layout)
        if process is not None:
            process.close()
        return process is None and not tcp_port_is_free(self.settings.sip_host, port)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
