"""The platform's webhooks: where its notices go, and how each receiver fares.

Secrets are kept sealed; while one is being replaced, both sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from storage.errors import ConstraintViolated
from storage.pages import Order, Page
from storage.prepared import Prepared
from storage.schema import deliveries, webhooks
from storage.vault import Vault

MOST: Final = 50
_BY_ID: Final = select(webhooks).where(webhooks.c.id == bindparam("wanted"))
_EVERYONE: Final = Prepared(select(webhooks).order_by(webhooks.c.id))
_PAGES: Final = Order("webhooks", (webhooks.c.created_at, webhooks.c.id), (datetime, str))


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint of the platform's; without its secret."""

    id: str
    url: str
    events: tuple[str, ...] | None  # None: all kinds
    description: str | None
    enabled: bool
    disabled_why: str | None  # None: the platform asked for it
    created_at: datetime
    updated_at: datetime
    previous_until: datetime | None  # the secret before signs as well until then
    failures: int  # in a row
    failing_since: datetime | None
    open_until: datetime | None  # nothing is sent before: its circuit is open
    succeeded_at: datetime | None

    def wants(self, kind: str) -> bool:
        """Whether notices of this kind go there."""
        return self.enabled and (self.events is None or kind in self.events)


def add(
    conn: Connection,
    vault: Vault,
    *,
    webhook_id: str,
    url: str,
    events: Sequence[str] | None,
    description: str | None,
    secret: str,
    now: datetime,
) -> Webhook:
    """Keep a new webhook. Raises ConstraintViolated when there are MOST of them already."""
    if conn.execute(select(func.count()).select_from(webhooks)).scalar_one() >= MOST:
        raise ConstraintViolated(f"there may be {MOST} webhooks")
    conn.execute(
        webhooks.insert(),
        {
            "id": webhook_id,
            "url": url,
            "events": None if events is None else list(events),
            "description": description,
            "enabled": True,
            "secret_sealed": vault.seal_secret(secret),
            "created_at": now,
            "updated_at": now,
            "failures": 0,
        },
    )
    return _webhook(conn.execute(_BY_ID, {"wanted": webhook_id}).one())


def get(conn: Connection, webhook_id: str) -> Webhook | None:
    """The webhook."""
    row = conn.execute(_BY_ID, {"wanted": webhook_id}).first()
    return None if row is None else _webhook(row)


def everyone(conn: Connection) -> tuple[Webhook, ...]:
    """All there are: never more than a few dozen."""
    return tuple(map(_webhook, _EVERYONE.rows(conn, {})))


def page(conn: Connection, *, limit: int = 100, cursor: str | None = None) -> Page[Webhook]:
    """Webhooks, the newest first. Raises BadCursor."""
    rows = conn.execute(_PAGES.apply(select(webhooks), limit=limit, cursor=cursor)).all()
    return _PAGES.page(rows, limit=limit, key=lambda row: (row.created_at, row.id), item=_webhook)


def change(
    conn: Connection, webhook_id: str, changes: Mapping[str, Any], now: datetime
) -> Webhook | None:
    """Change `url`, `events`, `description` or `enabled`; None if there is no such webhook.

    A receiver that was moved or enabled again is tried at once.
    """
    values: dict[str, Any] = {**changes, "updated_at": now}
    if changes.get("enabled") or "url" in changes:
        values |= {"failures": 0, "failing_since": None, "open_until": None}
    if "enabled" in changes:
        values["disabled_why"] = None
    conn.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(values))
    return get(conn, webhook_id)


def disable(conn: Connection, webhook_id: str, why: str, now: datetime) -> None:
    """Send nothing there until the platform asks for it."""
    off = {"enabled": False, "disabled_why": why, "updated_at": now}
    conn.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(off))


def remove(conn: Connection, webhook_id: str) -> bool:
    """Forget a webhook and its deliveries; says whether there was one."""
    conn.execute(delete(deliveries).where(deliveries.c.webhook_id == webhook_id))
    return conn.execute(delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount == 1


def rotate(
    conn: Connection, vault: Vault, webhook_id: str, secret: str, *, until: datetime, now: datetime
) -> Webhook | None:
    """Sign with `secret` from now on, and with the one before until `until`."""
    kept = {
        "previous_sealed": webhooks.c.secret_sealed,
        "previous_until": until,
        "secret_sealed": vault.seal_secret(secret),
        "updated_at": now,
    }
    conn.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(kept))
    return get(conn, webhook_id)


def secrets_of(conn: Connection, vault: Vault, webhook_id: str, now: datetime) -> tuple[str, ...]:
    """The secrets that sign at `now`, the newest first; none if the webhook is gone."""
    row = conn.execute(_BY_ID, {"wanted": webhook_id}).first()
    if row is None:
        return ()
    sealed = [row.secret_sealed]
    if row.previous_sealed is not None and now < row.previous_until:
        sealed.append(row.previous_sealed)
    return tuple(map(vault.open_secret, sealed))


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        events=None if row.events is None else tuple(row.events),
        description=row.description,
        enabled=row.enabled,
        disabled_why=row.disabled_why,
        created_at=row.created_at,
        updated_at=row.updated_at,
        previous_until=row.previous_until,
        failures=row.failures,
        failing_since=row.failing_since,
        open_until=row.open_until,
        succeeded_at=row.succeeded_at,
    )
