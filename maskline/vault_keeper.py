"""Keeps a process's vault keys up to date, and turns the crank of a rotation.

Every process says in the database which keys it knows and which it seals with; those that serve the
API also carry a rotation on, step by step. Any of them may die at any moment, at any step: another,
or the same started again, goes on. It must never take a step for which somebody is not ready.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn, assert_never

from sqlalchemy import Connection, select

from maskline.watching import Complaint
from storage import audit, key_file, rotation
from storage.audit import Action, Entry
from storage.database import Database
from storage.errors import StorageError, VaultError
from storage.rotation import Reader, Rotation, State
from storage.schema import ingest_checkpoints
from storage.vault import Vault

_log = logging.getLogger("maskline.vault")
_REPORT_S: Final = 10.0  # between reports while nothing happens
_REST: Final = 3.0  # after a work, pause so many times what it took
_REST_MAX_S: Final = 1.0
_LEAVE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """How a process takes part."""

    name: str  # of the process, for people: host and number
    turns: bool = True  # it carries rotations on
    node: str | None = None  # whose event files it reads, and where they are
    spool: Path | None = None
    every_s: float = 1.0
    settled: timedelta = rotation.SETTLED


class VaultKeeper:
    """`run` it in every process that has a vault."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        clock: Callable[[], datetime],
        settings: KeeperSettings,
    ) -> None:
        self._db = db
        self._vault = vault
        self._clock = clock
        self._settings = settings
        self._said: Reader | None = None
        self._said_s = 0.0
        self._stuck = Complaint(_log, "the vault's keys are not looked after")
        self._unread = Complaint(_log, "the vault's keys stay as they are")

    async def run(self) -> NoReturn:
        """Until cancelled. What fails is tried again."""
        try:
            while True:
                try:
                    await self.turn()
                    self._stuck.over()
                except (StorageError, OSError) as error:
                    self._stuck.about(error)
                await asyncio.sleep(self._settings.every_s)
        finally:
            with suppress(StorageError, TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await self.leave()

    async def turn(self) -> None:
        """Look once at everything; while there is something to seal anew, do it all."""
        self._refresh()
        now = await self._db.read(rotation.last)
        await self._report(now)
        if now is None:
            return
        self._follow(now)
        while self._settings.turns and now is not None and now.state is not State.DONE:
            further = await self._carry_on(now)
            if further == now:
                return
            now = further

    async def leave(self) -> None:
        """The process ends: nobody need wait for it."""
        await self._db.write(lambda conn: rotation.leave(conn, self._settings.name))

    def _refresh(self) -> None:
        try:
            self._vault.refresh()
            self._unread.over()
        except VaultError as error:
            self._unread.about(error)

    def _follow(self, now: Rotation) -> None:
        """Bring this machine's own key file to where the rotation is, if it has the key."""
        path = self._vault.path
        if path is None or now.to_key not in self._vault.known:
            return
        if now.state is State.DONE:
            if self._vault.known != {now.to_key} and self._vault.current == now.to_key:
                key_file.keep_only(path, now.to_key)
        elif now.state is not State.PUBLISHED and self._vault.current != now.to_key:
            key_file.use(path, now.to_key)
        self._vault.refresh()

    # -- reports ---------------------------------------------------------------------------------

    async def _report(self, now: Rotation | None) -> None:
        mine = Reader(
            self._settings.name, self._vault.known, self._vault.current, self._settings.node
        )
        if now is not None and now.state is State.DRAINING and self._settings.spool is not None:
            on_disk = await asyncio.to_thread(seals_on_disk, self._settings.spool)
            mine = replace(mine, on_disk=on_disk)
        due = time.monotonic() - self._said_s >= _REPORT_S
        if mine != self._said or due:
            at = self._clock()
            await self._db.write(lambda conn: rotation.report(conn, mine, at))
            self._said, self._said_s = mine, time.monotonic()

    # -- the crank -------------------------------------------------------------------------------

    async def _carry_on(self, now: Rotation) -> Rotation | None:
        """One step; the rotation as it is then, unchanged where it has to wait."""
        match now.state:
            case State.PUBLISHED:
                return await self._when_ready(now, State.SWITCHED, self._use)
            case State.SWITCHED:
                if self._clock() - now.state_at < self._settings.settled:
                    return await self._ready(now)
                return await self._when_ready(now, State.DRAINING)
            case State.DRAINING:
                return await self._when_ready(now, State.SEALING)
            case State.SEALING:
                return await self._seal(now)
            case State.DONE:
                return now
            case never:
                assert_never(never)

    async def _ready(self, now: Rotation) -> Rotation:
        """The same, after those who are not ready were noted."""
        at = self._clock()

        def work(conn: Connection) -> str | None:
            nodes = list(conn.scalars(select(ingest_checkpoints.c.node).distinct()))
            lack = rotation.lacks(now, rotation.readers(conn, at), sorted(nodes))
            if lack is None and now.state is State.DRAINING:
                older = set(rotation.staged(conn)) - {now.to_key}
                lack = "calls that are not over are sealed with an older key" if older else None
            if lack is not None:
                rotation.wait_for(conn, now, lack, at)
            return lack

        if await self._db.write(work) is None:
            return replace(now, waits_for=None)
        return now

    async def _when_ready(
        self, now: Rotation, state: State, first: Callable[[Rotation], None] | None = None
    ) -> Rotation | None:
        if (await self._ready(now)) is now:
            return now
        if first is not None:
            first(now)
        at = self._clock()
        await self._db.write(lambda conn: rotation.enter(conn, now, state, at))
        _log.info("rotation %d of the vault's key: %s", now.id, state.value)
        further = await self._db.read(rotation.last)
        await self._report(further)
        return further

    def _use(self, now: Rotation) -> None:
        if self._vault.path is not None:
            key_file.use(self._vault.path, now.to_key)
            self._vault.refresh()

    async def _seal(self, now: Rotation) -> Rotation | None:
        if not rotation.pass_is_over(now):
            begun = time.monotonic()
            further = await self._db.write(lambda conn: rotation.step(conn, self._vault, now.id))
            await asyncio.sleep(min(_REST_MAX_S, _REST * (time.monotonic() - begun)))
            return further
        if now.pass_found:
            await self._db.write(lambda conn: rotation.again(conn, now))
            return await self._db.read(rotation.last)
        if self._vault.path is not None:
            key_file.keep_only(self._vault.path, now.to_key)
            self._vault.refresh()
        at = self._clock()

        def work(conn: Connection) -> None:
            if rotation.enter(conn, now, State.DONE, at):
                facts = {"key": now.to_key, "values": sum((now.proof or {}).values())}
                facts |= {"resealed": now.resealed, "passes": now.passes, "broken": now.broken}
                audit.append(
                    conn, Entry(at, audit.SYSTEM, Action.KEYS_ROTATED, "vault", facts=facts)
                )

        await self._db.write(work)
        _log.info("rotation %d of the vault's key: done, the older keys are gone", now.id)
        return await self._db.read(rotation.last)


def seals_on_disk(spool: Path) -> dict[int, int]:
    """Of all event files that are still there how many seals of which key their rows carry."""
    found: Counter[int] = Counter()
    for path in sorted(spool.glob("events.jsonl*")):
        try:
            with path.open("rb") as file:
                for line in file:
                    if b";who=" in line:
                        found.update(rotation.seals_in(line))
        except FileNotFoundError:
            continue
    return dict(found)
