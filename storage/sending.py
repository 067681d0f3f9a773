"""Taking deliveries that are due, and keeping what came of them: in order within a conversation.

A delivery is taken for a while: whoever took it and died loses it to the next, and what comes of it
late is not believed. Sending is nobody's business here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, select, update

from storage.columns import UtcMillis, to_ms
from storage.deliveries import State, Try, read_log
from storage.schema import deliveries, outbox, webhooks
from storage.webhooks import Webhook

LONGEST_LOG: Final = 20  # tries that are kept


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


def due(webhook: Webhook, now: datetime) -> bool:
    """Whether anything may be sent to the webhook at `now`."""
    return webhook.enabled and (webhook.open_until is None or webhook.open_until <= now)


def _taken(row: Row[Any]) -> Taken:
    return Taken(
        id=row.id,
        claim=row.claim + 1,
        since=row.since,
        tries=row.tries,
        log=read_log(row.log),
        key=row.key,
        kind=row.kind,
        at=row.at,
        conversation_id=row.conversation_id,
        sequence=row.sequence,
        data=row.data,
    )


def _write(one: Try) -> list[Any]:
    return [to_ms(one.at), one.status, one.error, one.took_ms]
