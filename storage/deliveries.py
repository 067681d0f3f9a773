"""Deliveries as they are shown, sent again by hand, given up in time and forgotten.

One is one notice to one webhook. How those that are due are taken and settled: `storage.sending`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from storage.columns import from_ms
from storage.pages import Order, Page
from storage.schema import deliveries, outbox, webhooks

_PAGES: Final = Order("deliveries", (deliveries.c.id,), (int,))


class State(StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; it can be sent again


@dataclass(frozen=True, slots=True)
class Try:
    """One try: the status that came back, or else why none did."""

    at: datetime
    status: int | None
    error: str | None
    took_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery, as it is shown."""

    id: int
    key: str
    kind: str
    conversation_id: str | None
    state: State
    tries: int
    created_at: datetime
    due_at: datetime | None  # of the next try; None: there is none
    finished_at: datetime | None
    log: tuple[Try, ...]


Ended = tuple[datetime, int]
"""Where one stands among those that ended: when it did, and its id."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many were forgotten, how far all is looked at, and whether there may be more."""

    gone: int
    after: Ended | None
    more: bool


def expire(conn: Connection, before: datetime, now: datetime, *, at_most: int = 500) -> int:
    """Give up deliveries whose time began before `before`; says how many."""
    old = (
        select(deliveries.c.id)
        .where(deliveries.c.finished_at.is_(None), deliveries.c.since < before)
        .order_by(deliveries.c.since)
        .limit(at_most)
    )
    over = update(deliveries).where(deliveries.c.id.in_(old))
    return conn.execute(over.values(finished_at=now, state=State.DEAD.value)).rowcount


def forget(
    conn: Connection,
    *,
    delivered: datetime,
    dead: datetime,
    after: Ended | None = None,
    at_most: int = 500,
) -> Forgotten:
    """Forget deliveries that ended before these times, so far as they lie after `after`.

    What was given up is kept longer, and is passed over once: who remembers the place reads it no
    more, and what ends from now on ends behind it.
    """
    oldest = min(dead, delivered)
    ended = deliveries.c.finished_at
    place = (ended, deliveries.c.id)
    over = select(deliveries.c.id).where(ended < oldest).order_by(*place).limit(at_most)
    gone = conn.execute(delete(deliveries).where(deliveries.c.id.in_(over))).rowcount
    if gone == at_most:
        return Forgotten(gone, after, more=True)
    at, last = (oldest, 0) if after is None or after[0] < oldest else after
    rows = conn.execute(
        select(*place, deliveries.c.state)
        .where(ended >= at, ended < delivered, or_(ended > at, deliveries.c.id > last))
        .order_by(*place)
        .limit(at_most)
    ).all()
    done = [row.id for row in rows if row.state == State.DELIVERED.value]
    if done:
        gone += conn.execute(delete(deliveries).where(deliveries.c.id.in_(done))).rowcount
    reached = (rows[-1].finished_at, rows[-1].id) if rows else (at, last)
    return Forgotten(gone, reached, more=len(rows) == at_most)


def page(
    conn: Connection,
    webhook_id: str,
    *,
    state: State | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[Delivery]:
    """The webhook's deliveries, the newest first. Raises BadCursor."""
    query = _shown().where(deliveries.c.webhook_id == webhook_id)
    if state is not None:
        query = query.where(deliveries.c.state == state.value)
    rows = conn.execute(_PAGES.apply(query, limit=limit, cursor=cursor)).all()
    return _PAGES.page(rows, limit=limit, key=lambda row: (row.id,), item=_delivery)


def get(conn: Connection, webhook_id: str, delivery_id: int) -> Delivery | None:
    """One of the webhook's deliveries."""
    which = and_(deliveries.c.webhook_id == webhook_id, deliveries.c.id == delivery_id)
    row = conn.execute(_shown().where(which)).first()
    return None if row is None else _delivery(row)


def dead(conn: Connection, webhook_id: str) -> int:
    """How many of the webhook's deliveries were given up."""
    given_up = deliveries.c.state == State.DEAD.value
    query = select(func.count()).where(deliveries.c.webhook_id == webhook_id, given_up)
    found: int = conn.execute(query).scalar_one()
    return found


def resend(conn: Connection, webhook_id: str, delivery_id: int, now: datetime) -> Delivery | None:
    """Deliver again what was delivered or given up; None if there is no such delivery."""
    which = and_(deliveries.c.webhook_id == webhook_id, deliveries.c.id == delivery_id)
    ended = deliveries.c.finished_at.is_not(None)
    conn.execute(update(deliveries).where(which, ended).values(**_anew(now)))
    row = conn.execute(_shown().where(which)).first()
    return None if row is None else _delivery(row)


def resend_dead(conn: Connection, webhook_id: str, now: datetime, *, at_most: int) -> int:
    """Deliver again what was given up, the oldest first; says how many."""
    dead = (
        select(deliveries.c.id)
        .where(deliveries.c.webhook_id == webhook_id, deliveries.c.state == State.DEAD.value)
        .order_by(deliveries.c.id)
        .limit(at_most)
    )
    again = update(deliveries).where(deliveries.c.id.in_(dead)).values(**_anew(now))
    return conn.execute(again).rowcount


def counts(conn: Connection, now: datetime) -> tuple[int, int, float]:
    """How many are pending, how many are dead, and for how long the oldest was due, in seconds."""
    waiting, dead = conn.execute(_COUNTS).one()
    oldest = conn.execute(_OLDEST).scalar()
    oldest_s = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    return int(waiting), int(dead), oldest_s


def _count_of_each(state: State) -> ColumnElement[int]:
    """Webhook by webhook, for each has its own in the index: SQLite would read all of it else."""
    of_one = select(func.count()).where(
        deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state == state.value
    )
    return func.coalesce(func.sum(of_one.correlate(webhooks).scalar_subquery()), 0)


_COUNTS: Final = select(_count_of_each(State.PENDING), _count_of_each(State.DEAD)).select_from(
    webhooks
)
_OLDEST: Final = (
    select(deliveries.c.since)
    .where(deliveries.c.finished_at.is_(None))
    .order_by(deliveries.c.since)
    .limit(1)
)


def _anew(now: datetime) -> dict[str, Any]:
    return {
        "finished_at": None,
        "state": State.PENDING.value,
        "due_at": now,
        "since": now,
        "claim": deliveries.c.claim + 1,
    }


def _shown() -> Select[Any]:
    return select(deliveries, outbox.c.key, outbox.c.kind).join_from(
        deliveries, outbox, outbox.c.id == deliveries.c.notice_id
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        key=row.key,
        kind=row.kind,
        conversation_id=row.conversation_id,
        state=State(row.state),
        tries=row.tries,
        created_at=row.created_at,
        due_at=row.due_at if row.finished_at is None else None,
        finished_at=row.finished_at,
        log=read_log(row.log),
    )


def read_log(log: list[list[Any]]) -> tuple[Try, ...]:
    """The tries in a row's `log`."""
    return tuple(Try(from_ms(at), status, error, took) for at, status, error, took in log)
