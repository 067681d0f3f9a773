"""A running API for tests: real server, real database, fakes only for the node.

It remembers every byte that was answered and every line that was logged, and at the end searches
all of it for every phone that was sent in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from api.app import create_runner
from api.services import ApiSettings, Health, Services
from masking.model import Role
from storage import keys
from storage.database import Database
from storage.keys import KeyRole
from storage.vault import Vault

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
BUYER, SELLER = "+79161234567", "+79267654321"
PROXY = "+74951110001"


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 (JSON)
        return json.loads(self.body)

    @property
    def error_id(self) -> str:
        """Of a problem document, which it checks to be one."""
        assert self.headers["Content-Type"].startswith("application/problem+json")
        problem = self.json()
        assert problem["status"] == self.status
        assert {"type", "title", "detail", "error_id", "request_id"} <= problem.keys()
        return str(problem["error_id"])

    @property
    def fields(self) -> dict[str, str]:
        """The fields that a problem names, with what is said of each."""
        return {one["field"]: one["detail"] for one in self.json().get("errors", ())}


@dataclass
class Clock:
    """Time that passes only when told to."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(frozen=True)
class LiveCallDouble:
    """A call on the node."""

    call_id: str
    since: datetime
    session_id: str | None = None
    caller: Role | None = Role.BUYER
    callee: Role | None = Role.SELLER
    trunk_in: str | None = "carrier-a"
    trunk_out: str | None = None
    state: str = "up"


@dataclass
class Node:
    """The node, as far as the API sees it."""

    calls: dict[str, LiveCallDouble] = field(default_factory=dict)
    told: int = 0  # how often trunks were said to have changed
    away: bool = False

    def live_calls(self) -> tuple[LiveCallDouble, ...]:
        return tuple(self.calls.values())

    async def hang_up(self, call_id: str) -> None:
        if self.away:
            raise ConnectionError
        del self.calls[call_id]

    async def trunks_changed(self) -> None:
        self.told += 1
        if self.away:
            raise ConnectionError

    async def probe(self) -> Health:
        return Health(ok=not self.away, detail="", gauges={"calls": len(self.calls)})


@dataclass
class Memory:
    """All that was sent in, answered and logged."""

    phones: set[str] = field(default_factory=set)
    answers: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def search(self) -> None:
        """Fail if a phone that was sent in is in any answer or log line, however it is spelt."""
        logged = "\n".join(self.lines).encode()
        for phone in self.phones:
            for spelling in spellings(phone):
                for answer in self.answers:
                    assert spelling not in answer, f"a phone was sent out, as {spelling!r}"
                assert spelling not in logged, f"a phone was logged, as {spelling!r}"


def spellings(phone: str) -> Iterator[bytes]:
    """How a phone may be written: whole, national, in groups, percent-encoded, in hexadecimal."""
    digits = phone.lstrip("+")
    tail = digits[-10:]
    groups = (tail[:3], tail[3:6], tail[6:8], tail[8:])
    texts = [digits, tail, quote(phone), "-".join(groups), " ".join(groups)]
    texts += [f"({groups[0]}) {groups[1]}-{groups[2]}-{groups[3]}", digits.encode().hex()]
    for text in texts:
        if len(text) >= 7:
            yield text.encode()


class _Lines(logging.Handler):
    def __init__(self, memory: Memory) -> None:
        super().__init__(logging.DEBUG)
        self._memory = memory
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._memory.lines.append(self.format(record))


class House:
    """The running API and the ways to ask it."""

    def __init__(self, db: Database, vault: Vault, settings: ApiSettings) -> None:
        self.db = db
        self.clock = Clock()
        self.node = Node()
        self.memory = Memory()
        self.keys: dict[str, str] = {}
        self.services = Services(
            db=db,
            vault=vault,
            clock=self.clock,
            entropy=os.urandom,
            trunks_changed=self.node.trunks_changed,
            live=self.node,
            settings=settings,
            health={"node": self.node.probe},
        )
        self.runner: web.AppRunner = create_runner(self.services)
        self.port = 0
        self._http: aiohttp.ClientSession | None = None
        self._handler = _Lines(self.memory)
        self._level = logging.getLogger().level

    async def open(self) -> None:
        logging.getLogger().addHandler(self._handler)
        logging.getLogger().setLevel(logging.DEBUG)
        for role in KeyRole:
            self.keys[role.value] = await self._make_key(role)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        self._http = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}")

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
        await self.runner.cleanup()
        logging.getLogger().removeHandler(self._handler)
        logging.getLogger().setLevel(self._level)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str | None = "admin",
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Reply:
        """Send one request: `body` as JSON, or `raw` as it is."""
        assert self._http is not None
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {self.keys[role]}")
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            self.memory.phones.update(phones_in(body))
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        url = URL(path, encoded=True)
        async with self._http.request(method, url, data=data, headers=sent) as response:
            answered = await response.read()
            head = b"\n".join(b": ".join(pair) for pair in response.raw_headers)
            self.memory.answers.append(head + b"\n\n" + answered)
            return Reply(response.status, response.headers, answered)

    async def say(self, text: bytes) -> bytes:
        """Send bytes that need not be HTTP; all that comes back until the server hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(text)
            await writer.drain()
            answered = await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()
            await writer.wait_closed()
        self.memory.answers.append(answered)
        return answered

    async def furnish(self, *numbers: str) -> None:
        """A trunk, and numbers in the default pool."""
        assert (await self.ask("POST", "/v1/trunks", trunk())).status == 201
        given = numbers or (PROXY,)
        sent = {"pool": "default", "trunk": "carrier-a", "numbers": list(given)}
        assert (await self.ask("POST", "/v1/numbers", sent)).status == 201

    async def open_session(self, **changes: object) -> dict[str, Any]:
        """A new session as the API answers it."""
        reply = await self.ask("POST", "/v1/sessions", session(**changes))
        assert reply.status == 201, reply.body
        made: dict[str, Any] = reply.json()
        return made

    async def _make_key(self, role: KeyRole) -> str:
        text = keys.new_key(os.urandom(keys.KEY_BYTES))
        hashed, now = keys.hash_key(text), self.clock()
        await self.db.write(
            lambda conn: keys.add(conn, key_hash=hashed, role=role, name=role.value, now=now)
        )
        return text


def phones_in(value: object) -> Iterator[str]:
    """Every phone in a body."""
    match value:
        case dict():
            for name, inner in value.items():
                if name == "phone" and isinstance(inner, str) and len(inner) >= 8:
                    yield inner
                else:
                    yield from phones_in(inner)
        case list():
            for inner in value:
                yield from phones_in(inner)
        case _:
            pass


def trunk(**changes: object) -> dict[str, Any]:
    """The contract's trunk."""
    return {
        "name": "carrier-a",
        "host": "127.0.0.2",
        "port": 5080,
        "transport": "udp",
        "auth": {"type": "ip"},
        "number_format": "e164",
        "codecs": ["alaw", "ulaw"],
        "max_channels": 100,
        "max_cps": 30,
    } | changes


def session(**changes: object) -> dict[str, Any]:
    """The contract's session."""
    return {
        "conversation_id": "chat-81",
        "listing": {"id": "L-42", "title": "Lada Vesta 2019"},
        "participants": [
            {"role": "buyer", "user_id": "u-1", "phone": BUYER, "name": "Anna", "rating": 4.9},
            {"role": "seller", "user_id": "u-2", "phone": SELLER, "name": "Petr", "rating": 4.7},
        ],
        "pool": "default",
        "ttl_s": 86400,
        "channel_policy": "app_then_gsm",
    } | changes


def participants(**of_buyer: object) -> list[dict[str, Any]]:
    """The contract's two, the buyer changed."""
    first, second = session()["participants"]
    return [first | of_buyer, second]
