"""Answers Asterisk's look-ups of apps, over loopback HTTP; Asterisk then knows them by itself.

    POST /SECRET/ps_endpoints/single    id=app_…    ->  id=app_…&aors=app_…&…, or nothing

It reads one account by its name and never lists them: asked for many, it has none. Who does not
know the path is told nothing. It must answer quickly whatever happens, for a thread of Asterisk's
that serves SIP waits: what cannot be a user name is never looked up, and a look-up has a deadline.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn, Protocol
from urllib.parse import parse_qs

from aiohttp import web

from telephony.app_rows import AppAccount, AppServing, Family, is_app, row
from telephony.errors import PortTaken

__all__ = ["AppAccounts", "Directory", "DirectoryCounters", "lookup_listener"]

HOST = "127.0.0.1"
_LONGEST = 1024  # bytes of a question
_WITHIN_S = 1.5  # below the two seconds that Asterisk waits (extensions.conf)
FRESH_S = 0.5
"""How long an account is good for Asterisk's other questions about it."""
_MOST_FRESH = 1_000
_KEEP_S = 600.0  # each of Asterisk's threads keeps a connection
_BACKLOG = 128
_FAMILIES = {family.value: family for family in Family}


def lookup_listener(port: int) -> socket.socket:
    """Take the port for look-ups; who comes waits until it is served. Raises PortTaken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # The one before us may have left connections behind.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the socket's own interface
    except OSError as error:
        listener.close()
        raise PortTaken("look-ups", HOST, port, "it is in use") from error
    return listener


class AppAccounts(Protocol):
    """Who may register. Wired to storage."""

    async def account(self, username: str) -> AppAccount | None:
        """The live account of that name; None: unknown, expired or revoked."""


@dataclass(slots=True)
class DirectoryCounters:
    """Running totals, for metrics."""

    asked: int = 0
    unknown: int = 0  # nobody's name, or no longer
    failed: int = 0  # the look-up raised or took too long: Asterisk takes it for unknown


class Directory:
    """One node's. `given` is told of every account before Asterisk is."""

    def __init__(
        self,
        accounts: AppAccounts,
        serving: AppServing,
        secret: str,
        *,
        given: Callable[[AppAccount], None],
        on_error: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._accounts = accounts
        self._serving = serving
        self._prefix = f"/{secret}/".encode()
        self._given = given
        self._on_error = on_error
        self._fresh: dict[str, tuple[float, AppAccount]] = {}  # the oldest first
        self.counters = DirectoryCounters()

    def forget(self, usernames: Iterable[str]) -> None:
        """These are over: look them up anew."""
        for username in usernames:
            self._fresh.pop(username, None)

    async def serve(self, listener: socket.socket) -> NoReturn:
        """Answer whoever comes to `listener` until cancelled; then it is closed."""
        runner = web.ServerRunner(
            web.Server(self._answer, access_log=None, keepalive_timeout=_KEEP_S)
        )
        try:
            await runner.setup()
            await web.SockSite(runner, listener).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
            listener.close()
        raise asyncio.CancelledError

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        """One look-up. Nothing found is an empty answer: Asterisk then challenges as ever."""
        asked = request.raw_path.encode()
        known = asked[: len(self._prefix)]
        if request.method != "POST" or not hmac.compare_digest(known, self._prefix):
            return web.Response(status=404)
        family, _, kind = asked.removeprefix(self._prefix).decode("ascii", "replace").partition("/")
        if (request.content_length or 0) > _LONGEST:
            return web.Response(status=413)
        self.counters.asked += 1
        names = parse_qs((await request.read()).decode("ascii", "replace")).get("id", [])
        # Asked for more than one by name, there is none.
        if kind != "single" or family not in _FAMILIES or len(names) != 1 or not is_app(names[0]):
            self.counters.unknown += 1
            return web.Response()
        return web.Response(text=await self._look_up(_FAMILIES[family], names[0]))

    async def _look_up(self, family: Family, username: str) -> str:
        try:
            account = self._known(username)
            if account is None:
                async with asyncio.timeout(_WITHIN_S):
                    account = await self._accounts.account(username)
                if account is None:
                    self.counters.unknown += 1
                    return ""
                self._given(account)
                self._keep(account)
            return row(family, account, self._serving)
        except Exception as error:  # noqa: BLE001 - Asterisk's thread must not wait for our trouble
            self.counters.failed += 1
            self._on_error(error)
            return ""

    def _known(self, username: str) -> AppAccount | None:
        """One that was looked up a moment ago: Asterisk asks three times in a row."""
        at_s, account = self._fresh.get(username, (0.0, None))
        fresh = asyncio.get_running_loop().time() - at_s < FRESH_S
        return account if fresh else None

    def _keep(self, account: AppAccount) -> None:
        self._fresh[account.username] = (asyncio.get_running_loop().time(), account)
        if len(self._fresh) > _MOST_FRESH:
            del self._fresh[next(iter(self._fresh))]
