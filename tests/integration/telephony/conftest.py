"""A real Asterisk on loopback addresses of its own, a controller with routes made up here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from masking.load import TrunkLoads
from masking.model import Language, Phone, Role
from masking.plan import Attempt, Channel, Decision, Offer, Plan, Step
from masking.trunks import Trunk
from maskline.toolbox import AsteriskInstall, ToolboxSettings, find_asterisk
from telephony.ami import Trouble
from telephony.controller import Controller, ControllerLimits
from telephony.layout import NodeSettings
from telephony.node import Node
from telephony.supervisor import SupervisorLimits

# Each worker of a run has addresses of its own.
NET = f"127.0.{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:]}"
NODE_HOST = f"{NET}.20"
CALLER_HOST = f"{NET}.21"
CALLEE_HOST = f"{NET}.22"
SPARE_HOST = f"{NET}.23"
IN = Trunk("carrier-a", CALLER_HOST, options_interval_s=0)
OUT = Trunk("carrier-b", CALLEE_HOST, options_interval_s=0)
SPARE = Trunk("carrier-c", SPARE_HOST, options_interval_s=0)
_rtp = itertools.count(25_000, 200)


def plan(*steps: Step, ring_s: int = 20, max_call_s: int = 3600) -> Plan:
    return Plan(
        session_id="ses_1",
        caller=Role.BUYER,
        callee=Role.SELLER,
        number_in=Phone("+74951110001"),
        number_out=Phone("+74951110002"),
        attempts=(Attempt(Channel.GSM, steps, ring_s),),
        language=Language.RU,
        max_call_s=max_call_s,
    )


def step(trunk: Trunk = OUT) -> Step:
    return Step(trunk.name, "+79267654321", "+74951110002")


@dataclass
class StubRoutes:
    """Decides every offer alike, and remembers them."""

    decision: Decision = field(default_factory=lambda: plan(step()))
    offers: list[Offer] = field(default_factory=list)
    hold: asyncio.Event | None = None

    def decide_at_once(self, offer: Offer, load: TrunkLoads) -> Decision | None:
        if self.hold is not None:
            return None
        self.offers.append(offer)
        return self.decision

    async def decide(self, offer: Offer, load: TrunkLoads) -> Decision:
        self.offers.append(offer)
        if self.hold is not None:
            await self.hold.wait()
        return self.decision


@dataclass(frozen=True)
class Row:
    """A row of the event file."""

    kind: str
    values: dict[str, str]
    leg: str  # "caller" or "callee": whose channel
    linked_id: str


class Bench:
    """What a test works with: nodes, controllers, the event file."""

    def __init__(self, folder: Path, install: AsteriskInstall, sip_port: int) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.install = install
        first = next(_rtp)
        self.settings = NodeSettings(
            data_dir=self.data,
            sip_host=NODE_HOST,
            sip_port=sip_port,
            rtp_first=first,
            rtp_last=first + 199,
            route_timeout_s=1.0,
        )
        self.routes = StubRoutes()
        self.troubles: list[Trouble] = []
        self._seen = 0

    @property
    def sip(self) -> tuple[str, int]:
        return NODE_HOST, self.settings.sip_port

    @asynccontextmanager
    async def node(
        self, *, limits: SupervisorLimits | None = None, leave_running: bool = False
    ) -> AsyncIterator[Node]:
        """A node that is ready, with the usual trunks."""
        opened = Node.open(self.settings, self.install, entropy=secrets.token_hex, limits=limits)
        with opened as node:
            run = asyncio.create_task(node.run())
            try:
                await node.wait_ready(deadline_s=30)
                await node.apply_trunks([IN, OUT, SPARE])
                yield node
            except BaseException:
                await node.stop()
                raise
            else:
                if not leave_running:
                    await node.stop()
            finally:
                run.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await run

    @asynccontextmanager
    async def controller(self, node: Node) -> AsyncIterator[Controller]:
        controller = Controller(
            node=node.name,
            login=node.controller_login(),
            routes=self.routes,
            limits=ControllerLimits(route_timeout_s=self.settings.route_timeout_s),
            report=self.troubles.append,
        )
        run = asyncio.create_task(controller.run())
        try:
            await controller.wait_up(deadline_s=10)
            yield controller
        finally:
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run

    def rows(self) -> list[Row]:
        """All rows of the event file since `forget`."""
        rows = []
        for line in self._lines()[self._seen :]:
            fields = json.loads(line)
            leg = "caller" if fields["uniqueid"] == fields["linkedid"] else "callee"
            for fact in fields["userdeftype"].split("|"):
                kind, *pairs = fact.split(";")
                values = dict(pair.split("=", 1) for pair in pairs if pair)
                rows.append(Row(kind or fields["eventenum"], values, leg, fields["linkedid"]))
        return rows

    async def rows_of_call(self, *, calls: int = 1) -> list[Row]:
        """The rows of the last call, once `calls` calls are over."""
        await until(lambda: self._over() >= calls)
        rows = [row for row in self.rows() if row.linked_id]
        return [row for row in rows if row.linked_id == rows[-1].linked_id]

    def forget(self) -> None:
        """What has been written so far is of no interest."""
        self._seen = len(self._lines())
        self.routes.decision = plan(step())
        self.routes.offers.clear()

    def _lines(self) -> list[str]:
        file = self.data / "node" / "spool" / "events.jsonl"
        return file.read_text().splitlines()

    def _over(self) -> int:
        return sum(row.kind == "LINKEDID_END" for row in self.rows())


async def until(condition: Callable[[], object], *, deadline_s: float = 10.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def asterisk() -> AsteriskInstall:
    return find_asterisk(ToolboxSettings.from_env(os.environ))


@contextmanager
def make_bench(asterisk: AsteriskInstall) -> Iterator[Bench]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((NODE_HOST, 0))
        port = int(probe.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="telephony-"))
    yield Bench(folder, asterisk, port)
    shutil.rmtree(folder)


@pytest.fixture
def bench(asterisk: AsteriskInstall) -> Iterator[Bench]:
    """A folder of its own, on which nothing runs yet."""
    with make_bench(asterisk) as bench:
        yield bench


@pytest.fixture(scope="module")
def shared(asterisk: AsteriskInstall) -> Iterator[Bench]:
    """One folder for the tests of a module."""
    with make_bench(asterisk) as bench:
        yield bench


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_node(shared: Bench) -> AsyncIterator[Node]:
    """One node for the tests of a module: starting it takes longer than a call."""
    async with shared.node() as node:
        yield node
