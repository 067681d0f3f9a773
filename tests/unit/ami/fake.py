"""An Asterisk manager on a real socket that does what a test tells it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from telephony.ami import Login

SYSTEMNAME = "n0123456789ab"
SECRET = "not-a-secret"
CHALLENGE = "4711"


def event(name: str, **headers: str) -> bytes:
    """An unsolicited event as Asterisk prints it."""
    head = (
        f"Event: {name}\r\nPrivilege: call,all\r\nTimestamp: 1795000000.000001\r\n"
        f"SystemName: {SYSTEMNAME}\r\n"
    )
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    return f"{head}{lines}\r\n".encode()


def response(action_id: str, status: str = "Success", **headers: str) -> bytes:
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    return f"Response: {status}\r\nActionID: {action_id}\r\n{lines}\r\n".encode()


def item(action_id: str, name: str, **headers: str) -> bytes:
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    return f"Event: {name}\r\nActionID: {action_id}\r\n{lines}\r\n".encode()


@dataclass
class Peer:
    """One client that is connected."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def cut(self) -> None:
        self.writer.transport.abort()


@dataclass
class Request:
    """One action that arrived."""

    headers: list[tuple[str, str]]
    peer: Peer

    def __getitem__(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def id(self) -> str:
        return self["ActionID"]


Answer = Callable[[Request], Awaitable[None] | None]


@dataclass
class FakeAsterisk:
    """Answers Challenge, Login and Ping itself, everything else by `answer`."""

    answer: Answer | None = None
    greeting: bytes = b"Asterisk Call Manager/11.0.0\r\n"
    pong: bool = True
    login_answer: Callable[[str], bytes] | None = None
    after_login: bytes = (
        b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 5\r\nLastReload: 5\r\n"
        b"Status: Fully Booted\r\n\r\n"
    )
    cut_at: str | None = None
    """Cut the connection when this action comes, after its answer if `cut_answered`."""
    cut_answered: bool = False
    port: int = 0
    received: list[Request] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    logins: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    def login(self, *, event_mask: str = "on", secret: str = SECRET) -> Login:
        return Login("127.0.0.1", self.port, "tester", secret, SYSTEMNAME, event_mask)

    def names(self) -> list[str]:
        """The actions that came, housekeeping left out."""
        housekeeping = ("Challenge", "Login", "Ping")
        return [r["Action"] for r in self.received if r["Action"] not in housekeeping]

    def send(self, data: bytes) -> None:
        """Write to the newest client."""
        self.peers[-1].send(data)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self.peers:
            peer.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        task = asyncio.create_task(self._serve(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: Peer) -> None:
        peer.send(self.greeting)
        try:
            while True:
                text = (await peer.reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
                pairs = [line.split(": ", 1) for line in text.split("\r\n") if line]
                request = Request([(key, value) for key, value in pairs], peer)
                self.received.append(request)
                cut = request["Action"] == self.cut_at
                if not cut or self.cut_answered:
                    await self._reply(request)
                if cut:
                    await peer.writer.drain()
                    peer.cut()
                if peer.writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            peer.writer.close()

    async def _reply(self, request: Request) -> None:
        match request["Action"]:
            case "Challenge":
                request.peer.send(response(request.id, Challenge=CHALLENGE))
            case "Login":
                self._log_in(request)
            case "Ping":
                if self.pong:
                    request.peer.send(response(request.id, Ping="Pong"))
            case _ if self.answer is not None:
                done = self.answer(request)
                if done is not None:
                    await done
            case _:
                pass  # Never answered.

    def _log_in(self, request: Request) -> None:
        if self.login_answer is not None:
            request.peer.send(self.login_answer(request.id))
            return
        key = hashlib.md5(f"{CHALLENGE}{SECRET}".encode(), usedforsecurity=False).hexdigest()
        if request["Key"] == key:
            self.logins += 1
            request.peer.send(response(request.id, Message="Authentication accepted"))
            if request["Events"] != "off":
                request.peer.send(self.after_login)
        else:
            request.peer.send(response(request.id, "Error", Message="Authentication failed"))


@asynccontextmanager
async def fake_asterisk(answer: Answer | None = None) -> AsyncIterator[FakeAsterisk]:
    fake = FakeAsterisk(answer)
    await fake.start()
    try:
        yield fake
    finally:
        await fake.stop()


def accept(request: Request) -> None:
    """Answer that takes everything."""
    request.peer.send(response(request.id, Message="ok"))


async def until(condition: Callable[[], bool], *, deadline_s: float = 5.0) -> None:
    """Wait for a condition, at most `deadline_s`."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.002)
