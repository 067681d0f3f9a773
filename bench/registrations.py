"""Registrations of apps through Maskline beside the same Asterisk with its endpoints in a file.

`python -m bench.registrations`

Devices register for the first time (Maskline: Asterisk does not know them yet and asks), and then
again and again, sixteen at once; each is challenged and answers, as every SIP client does. In
alternating rounds, in the same run: registrations a second, Asterisk's CPU for one, and Maskline's
own (directory, database, who is there).

The file costs a reload for every new device; that is not counted here.

Fails if refreshing is slower than 0.7 times the bare rate, registering for the first time slower
than 0.15 times, or if one is refused. A device registers for the first time once, and then every
few minutes: at 10,000 devices the difference is a hundredth of a core.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl

import aiohttp
import psutil

from bench.bare_asterisk import Apps, bare_asterisk
from bench.calls import cpu_s
from maskline.toolbox import ToolboxSettings, find_asterisk
from telephony.app_rows import AppAccount, AppKind, AppServing, Family, row
from tests.support.maskline import Maskline, eventually, free_sip_port
from tests.support.raw_app import Credentials, ha1

DEVICES = 250  # new ones a round
ROUNDS = 4  # the first warms up
AT_ONCE = 16
REFRESHES = 4  # of every device a round
HOST = "127.0.0.122"
LEAST_REFRESH, LEAST_FIRST = 0.7, 0.15
SECTIONS = {Family.ENDPOINT: "endpoint", Family.AUTH: "auth", Family.AOR: "aor"}
NONCE = re.compile(rb'nonce="([^"]+)",opaque="([^"]+)"')
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
OnRequest = Callable[[bytes], None]
CALL = re.compile(rb"\r\nCall-ID: (\S+)\r\n")
NUMBER = re.compile(rb"\r\nCSeq: (\d+) ")


@dataclass(frozen=True, slots=True)
class Round:
    """Registrations of one kind with one of the two."""

    count: int
    seconds: float
    asterisk_ms: float  # CPU for one
    own_ms: float = 0.0  # CPU for one, of Maskline without Asterisk

    @property
    def rate(self) -> float:
        """Registrations a second."""
        return self.count / self.seconds


class Phones(asyncio.DatagramProtocol):
    """All devices behind one socket, as behind one router."""

    def __init__(self, on_request: OnRequest) -> None:
        self._on_request = on_request
        self.out: asyncio.DatagramTransport | None = None
        self._waiting: dict[tuple[bytes, int], asyncio.Future[bytes]] = {}  # by Call-ID, CSeq
        self._count = 0
        self.host, self.port = "", 0

    @classmethod
    async def open(
        cls,
        sip: tuple[str, int],
        at: tuple[str, int] = (HOST, 0),
        on_request: OnRequest = lambda _data: None,
    ) -> Self:
        """Toward one node. `on_request` is given what the node asks of them."""
        loop = asyncio.get_running_loop()
        transport, phones = await loop.create_datagram_endpoint(
            lambda: cls(on_request), local_addr=at, remote_addr=sip
        )
        phones.out = transport
        phones.host, phones.port = transport.get_extra_info("sockname")
        return phones

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A final answer ends a wait."""
        if not data.startswith(b"SIP/2.0 "):
            self._on_request(data)
            return
        call, number = CALL.search(data), NUMBER.search(data)
        if call is None or number is None or data.startswith(b"SIP/2.0 1"):
            return
        waiting = self._waiting.pop((call[1], int(number[1])), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(data)

    async def register(self, who: Credentials, hashed: str) -> None:
        """Challenge and answer. Raises RuntimeError if refused."""
        self._count += 1
        call_id = f"{who.username}-{self._count}"
        answer = await self._ask(who, call_id, 1, "")
        found = NONCE.search(answer)
        if found is None:
            raise RuntimeError(answer.split(b"\r\n")[0].decode())
        nonce, opaque = found[1].decode(), found[2].decode()
        asked = _md5("REGISTER:sip:maskline")
        response = _md5(f"{hashed}:{nonce}:00000001:c:auth:{asked}")
        line = (
            f'Authorization: Digest username="{who.username}", realm="maskline", nonce="{nonce}",'
            f' uri="sip:maskline", response="{response}", cnonce="c", opaque="{opaque}",'
            " algorithm=MD5, qop=auth, nc=00000001\r\n"
        )
        answer = await self._ask(who, call_id, 2, line)
        if not answer.startswith(b"SIP/2.0 200"):
            raise RuntimeError(answer.split(b"\r\n")[0].decode())

    async def _ask(self, who: Credentials, call_id: str, number: int, line: str) -> bytes:
        name = f"<sip:{who.username}@maskline>"
        message = (
            "REGISTER sip:maskline SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{call_id}{number};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {name};tag=1\r\nTo: {name}\r\nCall-ID: {call_id}\r\n"
            f"CSeq: {number} REGISTER\r\nContact: <sip:{who.username}@{self.host}:{self.port}>\r\n"
            f"Expires: 300\r\n{line}Content-Length: 0\r\n\r\n"
        ).encode()
        future = asyncio.get_running_loop().create_future()
        self._waiting[call_id.encode(), number] = future
        assert self.out is not None
        async with asyncio.timeout(15):
            for patience_s in (0.5, 1.0, 2.0, 4.0, 8.0):
                self.out.sendto(message)
                done, _ = await asyncio.wait((future,), timeout=patience_s)
                if done:
                    break
            return bytes(await future)

    def close(self) -> None:
        """The socket."""
        if self.out is not None:
            self.out.close()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def register_all(phones: Phones, devices: Iterable[Credentials]) -> None:
    """AT_ONCE at once."""
    rest = iter([(who, ha1(who.username, who.password)) for who in devices])

    async def work() -> None:
        for who, hashed in rest:
            await phones.register(who, hashed)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())


def own_pids(maskline: Maskline) -> list[int]:
    """Maskline's processes but Asterisk."""
    assert maskline.process is not None
    mine = psutil.Process(maskline.process.pid)
    pids = [mine.pid, *(child.pid for child in mine.children(recursive=True))]
    return [pid for pid in pids if pid != maskline.asterisk_pid]


async def one_round(
    phones: Phones, devices: Sequence[Credentials], asterisk: int, own: list[int]
) -> Round:
    """Register `devices`, and what it cost until Maskline has come to rest as well."""
    began_s = asyncio.get_running_loop().time()
    cpu, own_cpu = cpu_s(asterisk), cpu_s(*own)
    await register_all(phones, devices)
    seconds = asyncio.get_running_loop().time() - began_s
    await asyncio.sleep(0.5)  # who has proved himself is asked for up to 0.2 s later
    count = len(devices)
    spent, own_spent = cpu_s(asterisk) - cpu, cpu_s(*own) - own_cpu
    return Round(count, seconds, 1000 * spent / count, 1000 * own_spent / count)


def sections(devices: Iterable[Credentials]) -> str:
    """The same endpoints, as pjsip.conf has them."""
    serving = AppServing(domain="maskline", media_address="127.0.0.1")
    parts: list[str] = []
    for who in devices:
        hashed = ha1(who.username, who.password)
        account = AppAccount(who.username, "u", hashed, NEVER, AppKind.SIP)
        for family, kind in SECTIONS.items():
            pairs = parse_qsl(row(family, account, serving))
            lines = (f"{name} = {value}" for name, value in pairs if name != "id")
            parts.append("\n".join((f"[{who.username}]", f"type = {kind}", *lines)))
    return "\n\n".join(parts) + "\n"


async def devices_of(maskline: Maskline, count: int) -> list[Credentials]:
    """New credentials, from the API."""
    made: list[Credentials] = []
    async with maskline.api() as api:
        for n in range(count):
            path = f"/v1/users/u-{len(made)}-{n % 7}/app-credentials"
            given = await api.ask("POST", path, {"transport": "sip"})
            made.append(Credentials(given["username"], given["password"]))
    return made


async def main() -> int:
    """Run all and print the table; 1 if a bound is broken."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as text:
        folder = Path(text)
        maskline = Maskline(folder / "data")
        await maskline.start()
        try:
            devices = await devices_of(maskline, DEVICES * ROUNDS)
            install = find_asterisk(ToolboxSettings.from_env(os.environ))
            sip = ("127.0.0.1", free_sip_port())
            like = maskline.data.absolute() / "node"
            bare = bare_asterisk(
                install, like, folder / "bare", sip, (50_000, 50_100), apps=Apps(sections(devices))
            )
            async with bare as pid:
                return await measure(maskline, pid, sip, devices)
        finally:
            await maskline.stop()
            await maskline.kill()


async def measure(
    maskline: Maskline, bare: int, sip: tuple[str, int], devices: list[Credentials]
) -> int:
    """Alternating rounds, and 1 if a bound is broken."""
    asterisk, own = maskline.asterisk_pid, own_pids(maskline)
    assert asterisk is not None
    sides: tuple[tuple[str, Phones, int, list[int]], ...] = (
        ("bare", await Phones.open(sip), bare, []),
        ("masked", await Phones.open(maskline.sip_address), asterisk, own),
    )
    rounds: dict[tuple[str, str], list[Round]] = {}
    for number in range(ROUNDS):
        fresh = devices[number * DEVICES : (number + 1) * DEVICES]
        for name, phones, pid, ours in sides:
            for kind, some in (("first", fresh), ("again", fresh * REFRESHES)):
                found = await one_round(phones, some, pid, ours)
                if number:
                    rounds.setdefault((kind, name), []).append(found)
    for _, phones, _, _ in sides:
        phones.close()
    here = await eventually(lambda: registered(maskline), lambda count: count == len(devices), 10.0)
    print(f"{here} devices are registered; {ROUNDS - 1} rounds, medians")
    print(f"{'':34}{'bare':>10}{'Maskline':>10}{'ratio':>8}{'bound':>8}")
    good = True
    for kind, least in (("first", LEAST_FIRST), ("again", LEAST_REFRESH)):
        floor, ours_ = rounds[kind, "bare"], rounds[kind, "masked"]
        rates = [statistics.median(one.rate for one in side) for side in (floor, ours_)]
        cpu = [statistics.median(one.asterisk_ms for one in side) for side in (floor, ours_)]
        mine = statistics.median(one.own_ms for one in ours_)
        ratio = rates[1] / rates[0]
        good &= ratio >= least
        rows = (
            (f"{kind}, registrations/s", rates, f"{least:8.2f}"),
            ("  CPU for one: Asterisk, ms", cpu, ""),
        )
        for what, (first, second), bound in rows:
            print(f"{what:34}{first:10.2f}{second:10.2f}{second / first:8.2f}{bound}")
        print(f"{'  CPU for one: Maskline itself, ms':34}{'':10}{mine:10.2f}")
    return int(not good)


async def registered(maskline: Maskline) -> int:
    """As the metrics say."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{maskline.http}/metrics") as answer,
    ):
        found = re.search(r"apps_registered\S*\s+([0-9.]+)", await answer.text())
    return int(float(found[1])) if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
