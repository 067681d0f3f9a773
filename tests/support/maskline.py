# ruff: noqa: ANN401 (what the API answers is JSON)
"""A whole Maskline as a subprocess, with ports and a data folder of its own, for the e2e tests.

It is driven as an operator and a platform would: by the command line, signals and HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from maskline.client import ApiClient
from maskline.demo.sipp import is_bound
from maskline.demo.spec import PATIENCE_S
from maskline.errors import CommandRefused
from maskline.settings import Address
from maskline.toolbox import ToolboxSettings, find_sipp
from tests.support.leaks import WATCH
from tests.support.places import Places

START_S = 100.0
STOP_S = 40.0
# How many at most: no test has as many Masklines at once, or carriers.
_rtp_blocks = Places("rtp", range(20_000, 52_000, 800), most=6)
_hosts = Places("carrier", tuple(f"127.0.0.{n}" for n in range(80, 200)), most=12)
_sip_blocks = Places("sip", range(15_000, 20_000, 100), most=1)
_sip_ports = itertools.count()


def free_tcp_port(host: str = "127.0.0.1") -> int:
    """A TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_sip_port(host: str = "127.0.0.1") -> int:
    """A port that is free for UDP and TCP, below those that the kernel gives to others."""
    for _ in range(200):
        port = _sip_blocks.take() + next(_sip_ports) % 100
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                stack.enter_context(socket.socket(socket.AF_INET, kind)).bind((host, port))
            return port
    raise AssertionError("no free SIP port")


def carrier_host(port: int = 5080) -> str:
    """A loopback address for one more carrier."""
    return _hosts.take(lambda host: not is_bound(host, port))


def sipp_command() -> tuple[str, ...]:
    """How to run SIPp."""
    return find_sipp(ToolboxSettings.from_env(os.environ)).argv


def rtp_block() -> str:
    """A range of 800 ports that no other instance has, of this test run or of another."""
    first = _rtp_blocks.take(_is_free)
    return f"{first}-{first + 799}"


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


@dataclass
class Maskline:
    """One instance; `start` it, and `stop` or `kill` it."""

    data: Path
    http: str = field(default_factory=lambda: f"127.0.0.1:{free_tcp_port()}")
    sip: str = field(default_factory=lambda: f"127.0.0.1:{free_sip_port()}")
    rtp: str = field(default_factory=rtp_block)
    options: dict[str, str] = field(default_factory=dict)  # settings, as MASKLINE_*
    flags: tuple[str, ...] = ()  # of `up`, besides
    process: asyncio.subprocess.Process | None = None
    starts: int = 0

    @property
    def sip_address(self) -> Address:
        """Where carriers send to."""
        return Address.parse(self.sip)

    @property
    def log(self) -> str:
        """Everything it ever said on stderr."""
        return "\n".join(path.read_text() for path in sorted(self.data.parent.glob("stderr-*.log")))

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of every command about this instance."""
        return ("--data", str(self.data))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of `up`."""
        return ("--http", self.http, "--sip", self.sip, "--rtp", self.rtp)

    @property
    def environment(self) -> dict[str, str]:
        """Ours without settings, and those of this instance."""
        keep = {"MASKLINE_CACHE", "MASKLINE_APT_MIRROR", "MASKLINE_APT_SUITE", "MASKLINE_ASTERISK"}
        env = {k: v for k, v in os.environ.items() if not k.startswith("MASKLINE_") or k in keep}
        return env | {f"MASKLINE_{name.upper()}": value for name, value in self.options.items()}

    async def start(self, timeout_s: float = START_S) -> None:
        """Start `maskline up` and wait for its ready line."""
        self.starts += 1
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with (self.data.parent / f"stderr-{self.starts}.log").open("wb") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "maskline", "up", *self.flags),
                *(*self.arguments, *self.addresses),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=self.environment,
            )
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = await self.process.stdout.readline()
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"not ready within {timeout_s} s\n{self.log}") from None
        assert line.decode().strip() == f"ready http://{self.http}", self.log

    async def stop(self, timeout_s: float = STOP_S) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def kill_9(self) -> None:
        """SIGKILL to Maskline alone; its Asterisk goes on."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def kill(self) -> None:
        """Whatever still runs of this instance, by pid: first Maskline, then its Asterisk."""
        if self.process is not None and self.process.returncode is None:
            await self.kill_9()
        if (pid := self.asterisk_pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(self._search)

    def _search(self) -> None:
        """Whatever it wrote is searched for everybody's phone; findings fail the run at its end."""
        WATCH.search_folder(self.data)
        for path in sorted(self.data.parent.glob("stderr-*.log")):
            WATCH.search_file(path)
        WATCH.search_heard()

    @property
    def asterisk_pid(self) -> int | None:
        """Of the Asterisk that runs on this data folder's configuration."""
        wanted = str(self.data.absolute() / "node" / "conf" / "asterisk.conf")
        for process in psutil.process_iter(["cmdline"]):
            if wanted in (process.info["cmdline"] or []):
                return int(process.pid)
        return None

    @property
    def key(self) -> str:
        """The first admin key."""
        return (self.data / "admin.key").read_text().strip()

    def api(self) -> ApiClient:
        """A client with the admin key; use it in `async with`."""
        return ApiClient(f"http://{self.http}", self.key, self.data)

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """One request."""
        async with self.api() as api:
            answer = await api.ask(method, path, body, query=query or None)
        WATCH.hear("answers of the API", json.dumps(answer, ensure_ascii=False))
        return answer

    async def refused(self, method: str, path: str, body: Any = None) -> str:
        """One request that has to be refused; how."""
        try:
            await self.ask(method, path, body)
        except CommandRefused as error:
            return str(error)
        raise AssertionError(f"{method} {path} was not refused")

    async def run(self, *arguments: str, timeout_s: float = 60.0) -> tuple[int, str, str]:
        """Run `maskline ARGUMENTS --data …`; exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "maskline", *arguments, *self.arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
        )
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    # -- what a platform asks ----------------------------------------------------------------

    async def add_trunk(self, name: str, host: str, port: int = 5080, **more: Any) -> Any:
        """A trunk to `host`:`port`."""
        body = {"name": name, "host": host, "port": port, "options_interval_s": 0, **more}
        return await self.ask("POST", "/v1/trunks", body)

    async def add_numbers(self, trunk: str, *numbers: str, pool: str = "default") -> Any:
        """Proxy numbers of `trunk`."""
        body = {"pool": pool, "trunk": trunk, "numbers": list(numbers)}
        return await self.ask("POST", "/v1/numbers", body)

    async def open_session(self, buyer: str, seller: str, **more: Any) -> Session:
        """A session between two phones."""
        answer = await self.ask("POST", "/v1/sessions", session_body(buyer, seller, **more))
        return Session.of(answer, buyer, seller)

    async def calls(self, **query: str) -> list[Any]:
        """Call records, oldest first."""
        async with self.api() as api:
            path = "/v1/calls" + (
                "?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""
            )
            page = await api.ask("GET", path)
            items: list[Any] = page["items"]
            return items[::-1]

    async def history(self, conversation_id: str) -> list[Any]:
        """A conversation's entries, oldest first."""
        page = await self.ask("GET", f"/v1/conversations/{conversation_id}/history")
        return list(reversed(page["items"]))

    async def call_log(self, user_id: str) -> list[Any]:
        """A user's entries, oldest first."""
        page = await self.ask("GET", f"/v1/users/{user_id}/call-log")
        return list(reversed(page["items"]))

    async def recorded(
        self, session: Session, count: int = 1, timeout_s: float = PATIENCE_S
    ) -> list[Any]:
        """The session's call records, as soon as there are `count`; never more than that."""
        found: list[Any] = await eventually(
            lambda: self.calls(session_id=session.id), lambda calls: len(calls) >= count, timeout_s
        )
        assert len(found) == count, json.dumps(found, indent=1)
        return found

    async def live(self) -> list[Any]:
        """Calls that are on the node."""
        async with self.api() as api:
            return [one async for one in api.every("/v1/live-calls")]


@dataclass(frozen=True)
class Session:
    """A session as a test needs it."""

    id: str
    conversation_id: str
    buyer: str
    seller: str
    buyer_dials: str
    seller_dials: str
    buyer_id: str
    seller_id: str

    @classmethod
    def of(cls, answer: Any, buyer: str, seller: str) -> Session:
        """From the API's answer."""
        sides = {one["role"]: one for one in answer["participants"]}
        return cls(
            answer["id"],
            answer["conversation_id"],
            buyer,
            seller,
            sides["buyer"]["dial"]["gsm"],
            sides["seller"]["dial"]["gsm"],
            sides["buyer"]["user_id"],
            sides["seller"]["user_id"],
        )


_names = itertools.count(1)


def user_id(phone: str) -> str:
    """The user of a phone; says nothing of the number."""
    return "u-" + hashlib.sha256(phone.encode()).hexdigest()[:12]


def session_body(buyer: str, seller: str, **more: Any) -> dict[str, Any]:
    """A request for a session; user ids follow the phones."""
    return {
        "conversation_id": f"chat-{next(_names)}",
        "listing": {"id": "L-42", "title": "Lada Vesta 2019"},
        "participants": [
            {"role": "buyer", "user_id": user_id(buyer), "phone": buyer, "name": "Anna"},
            {"role": "seller", "user_id": user_id(seller), "phone": seller, "name": "Petr"},
        ],
        "pool": "default",
        "ttl_s": 3600,
        "channel_policy": "gsm_only",
        **more,
    }


_phones = itertools.count(1)


def phones() -> Iterator[str]:
    """Mobile numbers that no other test of this run has."""
    while True:
        yield WATCH.hand_out(f"+7916{next(_phones):07d}")


async def eventually(
    ask: Callable[[], Awaitable[Any]], good: Callable[[Any], bool], timeout_s: float = PATIENCE_S
) -> Any:
    """Ask until the answer is good. Fails with the last answer."""
    answer: Any = None
    try:
        async with asyncio.timeout(timeout_s):
            while not good(answer := await ask()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s; last: {repr(answer)[:2000]}") from None
    return answer
