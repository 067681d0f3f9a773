"""Alarms of the service as they are kept: up in one row each, whichever processes see them.

A raise and a clear is each one change in the database, and what is owed to the platform because of
it is owed in the same transaction: so it is told once, however many processes watch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from storage.columns import UtcMillis
from storage.dialect import insert_if_absent
from storage.schema import alarms

KEPT: Final = timedelta(days=90)  # after they were over
HELD: Final = timedelta(seconds=20)
"""So long after somebody saw it, nobody else may say that it is over."""

Fact = float | str
Key = tuple[str, str]  # condition, subject


@dataclass(frozen=True, slots=True)
class Kept:
    """An alarm."""

    id: str
    condition: str
    subject: str
    grave: bool
    facts: Mapping[str, Fact]
    times: int
    since: datetime
    raised_at: datetime
    observer: str
    seen_at: datetime
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_name: str | None = None

    @property
    def key(self) -> Key:
        """What is wrong, and of what."""
        return self.condition, self.subject


_UP: Final = (
    select(alarms)
    .where(alarms.c.cleared_at.is_(None))
    .order_by(alarms.c.condition, alarms.c.subject)
)
_PAST: Final = (
    select(alarms)
    .where(alarms.c.cleared_at.is_not(None))
    .order_by(alarms.c.cleared_at.desc(), alarms.c.id.desc())
    .limit(bindparam("at_most"))
)
_CLEAR: Final = update(alarms).where(
    alarms.c.id == bindparam("wanted"),
    alarms.c.cleared_at.is_(None),
    (alarms.c.observer == bindparam("me"))
    | (alarms.c.seen_at < bindparam("quiet_since", type_=UtcMillis())),
)


def up(conn: Connection) -> dict[Key, Kept]:
    """Those that are up."""
    return {(row.condition, row.subject): _kept(row) for row in conn.execute(_UP)}


def past(conn: Connection, *, at_most: int = 20) -> tuple[Kept, ...]:
    """The latest that are over, the last one first."""
    return tuple(map(_kept, conn.execute(_PAST, {"at_most": at_most})))


def get(conn: Connection, alarm_id: str) -> Kept | None:
    """The alarm of that id."""
    row = conn.execute(select(alarms).where(alarms.c.id == alarm_id)).first()
    return None if row is None else _kept(row)


def put_up(conn: Connection, alarm: Kept) -> bool:
    """Keep that it is up; whether nobody had said so."""
    row = {name: getattr(alarm, name) for name in Kept.__dataclass_fields__}
    row["facts"] = dict(alarm.facts)
    return insert_if_absent(conn, alarms, row)


def hold(conn: Connection, ids: Collection[str], observer: str, now: datetime) -> None:
    """`observer` sees now that these are not over."""
    if ids:
        mine = update(alarms).where(alarms.c.id.in_(sorted(ids)), alarms.c.cleared_at.is_(None))
        conn.execute(mine.values(observer=observer, seen_at=now))


def clear(conn: Connection, alarm_id: str, observer: str, now: datetime) -> bool:
    """Keep that it is over; False where it was, or somebody else has just seen that it is not."""
    asked = {"wanted": alarm_id, "me": observer, "quiet_since": now - HELD}
    return conn.execute(_CLEAR.values(cleared_at=now), asked).rowcount == 1


def acknowledge(conn: Connection, alarm_id: str, by: str, name: str, now: datetime) -> Kept | None:
    """Keep who takes it upon themselves; None if somebody has, or it is over."""
    free = update(alarms).where(
        alarms.c.id == alarm_id,
        alarms.c.cleared_at.is_(None),
        alarms.c.acknowledged_at.is_(None),
    )
    changed = free.values(acknowledged_at=now, acknowledged_by=by, acknowledged_name=name)
    if conn.execute(changed).rowcount != 1:
        return None
    return get(conn, alarm_id)


def sweep(conn: Connection, now: datetime, *, at_most: int = 500) -> int:
    """Forget those that are over for long, at most so many; says how many."""
    old = select(alarms.c.id).where(alarms.c.cleared_at < now - KEPT).limit(at_most)
    return conn.execute(delete(alarms).where(alarms.c.id.in_(old))).rowcount


def _kept(row: Row[Any]) -> Kept:
    return Kept(**row._mapping)  # noqa: SLF001 (its name for what a row is)
