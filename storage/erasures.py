"""Erasures as they are kept: asked for, carried out step by step, and then a receipt.

Whom one is about is sealed while it goes on, and gone afterwards; the keyed digest that stays says
of a user id whether its person was erased, to who has the id. Carrying out: `cdr.erasure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select, update

from storage.people import Person
from storage.schema import erasures
from storage.vault import Vault

WATCHED: Final = timedelta(hours=26)
"""An hour longer than the longest call, and one more, something of it may come in late."""
_BY_ID: Final = erasures.c.id == bindparam("wanted")


class State(StrEnum):
    """How far an erasure is."""

    RUNNING = "running"
    WATCHING = "watching"  # all that was there is gone; what comes in late is erased too
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure, and its receipt."""

    id: str
    state: State
    step: int
    after: Any = field(repr=False)
    counts: Mapping[str, int]
    asked_by: str | None
    requested_at: datetime
    finished_at: datetime | None
    watch_until: datetime | None
    person_sealed: bytes | None = field(repr=False)

    def person(self, vault: Vault) -> Person | None:
        """Whom it is about; None: it is over. Raises SealBroken."""
        sealed = self.person_sealed
        return None if sealed is None else Person.of_text(vault.open_secret(sealed))


def subject_of(vault: Vault, user_id: str) -> bytes:
    """What stands for a user in receipts."""
    return vault.digest(b"erasure of " + user_id.encode())


def begin(
    conn: Connection,
    vault: Vault,
    person: Person,
    *,
    new_id: str,
    asked_by: str | None,
    now: datetime,
) -> Erasure:
    """Keep that a person is to be erased. `new_id`: ``era_…``."""
    named = person.user_ids[0] if person.user_ids else ""
    row = {
        "id": new_id,
        "subject": subject_of(vault, named),
        "person_sealed": vault.seal_secret(person.text()),
        "state": State.RUNNING.value,
        "step": 0,
        "after": None,
        "counts": {},
        "asked_by": asked_by,
        "requested_at": now,
    }
    conn.execute(erasures.insert(), row)
    found = get(conn, new_id)
    assert found is not None
    return found


def get(conn: Connection, erasure_id: str) -> Erasure | None:
    """The erasure with this id."""
    row = conn.execute(select(erasures).where(_BY_ID), {"wanted": erasure_id}).first()
    return None if row is None else _erasure(row)


def locked(conn: Connection, erasure_id: str) -> Erasure | None:
    """The same; nobody else carries it on until our transaction ends."""
    query = select(erasures).where(_BY_ID).with_for_update()
    row = conn.execute(query, {"wanted": erasure_id}).first()
    return None if row is None else _erasure(row)


def of_user(conn: Connection, vault: Vault, user_id: str) -> tuple[Erasure, ...]:
    """The erasures of this user, the newest first."""
    query = (
        select(erasures)
        .where(erasures.c.subject == subject_of(vault, user_id))
        .order_by(erasures.c.requested_at.desc(), erasures.c.id.desc())
        .limit(100)
    )
    return tuple(map(_erasure, conn.execute(query)))


def unfinished(conn: Connection, at_most: int = 100) -> tuple[Erasure, ...]:
    """Those that run, then those that watch, the oldest first.

    Many may watch at once, for a day each: none that runs is to wait for them.
    """
    watches = erasures.c.state == State.WATCHING.value
    query = (
        select(erasures)
        .where(erasures.c.state.in_((State.RUNNING.value, State.WATCHING.value)))
        .order_by(watches, erasures.c.requested_at, erasures.c.id)
        .limit(at_most)
    )
    return tuple(map(_erasure, conn.execute(query)))


def keep(
    conn: Connection,
    erasure: Erasure,
    *,
    step: int,
    after: Any,  # noqa: ANN401 (JSON)
    counts: Mapping[str, int],
) -> None:
    """Keep how far it is."""
    values = {"step": step, "after": after, "counts": dict(counts)}
    conn.execute(update(erasures).where(_BY_ID).values(values), {"wanted": erasure.id})


def enter(conn: Connection, erasure: Erasure, state: State, now: datetime) -> None:
    """Go on to `state`. Once it is done, whom it was about is nowhere."""
    values: dict[str, Any] = {"state": state.value, "after": None}
    match state:
        case State.WATCHING:
            values |= {"finished_at": now, "watch_until": now + WATCHED}
        case State.DONE:
            values |= {"person_sealed": None, "watch_until": None}
        case State.RUNNING:
            values["step"] = 0
    conn.execute(update(erasures).where(_BY_ID).values(values), {"wanted": erasure.id})


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(
        id=row.id,
        state=State(row.state),
        step=row.step,
        after=row.after,
        counts=row.counts,
        asked_by=row.asked_by,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        watch_until=row.watch_until,
        person_sealed=row.person_sealed,
    )
