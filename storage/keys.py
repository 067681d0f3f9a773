"""API keys. Only the SHA-256 of a key is kept: keys are long random texts that nobody guesses."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select, update

from storage.dialect import insert_if_absent
from storage.errors import ConstraintViolated
from storage.pages import Order, Page
from storage.schema import api_keys

KEY_BYTES: Final = 24  # of entropy in a key
_PREFIX: Final = "mk_"
_BY_HASH: Final = select(api_keys).where(api_keys.c.key_hash == bindparam("wanted"))
_PAGES: Final = Order("keys", (api_keys.c.created_at, api_keys.c.id), (datetime, str))


class KeyRole(StrEnum):
    """What the holder of a key may do."""

    PLATFORM = "platform"
    STAFF = "staff"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never the key itself."""

    id: str
    key_hash: bytes = field(repr=False)
    role: KeyRole
    name: str
    created_at: datetime
    revoked_at: datetime | None = None


def new_key(entropy: bytes) -> str:
    """The text of a new key: ``mk_`` and 39 characters. `entropy` has 24 bytes."""
    if len(entropy) != KEY_BYTES:
        msg = f"entropy must be {KEY_BYTES} bytes"
        raise ValueError(msg)
    return _PREFIX + b32encode(entropy).decode("ascii").rstrip("=").lower()


def hash_key(key: str) -> bytes:
    """What is kept of a key: its SHA-256."""
    return hashlib.sha256(key.encode()).digest()


def add(conn: Connection, *, key_hash: bytes, role: KeyRole, name: str, now: datetime) -> ApiKey:
    """Keep a new key. Raises ConstraintViolated if it is there already."""
    key_id = "key_" + key_hash[:8].hex()
    row = {"id": key_id, "key_hash": key_hash, "role": role.value, "name": name, "created_at": now}
    if not insert_if_absent(conn, api_keys, row):
        raise ConstraintViolated("this key is there already")
    found = conn.execute(_BY_HASH, {"wanted": key_hash}).one()
    return _key(found)


def by_hash(conn: Connection, key_hash: bytes) -> ApiKey | None:
    """The key with this hash, revoked or not."""
    row = conn.execute(_BY_HASH, {"wanted": key_hash}).first()
    return None if row is None else _key(row)


def revoke(conn: Connection, key_id: str, now: datetime) -> ApiKey | None:
    """End a key; the first time counts. None if there is no such key."""
    which = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
    conn.execute(update(api_keys).where(which).values(revoked_at=now))
    row = conn.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
    return None if row is None else _key(row)


def page(conn: Connection, *, limit: int = 100, cursor: str | None = None) -> Page[ApiKey]:
    """Keys, the newest first, revoked ones too. Raises BadCursor."""
    rows = conn.execute(_PAGES.apply(select(api_keys), limit=limit, cursor=cursor)).all()
    return _PAGES.page(rows, limit=limit, key=lambda row: (row.created_at, row.id), item=_key)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        key_hash=row.key_hash,
        role=KeyRole(row.role),
        name=row.name,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
