"""Apps on a node: who may register, who is there, and a directory that a test can end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from masking.ids import app_username
from telephony.app_config import app_serving
from telephony.app_rows import AppAccount, AppKind
from telephony.controller import Controller
from telephony.directory import Directory, lookup_listener
from telephony.node import Node
from telephony.registrations import PROVED_EVENT, Registrations, ask_over
from tests.integration.telephony.conftest import NET, Bench
from tests.support.raw_app import Credentials, RawApp, ha1

APP_HOST = f"{NET}.24"
OTHER_HOST = f"{NET}.25"

SOON = timedelta(hours=1)


@dataclass
class Accounts:
    """Who may register, as a test says."""

    known: dict[str, AppAccount] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def account(self, username: str) -> AppAccount | None:
        self.asked.append(username)
        return self.known.get(username)

    def add(self, kind: AppKind = AppKind.SIP) -> Credentials:
        now = datetime.now(UTC)
        made = Credentials(app_username(now, secrets.token_bytes(10)), secrets.token_urlsafe(24))
        hashed = ha1(made.username, made.password)
        self.known[made.username] = AppAccount(made.username, "u-1", hashed, now + SOON, kind)
        return made


@dataclass
class Apps:
    """A node with a directory, a controller, and who is registered."""

    bench: Bench
    node: Node
    controller: Controller
    registrations: Registrations
    accounts: Accounts
    directory: Directory
    serving: asyncio.Task[Any]

    def udp(
        self, who: Credentials, host: str = APP_HOST
    ) -> contextlib.AbstractAsyncContextManager[RawApp]:
        return RawApp.over_udp(who, self.bench.sip, host)

    def ws(self, who: Credentials) -> contextlib.AbstractAsyncContextManager[RawApp]:
        return RawApp.over_ws(who, self.ws_url)

    @property
    def ws_url(self) -> str:
        host, port = self.node.ws_address
        return f"ws://{host}:{port}/ws"

    async def shut_out(self, who: Credentials) -> None:
        """What `maskline.app_watch` does with one whose time is over."""
        del self.accounts.known[who.username]
        self.directory.forget([who.username])
        await self.node.shut_out([who.username], self.registrations.contacts(who.username))
        self.registrations.forget(who.username)


@asynccontextmanager
async def opened(bench: Bench) -> AsyncIterator[Apps]:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(bench.node())
        accounts = Accounts()
        directory = Directory(
            accounts, app_serving(bench.settings), node.lookup_secret, given=lambda _: None
        )
        serving = asyncio.create_task(directory.serve(lookup_listener(node.lookup_port)))
        stack.push_async_callback(end, serving)
        controller = await stack.enter_async_context(bench.controller(node))
        registrations = Registrations(ask_over(controller.link))
        heard = controller.link.subscribe((PROVED_EVENT,), name="apps")
        for work in (heard.run(registrations.heard), registrations.run()):
            stack.push_async_callback(end, asyncio.ensure_future(work))
        yield Apps(bench, node, controller, registrations, accounts, directory, serving)


async def end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
