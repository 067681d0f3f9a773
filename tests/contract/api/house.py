"""A running API for tests: real server, real database, fakes only for the node.

It remembers every byte that was answered and every line that was logged, and at the end searches
all of it for every phone that was sent in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from api.app import create_runner
from api.services import ApiSettings, AppTransports, Health, NodeElsewhere, Services
from cdr.recording_files import RecordingFiles
from masking.ids import call_id
from masking.live import CannotNow, LiveRefused
from masking.model import Role
from masking.plan import Channel
from storage import keys
from storage.database import Database
from storage.keys import KeyRole
from storage.vault import Vault
from tests.contract.api.memory import Lines, Memory, phones_in
from tests.support.app_events import EventReader

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
    apart: bool = False  # in another process
    shut_out: list[tuple[str, ...]] = field(default_factory=list)
    apps: set[str] = field(default_factory=set)  # that are registered
    handed_over: list[tuple[str, str, Channel]] = field(default_factory=list)
    clicked: list[tuple[str, str]] = field(default_factory=list)
    refuses: CannotNow | None = None

    def live_calls(self) -> tuple[LiveCallDouble, ...]:
        return tuple(self.calls.values())

    async def hang_up(self, call_id: str) -> None:
        if self.apart:
            raise NodeElsewhere
        if self.away:
            raise ConnectionError
        del self.calls[call_id]

    async def trunks_changed(self) -> None:
        self.told += 1
        if self.away:
            raise ConnectionError

    async def hand_over(self, call_id: str, user_id: str, to: Channel) -> None:
        self._may()
        if call_id not in self.calls:
            raise LookupError(call_id)
        self.handed_over.append((call_id, user_id, to))

    async def click(self, session_id: str, user_id: str) -> str:
        self._may()
        self.clicked.append((session_id, user_id))
        return call_id("node", str(len(self.clicked)))

    def _may(self) -> None:
        if self.apart:
            raise NodeElsewhere
        if self.away:
            raise ConnectionError
        if self.refuses is not None:
            raise LiveRefused(self.refuses)

    async def apps_changed(self, usernames: Sequence[str]) -> None:
        self.shut_out.append(tuple(usernames))
        if self.away:
            raise ConnectionError

    def registered(self, usernames: Collection[str]) -> frozenset[str]:
        return frozenset(self.apps.intersection(usernames))

    async def probe(self) -> Health:
        return Health(ok=not self.away, detail="", gauges={"calls": len(self.calls)})


class House:
    """The running API and the ways to ask it."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        settings: ApiSettings,
        recordings: RecordingFiles | None = None,
        exports: Path | None = None,
    ) -> None:
        self.db = db
        self.clock = Clock()
        self.node = Node()
        self.memory = Memory()
        self.keys: dict[str, str] = {}
        self.transports = AppTransports(ws_url="ws://sip.test:8088/ws", udp="sip.test:5060")
        self.services = Services(
            db=db,
            vault=vault,
            clock=self.clock,
            entropy=os.urandom,
            trunks_changed=self.node.trunks_changed,
            live=self.node,
            settings=settings,
            health={"node": self.node.probe},
            apps_changed=self.node.apps_changed,
            devices=self.node,
            transports=lambda: self.transports,
            recordings=recordings,
            exports=exports,
        )
        self.runner: web.AppRunner = create_runner(self.services)
        self.port = 0
        self._http: aiohttp.ClientSession | None = None
        self._handler = Lines(self.memory)
        self._level = logging.getLogger().level

    async def open(self) -> None:
        logging.getLogger().addHandler(self._handler)
        logging.getLogger().setLevel(logging.DEBUG)
        for role in KeyRole:
            self.keys[role.value] = await self._make_key(role)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        jar = aiohttp.DummyCookieJar()  # whoever has cookies sends them
        self._http = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", cookie_jar=jar)

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
        follow: bool = True,
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
        async with self._http.request(
            method, url, data=data, headers=sent, allow_redirects=follow
        ) as response:
            answered = await response.read()
            head = b"\n".join(b": ".join(pair) for pair in response.raw_headers)
            self.memory.answers.append(head + b"\n\n" + answered)
            return Reply(response.status, response.headers, answered)

    async def credential(self, user_id: str = "u-1", **wishes: object) -> dict[str, Any]:
        """A new credential as the API answers it."""
        path = f"/v1/users/{user_id}/app-credentials"
        reply = await self.ask("POST", path, wishes, role="platform")
        assert reply.status == 201, reply.body
        made: dict[str, Any] = reply.json()
        return made

    async def ask_app(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request as an app."""
        sent = {**(headers or {}), "Authorization": f"Bearer {token}"}
        return await self.ask(method, path, body, role=None, headers=sent)

    @asynccontextmanager
    async def events(self, token: str, *, after: int | None = None) -> AsyncIterator[EventReader]:
        """Listen to an app's events."""
        async with self.follow("/v1/app/events", token, after=after) as reader:
            yield reader

    @asynccontextmanager
    async def follow(
        self, path: str, bearer: str, *, after: int | None = None, cookie: str | None = None
    ) -> AsyncIterator[EventReader]:
        """Listen to any stream of events."""
        assert self._http is not None
        sent = {"Authorization": f"Bearer {bearer}"} if cookie is None else {"Cookie": cookie}
        if after is not None:
            sent["Last-Event-ID"] = str(after)
        async with self._http.get(path, headers=sent) as response:
            yield EventReader(response, self.memory.answers.append)

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
