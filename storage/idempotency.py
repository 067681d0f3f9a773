"""Idempotency keys: the same request sent again gets the same answer and has no second effect.

`claim` and `settle` belong into the transaction of the effect: then effect and answer are kept
together or not at all, and a second request that runs at once waits for the first. Where the effect
lies outside the database the two are separate writes, and a claim that was never settled may be
taken over once it is stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from storage.dialect import insert_if_absent
from storage.schema import idempotency_keys

KEEP: Final = timedelta(hours=24)
STALE: Final = timedelta(seconds=60)

_OURS: Final = (idempotency_keys.c.key_id == bindparam("of_key")) & (
    idempotency_keys.c.idempotency_key == bindparam("wanted")
)
_FIND: Final = select(idempotency_keys).where(_OURS).with_for_update()
_TAKE_OVER: Final = update(idempotency_keys).where(_OURS)
_SETTLE: Final = (
    update(idempotency_keys)
    .where(_OURS)
    .values(status=bindparam("new_status"), body=bindparam("new_body"))
)


@dataclass(frozen=True, slots=True)
class Fresh:
    """Never seen, or long ago: carry it out, then settle."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Carried out before: answer this."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for another request: refuse."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """The first request with this key is still being carried out: ask again later."""


Claim = Fresh | Replay | Mismatch | InFlight


def claim(
    conn: Connection, key_id: str, idempotency_key: str, request_hash: bytes, now: datetime
) -> Claim:
    """Say what a request is. `request_hash` must tell nothing: take it from `Vault.digest`.

    `key_id` is the API key's: two platforms never meet in one idempotency key.
    """
    row: dict[str, Any] = {
        "key_id": key_id,
        "idempotency_key": idempotency_key,
        "request_hash": request_hash,
        "claimed_at": now,
    }
    if insert_if_absent(conn, idempotency_keys, row):
        return Fresh()
    ours = {"of_key": key_id, "wanted": idempotency_key}
    found = conn.execute(_FIND, ours).first()
    if found is None:  # swept in this very moment
        return claim(conn, key_id, idempotency_key, request_hash, now)
    age = now - found.claimed_at
    if age >= KEEP or (found.status is None and age >= STALE):
        again = {"request_hash": request_hash, "claimed_at": now, "status": None, "body": None}
        conn.execute(_TAKE_OVER.values(again), ours)
        return Fresh()
    if found.request_hash != request_hash:
        return Mismatch()
    return InFlight() if found.status is None else Replay(found.status, found.body)


def settle(conn: Connection, key_id: str, idempotency_key: str, status: int, body: str) -> None:
    """Keep the answer to a claimed request."""
    ours = {"of_key": key_id, "wanted": idempotency_key}
    conn.execute(_SETTLE, ours | {"new_status": status, "new_body": body})


def release(conn: Connection, key_id: str, idempotency_key: str) -> None:
    """Forget a claim whose request had no effect, so that it may be sent again at once."""
    which = _OURS & idempotency_keys.c.status.is_(None)
    conn.execute(
        delete(idempotency_keys).where(which), {"of_key": key_id, "wanted": idempotency_key}
    )


def sweep(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Forget answers older than 24 hours, at most so many; says how many."""
    key = (idempotency_keys.c.key_id, idempotency_keys.c.idempotency_key)
    old = (
        select(*key)
        .where(idempotency_keys.c.claimed_at <= now - KEEP)
        .order_by(idempotency_keys.c.claimed_at)
        .limit(at_most)
    )
    return conn.execute(delete(idempotency_keys).where(tuple_(*key).in_(old))).rowcount
