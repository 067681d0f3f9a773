"""Keeps what is stored in order: lets go of what is over, tells of what is coming.

Chores, each in small works of its own, so that no caller waits long for one; several processes may
do them at once. No call depends on any of it: whoever looks at a row also looks at its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection

from storage import coming_ends, idempotency, listings, pressure, sessions, tallies
from storage.database import Database
from storage.errors import StorageError
from storage.places import Entropy
from storage.vault import Vault

_log = logging.getLogger("maskline.upkeep")
EVERY_S: Final = 60.0
SURVEY_EVERY: Final = 60  # rounds
_WORKS: Final = 50  # of one chore in one round, at most


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to be done in works of a bounded size."""

    name: str
    work: Callable[[Connection, datetime], int]  # does at most `at_once`; says how many it did
    at_once: int


def _chore(name: str, work: Callable[..., int], at_once: int) -> Chore:
    return Chore(name, partial(work, at_most=at_once), at_once)


def all_chores(vault: Vault, entropy: Entropy) -> tuple[Chore, ...]:
    """Every chore there is; what the platform is told of comes first."""

    def rotate(conn: Connection, now: datetime, *, at_most: int) -> int:
        return listings.rotate_due(conn, vault, now, entropy, at_most=at_most)

    return (
        _chore("telling of coming ends", coming_ends.tell, 200),
        _chore("rotating listing numbers", rotate, 20),
        _chore("counting what is held", pressure.recount, 50),
        _chore("releasing places of sessions", sessions.sweep, 500),
        _chore("releasing places of listings", listings.sweep, 500),
        _chore("forgetting answers", idempotency.sweep, 500),
        _chore("forgetting callers' days", tallies.sweep_days, 500),
        _chore("forgetting wrong digits", tallies.sweep_tries, 500),
    )


async def keep_tidy(
    db: Database,
    clock: Callable[[], datetime],
    chores: Sequence[Chore],
    *,
    every_s: float = EVERY_S,
) -> None:
    """Do `chores` every `every_s` seconds until cancelled; what fails is tried next time."""
    rounds = 0
    while True:
        await asyncio.sleep(every_s)
        for chore in chores:
            try:
                await _do(chore, db, clock)
            except StorageError as error:
                _log.warning("%s is put off: %s", chore.name, error)
        if rounds % SURVEY_EVERY == 0:
            try:
                await _survey(db, clock)
            except StorageError as error:
                _log.warning("the survey of pools is put off: %s", error)
        rounds += 1


async def _do(chore: Chore, db: Database, clock: Callable[[], datetime]) -> None:
    """Until a work finds less than it might have, or the round has seen enough of it."""
    for _ in range(_WORKS):
        if await db.write(lambda conn: chore.work(conn, clock())) < chore.at_once:
            return
    _log.info("%s goes on in the next round", chore.name)


async def _survey(db: Database, clock: Callable[[], datetime]) -> None:
    """Find those who hold most of each pool, for those who plan; reading, then a short write."""
    found = await db.read(pressure.survey)
    await db.write(lambda conn: pressure.watch(conn, found, clock()))
