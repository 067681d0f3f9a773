"""Keeps what is stored in order: lets go of what is over, tells of what is coming.

Chores, each in small works of its own, so that no caller waits long for one; several processes may
do them at once. No call depends on any of it: whoever looks at a row also looks at its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from cdr.erasure import carry_on
from storage import (
    alarms,
    analytics_upkeep,
    apps,
    call_tallies,
    coming_ends,
    idempotency,
    listings,
    pressure,
    retention,
    sessions,
    staff_attempts,
    staff_sessions,
    tallies,
)
from storage.database import Database
from storage.errors import StorageError
from storage.places import Entropy
from storage.retention import DEFAULT_TERMS, Terms, Work
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


def all_chores(vault: Vault, entropy: Entropy, terms: Terms = DEFAULT_TERMS) -> tuple[Chore, ...]:
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
        _chore("forgetting credentials of apps", apps.sweep, 500),
        _chore("forgetting hours that caps count", call_tallies.sweep_hours, 500),
        _chore("forgetting runs of unanswered calls", call_tallies.sweep_runs, 500),
        _chore("making days of hours that are counted", analytics_upkeep.roll_up, 500),
        _chore("forgetting days that are counted", analytics_upkeep.sweep, 500),
        _chore("forgetting sessions of the console", staff_sessions.sweep, 500),
        _chore("forgetting attempts to sign in", staff_attempts.sweep, 500),
        _chore("forgetting alarms that are over", alarms.sweep, 500),
        Chore("erasing people", lambda conn, now: carry_on(conn, vault, now), 1),
        *(
            _chore(f"letting go of {kind}", partial(_let_go, kind, term, work), 200)
            for kind, term, work in retention.kinds(terms)
        ),
    )


def _let_go(
    kind: str, term: timedelta, work: Work, conn: Connection, now: datetime, *, at_most: int
) -> int:
    return retention.let_go(conn, kind, term, work, now, at_most=at_most)


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
