"""Shuts out apps whose credentials are over: at once when told, else within a second.

A credential expires, or is revoked, here or in another process; Asterisk, which knows by itself
whom it once asked for, has to be told. Registration and new calls end, a call that is up goes on.
Never looks at those that no node knows.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from maskline.app_devices import Devices
from maskline.watching import Complaint, follow
from storage import apps
from storage.apps import AppCredential
from storage.database import Database
from storage.errors import StorageError
from telephony.ami import AmiError
from telephony.app_rows import AppAccount
from telephony.registrations import Registrations

_log = logging.getLogger("maskline.apps")
LOOK_EVERY_S = 1.0
AGAIN_S = 3.0
"""An answer that was on its way to Asterisk may have come after it was told to forget: it waits for
two seconds, and an account is good for half a second more (`telephony.directory`)."""
_BACK = timedelta(seconds=30)  # a revocation is seen when it is committed, not when it is made
_AT_ONCE = 500


class AppNode(Protocol):
    """What is asked of a node. Each raises AmiError where it cannot be told."""

    async def ask_anew(self) -> None:
        """Forget what it knows of apps."""

    async def app_contacts(self) -> tuple[str, ...]:
        """The ids of all contacts of apps."""

    async def shut_out(self, usernames: Sequence[str], contacts: Sequence[str]) -> None:
        """Forget these, and where they are."""


@dataclass(order=True, slots=True)
class _Timed:
    at: datetime
    username: str = field(compare=False)


class AppWatch:
    """One node's. `run` must be somebody's task."""

    def __init__(
        self,
        db: Database,
        node: AppNode,
        registrations: Registrations,
        devices: Devices,
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._node = node
        self._registrations = registrations
        self._devices = devices
        self._clock = clock
        self._looked: datetime = clock()
        self._given: dict[str, datetime] = {}  # what Asterisk may know, and until when
        self._expiries: list[_Timed] = []
        self._again: list[_Timed] = []
        self._owed: set[str] = set()  # to be shut out as soon as Asterisk can be told
        self._turn = asyncio.Lock()
        self._nudge = asyncio.Event()
        self._complaint = Complaint(_log, "apps whose time is over are not shut out yet")

    def given(self, account: AppAccount) -> None:
        """Asterisk is told of this one now."""
        self._remember(account.username, account.user_id, account.expires_at)

    async def connected(self) -> None:
        """Take stock of a node that was just reached. Raises AmiError.

        What it learnt before, it is to ask anew: credentials may have ended meanwhile.
        """
        await self._node.ask_anew()
        self._registrations.take_stock(await self._node.app_contacts())
        self._nudge.set()

    async def over(self, usernames: Sequence[str]) -> None:
        """These are over: return when the node has shut them out. Raises AmiError."""
        self._owed.update(name for name in usernames if self._may_be_known(name))
        await self._shut_out()

    async def run(self) -> None:
        """Follow what is stored until cancelled."""
        await follow(
            self.look, self._nudge, LOOK_EVERY_S, (AmiError, StorageError), self._complaint
        )

    async def look(self) -> None:
        """Shut out whoever is over by now. Raises AmiError, StorageError."""
        now = self._clock()
        since = self._looked - _BACK
        for one in await self._db.read(lambda conn: apps.ended_since(conn, since, now)):
            if self._may_be_known(one.username):
                self._owed.add(one.username)
        self._looked = now
        await self._learn(self._devices.unowned(), now)
        self._owed.update(_due(self._expiries, now) & self._given.keys())
        self._owed.update(_due(self._again, now))
        await self._shut_out()

    async def _learn(self, usernames: Sequence[str], now: datetime) -> None:
        """Whose these are; those of nobody, or whose time is over, are shut out."""
        for begin in range(0, len(usernames), _AT_ONCE):
            some = usernames[begin : begin + _AT_ONCE]
            found = {one.username: one for one in await self._db.read(_known(some))}
            for username in some:
                one = found.get(username)
                if one is None or one.revoked_at is not None or one.expires_at <= now:
                    self._owed.add(username)
                else:
                    self._remember(username, one.user_id, one.expires_at)

    async def _shut_out(self) -> None:
        async with self._turn:
            names = sorted(self._owed)
            if not names:
                return
            contacts = [one for name in names for one in self._registrations.contacts(name)]
            await self._node.shut_out(names, contacts)
            again = self._clock() + timedelta(seconds=AGAIN_S)
            for name in names:
                self._owed.discard(name)
                if self._may_be_known(name):
                    heapq.heappush(self._again, _Timed(again, name))
                self._registrations.forget(name)
                self._devices.forget(name)
                self._given.pop(name, None)

    def _remember(self, username: str, user_id: str, expires_at: datetime) -> None:
        self._devices.learn(username, user_id)
        if self._given.get(username) != expires_at:
            self._given[username] = expires_at
            heapq.heappush(self._expiries, _Timed(expires_at, username))

    def _may_be_known(self, username: str) -> bool:
        return username in self._given or username in self._registrations


def _known(usernames: Iterable[str]) -> Callable[..., tuple[AppCredential, ...]]:
    wanted = tuple(usernames)
    return lambda conn: apps.known(conn, wanted)


def _due(timed: list[_Timed], now: datetime) -> set[str]:
    due: set[str] = set()
    while timed and timed[0].at <= now:
        due.add(heapq.heappop(timed).username)
    return due
