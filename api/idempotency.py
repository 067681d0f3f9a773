"""`Idempotency-Key`: a request that is sent again has its effect once and gets its first answer.

The claim, the effect and the answer are one transaction: there is no moment at which one of them is
kept and another is not. A refused request leaves nothing behind, so its key may be used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy import Connection

from api.errors import IdempotencyInFlight, IdempotencyKeyReused
from api.routing import Answer, Effect, Work
from storage import idempotency
from storage.database import Database
from storage.idempotency import Fresh, InFlight, Mismatch, Replay
from storage.vault import Vault

_REPLAYED: Final[Mapping[str, str]] = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class Claim:
    """One key's use of one Idempotency-Key for one request."""

    key_id: str
    idempotency_key: str
    request_hash: bytes
    now: datetime


def request_hash(vault: Vault, raw: web.Request, body: BaseModel) -> bytes:
    """What makes two requests the same: method, path, query and the meaning of the body.

    Keyed by the vault: a plain digest of a body would let its phones be guessed.
    """
    meaning = f"{raw.method} {raw.rel_url.raw_path_qs}\n{body.model_dump_json()}"
    return vault.digest(meaning.encode())


def once(conn: Connection, claim: Claim, work: Work) -> Answer:
    """Do `work` and keep its answer, or give the answer kept before.

    Raises IdempotencyKeyReused, IdempotencyInFlight, and whatever `work` raises.
    """
    known = _claimed(conn, claim)
    if known is not None:
        return known
    made = work(conn)
    body = made.body.decode()
    idempotency.settle(conn, claim.key_id, claim.idempotency_key, status=made.status, body=body)
    return made


async def outside(db: Database, claim: Claim, effect: Effect) -> Answer:
    """Have an effect that no transaction holds, once at most, and keep its answer.

    The claim is kept before the effect begins. An effect that raises was none, and its key is free
    again. Where the process dies in between, the key stays claimed for a minute.
    Raises IdempotencyKeyReused, IdempotencyInFlight, and whatever `effect` raises.
    """
    known = await db.write(lambda conn: _claimed(conn, claim))
    if known is not None:
        return known
    try:
        made = await effect()
    except Exception:
        await db.write(lambda conn: idempotency.release(conn, claim.key_id, claim.idempotency_key))
        raise
    body = made.body.decode()
    await db.write(
        lambda conn: idempotency.settle(
            conn, claim.key_id, claim.idempotency_key, status=made.status, body=body
        )
    )
    return made


def _claimed(conn: Connection, claim: Claim) -> Answer | None:
    """The answer kept before, or None where the claim is new."""
    match idempotency.claim(
        conn, claim.key_id, claim.idempotency_key, claim.request_hash, claim.now
    ):
        case Replay(status=status, body=kept):
            return Answer(status, kept.encode(), headers=_REPLAYED, replayed=True)
        case Mismatch():
            raise IdempotencyKeyReused
        case InFlight():
            raise IdempotencyInFlight
        case Fresh():
            return None
        case never:
            assert_never(never)
