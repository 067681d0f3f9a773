"""An app made of a bare socket or WebSocket: says exactly what a test wants, keeps what it is told.

No SIP stack between the test and the wire; `app_phone.py` is the app that talks.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from maskline.demo.sip import Message, answer_to, join
from maskline.demo.spec import PATIENCE_S

_counter = itertools.count(1)
_FIELD = re.compile(r'(\w+)="?([^",]+)"?')


@dataclass(frozen=True)
class Credentials:
    """What the API gave out, or somebody made up."""

    username: str
    password: str


def ha1(username: str, password: str, realm: str = "maskline") -> str:
    """What is kept of a password (RFC 7616, 3.4.2)."""
    return _md5(f"{username}:{realm}:{password}")


@dataclass
class RawApp:
    """One connection of an app; `async with RawApp.over_udp(…) as app:`"""

    credentials: Credentials
    via: str  # host:port, as it names itself
    transport: str  # UDP or WS
    received: list[Message] = field(default_factory=list)
    _out: asyncio.DatagramTransport | None = None
    _socket: aiohttp.ClientWebSocketResponse | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    # -- ways to the node ------------------------------------------------------------------------

    @classmethod
    @asynccontextmanager
    async def over_udp(
        cls, credentials: Credentials, sip: tuple[str, int], host: str
    ) -> AsyncIterator[RawApp]:
        """An app at a UDP port of `host`."""
        loop = asyncio.get_running_loop()
        app = cls(credentials, "", "UDP")
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(app), local_addr=(host, 0), remote_addr=sip
        )
        app._out = transport
        app.via = "{}:{}".format(*transport.get_extra_info("sockname"))
        try:
            yield app
        finally:
            transport.close()

    @classmethod
    @asynccontextmanager
    async def over_ws(
        cls, credentials: Credentials, url: str, *, ssl: bool | None = None
    ) -> AsyncIterator[RawApp]:
        """An app at the other end of a WebSocket (RFC 7118)."""
        app = cls(credentials, f"{secrets.token_hex(6)}.invalid", "WS")
        verify = True if ssl is None else ssl
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=("sip",), ssl=verify) as opened,
        ):
            assert opened.protocol == "sip"
            app._socket = opened
            reader = asyncio.create_task(app._read(opened), name="raw-app")
            try:
                yield app
            finally:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reader

    async def _read(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        async for message in opened:
            data = message.data if isinstance(message.data, bytes) else message.data.encode()
            self.take(data)

    def take(self, data: bytes) -> None:
        """Keep what came."""
        if data.strip(b"\r\n\0"):
            self.received.append(Message(data))
            self._news.set()

    async def send(self, data: bytes) -> None:
        """One message, as it is."""
        if self._out is not None:
            self._out.sendto(data)
        elif self._socket is not None:
            await self._socket.send_bytes(data)

    # -- what an app says ------------------------------------------------------------------------

    async def register(
        self,
        *,
        expires_s: int = 300,
        to: str | None = None,
        from_: str | None = None,
        credentials: Credentials | None = None,
    ) -> Message:
        """REGISTER, answer the challenge; the last answer."""
        user = self.credentials.username
        return await self.ask(
            "REGISTER",
            "sip:maskline",
            to=f"<sip:{to or user}@maskline>",
            from_=f"<sip:{from_ or user}@maskline>",
            headers=(f"Contact: <{self.contact}>", f"Expires: {expires_s}"),
            credentials=credentials,
        )

    @property
    def contact(self) -> str:
        """Where it says it is."""
        return f"sip:here@{self.via};transport={self.transport.lower()}"

    async def ask(
        self,
        method: str,
        uri: str,
        *,
        to: str,
        from_: str,
        headers: tuple[str, ...] = (),
        body: str = "",
        credentials: Credentials | None = None,
    ) -> Message:
        """A request out of dialog, sent again with credentials if asked; the final answer."""
        call_id, tag = secrets.token_hex(8), secrets.token_hex(4)
        answer = Message(b"")
        more: tuple[str, ...] = ()
        for number in (1, 2):
            branch = f"z9hG4bK{secrets.token_hex(6)}"
            lines = (
                f"Via: SIP/2.0/{self.transport} {self.via};branch={branch};rport",
                "Max-Forwards: 70",
                f"From: {from_};tag={tag}",
                f"To: {to}",
                f"Call-ID: {call_id}",
                f"CSeq: {number} {method}",
                *headers,
                *more,
            )
            await self.send(join(f"{method} {uri} SIP/2.0", lines, body))
            answer = await self.answer(call_id, number)
            if method == "INVITE":
                await self._acknowledge(uri, lines, answer, number)
            if answer.status not in (401, 407) or number == 2:
                break
            given = credentials or self.credentials
            more = (digest(given, method, uri, answer.header("www-authenticate")),)
        return answer

    async def ask_once(
        self, method: str, uri: str = "sip:maskline", headers: tuple[str, ...] = ()
    ) -> Message:
        """A request without credentials; its final answer."""
        mine = f"<sip:{self.credentials.username}@maskline>"
        call_id = secrets.token_hex(8)
        lines = (
            f"Via: SIP/2.0/{self.transport} {self.via};branch=z9hG4bK{secrets.token_hex(6)};rport",
            "Max-Forwards: 70",
            f"From: {mine};tag={secrets.token_hex(4)}",
            f"To: {mine}",
            f"Call-ID: {call_id}",
            f"CSeq: 1 {method}",
            *headers,
        )
        await self.send(join(f"{method} {uri} SIP/2.0", lines))
        answer = await self.answer(call_id, 1)
        if method == "INVITE":
            await self._acknowledge(uri, lines, answer, 1)
        return answer

    async def _acknowledge(
        self, uri: str, lines: tuple[str, ...], answer: Message, number: int
    ) -> None:
        if answer.status >= 300:
            kept = [line for line in lines[:3] if not line.startswith("To:")]
            kept += [f"To: {answer.header('to')}", *lines[4:5], f"CSeq: {number} ACK"]
            await self.send(join(f"ACK {uri} SIP/2.0", kept))

    async def answer(self, call_id: str, number: int, timeout_s: float = PATIENCE_S) -> Message:
        """The final answer to our request."""

        def final(message: Message) -> bool:
            return (
                not message.is_request
                and message.call_id == call_id
                and message.header("cseq").startswith(f"{number} ")
                and message.status >= 200
            )

        return await self.wait(final, timeout_s)

    async def request(self, method: str, timeout_s: float = PATIENCE_S) -> Message:
        """A request that came to us."""
        return await self.wait(lambda one: one.is_request and one.method == method, timeout_s)

    async def reply(self, request: Message, status: str, headers: tuple[str, ...] = ()) -> None:
        """Answer a request."""
        await self.send(answer_to(request, status, headers))

    async def wait(self, wanted: Callable[[Message], bool], timeout_s: float) -> Message:
        """The first message that is `wanted`."""
        async with asyncio.timeout(timeout_s):
            while True:
                for message in self.received:
                    if wanted(message):
                        return message
                self._news.clear()
                await self._news.wait()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, app: RawApp) -> None:
        self._app = app

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._app.take(data)


def digest(credentials: Credentials, method: str, uri: str, challenge: str) -> str:
    """The Authorization header for a challenge (RFC 7616, MD5, qop=auth)."""
    asked = dict(_FIELD.findall(challenge))
    first = ha1(credentials.username, credentials.password, asked["realm"])
    second = _md5(f"{method}:{uri}")
    cnonce, count = secrets.token_hex(4), "00000001"
    text = f"{first}:{asked['nonce']}:{count}:{cnonce}:auth:{second}"
    response = _md5(text)
    parts = {
        "username": credentials.username,
        "realm": asked["realm"],
        "nonce": asked["nonce"],
        "uri": uri,
        "response": response,
        "cnonce": cnonce,
    }
    quoted = ", ".join(f'{name}="{value}"' for name, value in parts.items())
    extra = f', opaque="{asked["opaque"]}"' if "opaque" in asked else ""
    return f"Authorization: Digest {quoted}, algorithm=MD5, qop=auth, nc={count}{extra}"
