"""Apps' credentials: each is one device of one user, and one endpoint of Asterisk.

A password or token is never kept: of the password its digest hash (HA1), sealed; of the token its
SHA-256. What was given may be revoked, and expires by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from storage import app_users
from storage.columns import to_ms
from storage.prepared import Prepared
from storage.schema import app_credentials
from storage.vault import Vault

REALM: Final = "maskline"
MOST_DEVICES: Final = 16  # live credentials of one user; the next one ends the oldest
KEPT: Final = timedelta(days=90)  # after its end: whose device it was, for records and pushes

_LIVE: Final = and_(
    app_credentials.c.revoked_at.is_(None), app_credentials.c.expires_at > bindparam("now")
)
_ACCOUNT: Final = select(app_credentials).where(
    app_credentials.c.username == bindparam("wanted"), _LIVE
)
_ENDED: Final = Prepared(
    select(app_credentials).where(
        or_(
            and_(
                app_credentials.c.expires_at > bindparam("since"),
                app_credentials.c.expires_at <= bindparam("now"),
            ),
            and_(
                app_credentials.c.revoked_at.is_not(None),
                app_credentials.c.revoked_at > bindparam("since"),
                app_credentials.c.revoked_at <= bindparam("now"),
            ),
        )
    )
)
_LIVE_COUNT: Final = select(  # from indexes alone: those who live are as many as all apps
    select(func.count())
    .select_from(app_credentials)
    .where(app_credentials.c.expires_at > bindparam("now"))
    .scalar_subquery()
    .label("unexpired"),
    select(func.count())
    .select_from(app_credentials)
    .where(
        app_credentials.c.revoked_at.is_not(None),  # not by the index of ends, which is of all
        type_coerce(app_credentials.c.expires_at, BigInteger) + 0 > bindparam("now_ms"),
    )
    .scalar_subquery()
    .label("revoked"),
)
_BY_TOKEN: Final = select(app_credentials).where(
    app_credentials.c.token_hash == bindparam("wanted"), _LIVE
)


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What is to be kept."""

    username: str
    user_id: str
    ha1_sealed: bytes = field(repr=False)
    token_hash: bytes = field(repr=False)
    device: str | None
    transport: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AppCredential:
    """A device of a user, without its secrets."""

    username: str
    user_id: str
    device: str | None
    transport: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """What an Asterisk needs to know of a live credential."""

    username: str
    user_id: str
    ha1_sealed: bytes = field(repr=False)  # `Vault.open_secret` opens it
    transport: str | None  # webrtc or sip
    expires_at: datetime

    def ha1(self, vault: Vault) -> str:
        """MD5(username:realm:password), 32 hexadecimal digits. Raises SealBroken."""
        return vault.open_secret(self.ha1_sealed)


def ha1(username: str, password: str) -> str:
    """The digest hash of RFC 7616, 3.4.2: what SIP's challenge is answered from."""
    text = f"{username}:{REALM}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def token_hash(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def create(conn: Connection, new: NewCredential) -> tuple[str, ...]:
    """Keep a new credential; the usernames that it puts an end to.

    These are those of the same `device`, where it has a name, and the oldest above MOST_DEVICES.
    """
    live = conn.execute(_of_users([new.user_id]), {"now": new.created_at}).all()
    ended = {row.username for row in live if new.device is not None and row.device == new.device}
    rest = [row.username for row in live if row.username not in ended]  # the newest first
    ended.update(rest[MOST_DEVICES - 1 :])
    _end(conn, sorted(ended), new.created_at)
    conn.execute(
        app_credentials.insert(),
        {
            "username": new.username,
            "user_id": new.user_id,
            "ha1_sealed": new.ha1_sealed,
            "token_hash": new.token_hash,
            "device": new.device,
            "transport_hint": new.transport,
            "created_at": new.created_at,
            "expires_at": new.expires_at,
        },
    )
    app_users.has_app(conn, new.user_id, new.expires_at, new.created_at)
    return tuple(sorted(ended))


def account(conn: Connection, username: str, now: datetime) -> StoredAccount | None:
    """What a registration is checked against; None: unknown, expired or revoked."""
    row = conn.execute(_ACCOUNT, {"wanted": username, "now": now}).first()
    if row is None:
        return None
    return StoredAccount(
        row.username, row.user_id, row.ha1_sealed, row.transport_hint, row.expires_at
    )


def by_token(conn: Connection, hashed: bytes, now: datetime) -> AppCredential | None:
    """Whose token it is; None: unknown, expired or revoked."""
    row = conn.execute(_BY_TOKEN, {"wanted": hashed, "now": now}).first()
    return None if row is None else _credential(row)


def revoke(conn: Connection, user_id: str, username: str | None, now: datetime) -> tuple[str, ...]:
    """End one credential of a user, or all; those that were live until now."""
    live = conn.execute(_of_users([user_id]), {"now": now}).all()
    ended = sorted(row.username for row in live if username in (None, row.username))
    _end(conn, ended, now)
    return tuple(ended)


def of_users(
    conn: Connection, user_ids: Collection[str], now: datetime
) -> dict[str, tuple[AppCredential, ...]]:
    """The live credentials of these users, the newest first; who has none is left out."""
    found: dict[str, tuple[AppCredential, ...]] = {}
    for row in conn.execute(_of_users(sorted(user_ids)), {"now": now}):
        one = _credential(row)
        found[one.user_id] = (*found.get(one.user_id, ()), one)
    return found


def owners(conn: Connection, usernames: Collection[str]) -> dict[str, str]:
    """Whose these are, username -> user id, expired and revoked ones too while they are kept."""
    which = app_credentials.c.username.in_(sorted(usernames))
    query = select(app_credentials.c.username, app_credentials.c.user_id).where(which)
    return {row.username: row.user_id for row in conn.execute(query)}


def known(conn: Connection, usernames: Collection[str]) -> tuple[AppCredential, ...]:
    """Those of these names that are kept, live or not."""
    which = app_credentials.c.username.in_(sorted(usernames))
    return tuple(_credential(row) for row in conn.execute(select(app_credentials).where(which)))


def get(conn: Connection, username: str) -> AppCredential | None:
    """One credential, live or not."""
    row = conn.execute(
        select(app_credentials).where(app_credentials.c.username == username)
    ).first()
    return None if row is None else _credential(row)


def ended_since(conn: Connection, since: datetime, now: datetime) -> tuple[AppCredential, ...]:
    """Those that expired or were revoked after `since` and until `now`.

    For a node that was told nothing. A revocation is seen once it is committed, up to a request's
    time later: look back further than to the last look.
    """
    return tuple(map(_credential, _ENDED.rows(conn, {"since": since, "now": now})))


def live_count(conn: Connection, now: datetime) -> int:
    """How many credentials are live."""
    unexpired, revoked = conn.execute(_LIVE_COUNT, {"now": now, "now_ms": to_ms(now)}).one()
    return int(unexpired) - int(revoked)


def sweep(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Forget credentials whose time was over long ago (KEPT), at most so many; says how many."""
    old = (
        select(app_credentials.c.username)
        .where(app_credentials.c.expires_at <= now - KEPT)
        .limit(at_most)
    )
    which = app_credentials.c.username.in_(old)
    return conn.execute(delete(app_credentials).where(which)).rowcount


def _end(conn: Connection, usernames: Sequence[str], now: datetime) -> None:
    if usernames:
        which = app_credentials.c.username.in_(usernames)
        conn.execute(update(app_credentials).where(which).values(revoked_at=now))


def _of_users(user_ids: Sequence[str]) -> Any:  # noqa: ANN401 (a Select; its type says less)
    return (
        select(app_credentials)
        .where(app_credentials.c.user_id.in_(user_ids), _LIVE)
        .order_by(app_credentials.c.created_at.desc(), app_credentials.c.username.desc())
    )


def _credential(row: Row[Any]) -> AppCredential:
    return AppCredential(
        username=row.username,
        user_id=row.user_id,
        device=row.device,
        transport=row.transport_hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
