"""Deliveries: one notice to one webhook each, in order within a conversation, until it went well.

A delivery is taken for a while: whoever took it and died loses it to the next, and what comes of it
late is not believed. Sending is nobody's business here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, func, select, update

from storage.columns import UtcMillis, from_ms, to_ms
from storage.pages import Order, Page
from storage.schema import deliveries, outbox, webhooks
from storage.webhooks import Webhook

LONGEST_LOG: Final = 20  # tries that are kept
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
class Taken:
    """A delivery that is ours to send until its time is up."""

    id: int
    claim: int
    since: datetime  # its three days run from here
    tries: int
    log: tuple[Try, ...]
    key: str  # of the notice, as all below
    kind: str
    at: datetime
    conversation_id: str | None
    sequence: int
    data: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a delivery that was taken: delivered, to be tried again, or given up."""

    taken: Taken
    result: Try
    state: State
    due_at: datetime  # of the next try; else whatever


@dataclass(frozen=True, slots=True)
class Condition:
    """How a receiver fares after some tries."""

    failures: int
    failing_since: datetime | None
    open_until: datetime | None
    succeeded_at: datetime | None


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


_earlier: Final = deliveries.alias("earlier")
_NOT_ITS_TURN: Final = (
    select(_earlier.c.id)
    .where(
        _earlier.c.webhook_id == deliveries.c.webhook_id,
        _earlier.c.conversation_id == deliveries.c.conversation_id,
        _earlier.c.sequence < deliveries.c.sequence,
        _earlier.c.finished_at.is_(None),
    )
    .exists()
)
_LOOK: Final = (
    select(
        *deliveries.c["id", "claim", "since", "tries", "log", "conversation_id", "sequence"],
        *outbox.c["key", "kind", "at", "data"],
    )
    .join_from(deliveries, outbox, outbox.c.id == deliveries.c.notice_id)
    .where(
        deliveries.c.webhook_id == bindparam("webhook"),
        deliveries.c.finished_at.is_(None),
        deliveries.c.due_at <= bindparam("now", type_=UtcMillis()),
        ~_NOT_ITS_TURN,
    )
    .order_by(deliveries.c.due_at, deliveries.c.sequence)
    .limit(bindparam("at_most"))
)
_DUE: Final = _LOOK.with_for_update(of=deliveries, skip_locked=True)
_TAKE: Final = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("wanted"))
    .values(due_at=bindparam("until", type_=UtcMillis()), claim=deliveries.c.claim + 1)
)
_SETTLE: Final = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("wanted"), deliveries.c.claim == bindparam("ours"))
    .values(
        due_at=bindparam("due"),
        tries=deliveries.c.tries + 1,
        log=bindparam("new_log"),
        finished_at=bindparam("finished"),
        state=bindparam("new_state"),
    )
)
_PUT_OFF: Final = (  # what waits behind it in its conversation need not be looked at before
    update(deliveries)
    .where(
        deliveries.c.webhook_id == bindparam("webhook"),
        deliveries.c.conversation_id == bindparam("conversation"),
        deliveries.c.sequence > bindparam("behind"),
        deliveries.c.finished_at.is_(None),
        deliveries.c.due_at < bindparam("due", type_=UtcMillis()),
    )
    .values(due_at=bindparam("due", type_=UtcMillis()))
)
_PUT_OFF_UNTIL: Final = (
    select(deliveries.c.conversation_id, func.max(deliveries.c.due_at).label("due_at"))
    .where(
        deliveries.c.webhook_id == bindparam("webhook"),
        deliveries.c.conversation_id.in_(bindparam("conversations", expanding=True)),
        deliveries.c.finished_at.is_(None),
    )
    .group_by(deliveries.c.conversation_id)
)
_NEXT_DUE: Final = select(func.min(deliveries.c.due_at)).where(
    deliveries.c.webhook_id == bindparam("webhook"), deliveries.c.finished_at.is_(None)
)


def next_due(conn: Connection, webhook_id: str) -> datetime | None:
    """When the next delivery may have to be sent; None: there is none."""
    found: datetime | None = conn.execute(_NEXT_DUE, {"webhook": webhook_id}).scalar()
    return found


def waits(conn: Connection, webhook_id: str, now: datetime) -> bool:
    """Whether `take` would find any."""
    wanted = {"webhook": webhook_id, "now": now, "at_most": 1}
    return conn.execute(_LOOK, wanted).first() is not None


def put_off_until(
    conn: Connection, webhook_id: str, conversations: Collection[str]
) -> dict[str, datetime]:
    """Until when what waits in these conversations was put off."""
    wanted = {"webhook": webhook_id, "conversations": sorted(conversations)}
    return {row.conversation_id: row.due_at for row in conn.execute(_PUT_OFF_UNTIL, wanted)}


def take(
    conn: Connection, webhook_id: str, *, now: datetime, until: datetime, at_most: int
) -> list[Taken]:
    """At most so many that are due, each the first of its conversation; ours until `until`."""
    rows = conn.execute(_DUE, {"webhook": webhook_id, "now": now, "at_most": at_most}).all()
    if not rows:
        return []
    conn.execute(_TAKE, [{"wanted": row.id, "until": until} for row in rows])
    return [_taken(row) for row in rows]


def settle(conn: Connection, webhook_id: str, tried: Sequence[Tried], now: datetime) -> None:
    """Keep what came of deliveries that were taken. Those taken by another since are left."""
    if not tried:
        return
    rows = []
    for one in tried:
        again = one.state is State.PENDING
        rows.append(
            {
                "wanted": one.taken.id,
                "ours": one.taken.claim,
                "due": one.due_at if again else now,
                "new_log": [_write(each) for each in (*one.taken.log, one.result)[-LONGEST_LOG:]],
                "finished": None if again else now,
                "new_state": one.state.value,
            }
        )
        if again and one.taken.conversation_id is not None:
            conn.execute(
                _PUT_OFF,
                {
                    "webhook": webhook_id,
                    "conversation": one.taken.conversation_id,
                    "behind": one.taken.sequence,
                    "due": one.due_at,
                },
            )
    conn.execute(_SETTLE, rows)


def let_go(conn: Connection, taken: Sequence[Taken], now: datetime) -> None:
    """Give back deliveries that were taken and not sent."""
    mine = {"now": now}
    back = (
        update(deliveries)
        .where(deliveries.c.id == bindparam("wanted"), deliveries.c.claim == bindparam("ours"))
        .values(due_at=bindparam("now"))
    )
    if taken:
        conn.execute(back, [mine | {"wanted": one.id, "ours": one.claim} for one in taken])


def keep_condition(conn: Connection, webhook_id: str, condition: Condition) -> None:
    """Keep how the receiver fares."""
    values = {
        "failures": condition.failures,
        "failing_since": condition.failing_since,
        "open_until": condition.open_until,
        "succeeded_at": condition.succeeded_at,
    }
    conn.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(values))


def hurry(
    conn: Connection,
    webhook_id: str,
    *,
    now: datetime,
    taken_until: datetime,
    at_most: int = 5000,
) -> None:
    """The receiver is back: what was put off is due now. What may be under way is left.

    What was never tried was not put off: of a long absence, too, it is little.
    """
    put_off = (
        select(deliveries.c.id)
        .where(
            deliveries.c.webhook_id == webhook_id,
            deliveries.c.finished_at.is_(None),
            deliveries.c.due_at > taken_until,
        )
        .order_by(deliveries.c.due_at)
        .limit(at_most)
    )
    conn.execute(update(deliveries).where(deliveries.c.id.in_(put_off)).values(due_at=now))


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


def forget(conn: Connection, *, delivered: datetime, dead: datetime, at_most: int = 500) -> int:
    """Forget deliveries that ended before these times; says how many."""
    done = and_(deliveries.c.state == State.DELIVERED.value, deliveries.c.finished_at < delivered)
    given_up = deliveries.c.finished_at < min(dead, delivered)
    old = (
        select(deliveries.c.id)
        .where(done | given_up)
        .order_by(deliveries.c.finished_at)
        .limit(at_most)
    )
    return conn.execute(delete(deliveries).where(deliveries.c.id.in_(old))).rowcount


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
    pending = deliveries.c.finished_at.is_(None)
    waiting, oldest = conn.execute(
        select(func.count(), func.min(deliveries.c.since)).where(pending)
    ).one()
    given_up = deliveries.c.state == State.DEAD.value
    of_each = and_(deliveries.c.webhook_id == webhooks.c.id, given_up)  # by their index
    dead = conn.execute(
        select(func.count()).select_from(webhooks).join(deliveries, of_each)
    ).scalar_one()
    return waiting, dead, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def due(webhook: Webhook, now: datetime) -> bool:
    """Whether anything may be sent to the webhook at `now`."""
    return webhook.enabled and (webhook.open_until is None or webhook.open_until <= now)


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
        log=_read(row.log),
    )


def _taken(row: Row[Any]) -> Taken:
    return Taken(
        id=row.id,
        claim=row.claim + 1,
        since=row.since,
        tries=row.tries,
        log=_read(row.log),
        key=row.key,
        kind=row.kind,
        at=row.at,
        conversation_id=row.conversation_id,
        sequence=row.sequence,
        data=row.data,
    )


def _write(one: Try) -> list[Any]:
    return [to_ms(one.at), one.status, one.error, one.took_ms]


def _read(log: list[list[Any]]) -> tuple[Try, ...]:
    return tuple(Try(from_ms(at), status, error, took) for at, status, error, took in log)
