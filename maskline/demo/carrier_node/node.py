"""The carrier's Asterisk: rendered, started, kept running and ended.

    carrier = CarrierNode(place, mobiles, install, entropy=secrets.token_hex)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(carrier.run())
        await carrier.wait_ready()
        …
        await carrier.stop()

It lives below a data folder of its own and never touches Maskline's node. Its ports are the
kernel's choice and then kept, so that the trunk leads to the same place after a restart.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from maskline.settings import Address, PortRange
from telephony.errors import PortTaken
from telephony.install import AsteriskInstall
from telephony.layout import (
    Identity,
    Layout,
    NodeSettings,
    free_loopback_port,
    load_identity,
    make_folders,
    save_ami,
    write_private,
)
from telephony.ports import tcp_port_is_free
from telephony.process import AsteriskProcess
from telephony.render import AGENT_USER, write_node
from telephony.supervisor import NodeState, Supervisor, SupervisorLimits

HOST = "127.0.0.4"
READY_S = 30.0

_TEMPLATES = Path(__file__).parent / "conf"
_PLACEHOLDER = re.compile(r"%\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Mobile:
    """A subscriber of the carrier, whose phone is a page of the browser."""

    username: str  # [a-z-]
    number: str  # E.164
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CarrierPlace:
    """Where the carrier may be."""

    data_dir: Path
    web_host: str  # the WebSocket's, and of the mobiles' media
    maskline: Address  # where Maskline takes SIP
    rtp: PortRange


@dataclass(frozen=True, slots=True)
class _Ports:
    sip: int
    ws: int


class CarrierNode:
    """See the module."""

    def __init__(
        self,
        place: CarrierPlace,
        mobiles: Sequence[Mobile],
        install: AsteriskInstall,
        *,
        entropy: Callable[[int], str],
    ) -> None:
        """Make the folder; `entropy(n)` gives n random bytes in hex. Raises TelephonyError."""
        self._place = place
        self._mobiles = mobiles
        self._install = install
        self._layout = Layout.of(place.data_dir)
        make_folders(self._layout)
        self._identity = load_identity(self._layout, entropy)
        self._ports = self._load_ports()
        self._ended = asyncio.Event()
        self._supervisor = Supervisor(
            layout=self._layout,
            install=install,
            prepare=self._prepare,
            boot_id=lambda: entropy(8),
            limits=SupervisorLimits(drain_s=2.0, stop_s=3.0),
        )

    @property
    def trunk(self) -> Address:
        """Where Maskline's trunk leads."""
        return Address(HOST, self._ports.sip)

    @property
    def ws_port(self) -> int:
        """Where the mobiles register, at the web host."""
        return self._ports.ws

    @property
    def ready(self) -> bool:
        """Whether calls can be made."""
        return self._supervisor.state is NodeState.READY

    async def run(self) -> None:
        """Keep it running until `stop`. Raises TelephonyError if the first start fails."""
        try:
            await self._end_left_over()
            await self._supervisor.run(None)
        finally:
            self._ended.set()

    async def wait_ready(self) -> None:
        """Until calls can be made. Raises NodeNotReady, or why the start failed."""
        await self._supervisor.wait_ready(deadline_s=READY_S)

    async def stop(self) -> None:
        """End its calls, then Asterisk; returns when it is gone."""
        self._supervisor.stop()
        await self._ended.wait()

    async def _end_left_over(self) -> None:
        """One whose Maskline was killed: its mobiles are gone, nothing of it is worth keeping."""
        left = AsteriskProcess.find(self._layout)
        if left is not None:
            await left.end(gently_s=2.0)
            left.close()

    # -- what it is started on -------------------------------------------------------------------

    def _prepare(self, *, adopting: bool) -> Identity:
        if not tcp_port_is_free("127.0.0.1", self._identity.ami.port):
            ami = replace(self._identity.ami, port=free_loopback_port())
            self._identity = replace(self._identity, ami=ami)
            save_ami(self._layout, ami)
        settings = NodeSettings(data_dir=self._place.data_dir)
        write_node(settings, self._layout, self._install, self.render())
        return self._identity

    def render(self) -> dict[str, str]:
        """Every file of its configuration, by name."""
        values = self._values()
        return {
            file.name: _PLACEHOLDER.sub(lambda match: values[match[1]], file.read_text("utf-8"))
            for file in sorted(_TEMPLATES.glob("*.conf"))
        }

    def _values(self) -> dict[str, str]:
        layout, place = self._layout, self._place
        return {
            "etc_dir": str(layout.conf),
            "modules_dir": str(self._install.modules_dir),
            "var_dir": str(layout.var),
            "share_dir": str(layout.share),
            "spool_dir": str(layout.spool),
            "run_dir": str(layout.run),
            "log_dir": str(layout.log),
            "node": self._identity.name,
            "ami_port": str(self._identity.ami.port),
            "agent_user": AGENT_USER,
            "agent_secret": self._identity.ami.agent_secret,
            "ws_host": place.web_host,
            "ws_port": str(self._ports.ws),
            "rtp_first": str(place.rtp.first),
            "rtp_last": str(place.rtp.last),
            "sip_host": HOST,
            "sip_bind": str(self.trunk),
            "maskline": str(place.maskline),
            "mobiles": "\n".join(_mobile(one, place.web_host) for one in self._mobiles),
            "numbers": "\n".join(_number(one) for one in self._mobiles),
        }

    def _load_ports(self) -> _Ports:
        """Those of the time before, as far as they are free; else the kernel's choice, kept."""
        file = self._layout.root / "ports.json"
        try:
            kept = json.loads(file.read_text())
            ports = _Ports(int(kept["sip"]), int(kept["ws"]))
        except (OSError, ValueError, KeyError, TypeError):
            ports = _Ports(0, 0)
        if AsteriskProcess.find(self._layout) is None or not (ports.sip and ports.ws):
            sip = _bindable(socket.SOCK_DGRAM, HOST, ports.sip)
            ports = _Ports(sip, _bindable(socket.SOCK_STREAM, self._place.web_host, ports.ws))
        write_private(file, json.dumps({"sip": ports.sip, "ws": ports.ws}))
        return ports


def _bindable(kind: socket.SocketKind, host: str, wished: int) -> int:
    """`wished` if it can be had, else a port that the kernel chooses. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wished))
        except OSError as error:
            if wished == 0:
                reason = error.strerror or str(error)
                raise PortTaken("the demo's carrier", host, wished, reason) from error
            return _bindable(kind, host, 0)
        return int(probe.getsockname()[1])


def _mobile(mobile: Mobile, web_host: str) -> str:
    anywhere = web_host in ("0.0.0.0", "::")  # noqa: S104 (compared, never bound)
    media = "" if anywhere else f"media_address = {web_host}\nbind_rtp_to_media_address = yes\n"
    name = mobile.username
    # G.711 only, as over a real mobile network's gateway: nothing is transcoded on the trunk.
    return f"""[{name}]
type = endpoint
aors = {name}
auth = {name}
context = from-mobile
webrtc = yes
dtls_auto_generate_cert = yes
disallow = all
allow = alaw
callerid = <{mobile.number}>
trust_id_outbound = yes
allow_transfer = no
{media}[{name}]
type = auth
auth_type = userpass
username = {name}
password = {mobile.password}
[{name}]
type = aor
max_contacts = 1
remove_existing = yes
"""


def _number(mobile: Mobile) -> str:
    """Rings for as long as the caller waits; a phone that is switched off is 480 to the caller."""
    return (
        f"exten => {mobile.number},1,Dial(PJSIP/{mobile.username},120)\n"
        ' same => n,Hangup(${IF($["${DIALSTATUS}" = "CHANUNAVAIL"]?20:${HANGUPCAUSE})})'
    )
