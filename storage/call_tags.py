"""Tags of calls: short words by which staff find calls again. One call has each tag once."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, literal, select

from storage.dialect import insert_if_absent
from storage.schema import call_tags, calls
from storage.struck_out import struck_out

MOST: Final = 20  # of one call
LONGEST: Final = 32  # characters
_TAG: Final = re.compile(rf"[^\W_](?:[\w-]{{0,{LONGEST - 2}}}[^\W_])?")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a call, and who put it there."""

    tag: str
    at: datetime
    by_id: str
    by_name: str


def spelt(text: str) -> str | None:
    """The tag that `text` means: small letters, digits and dashes; None for what can be none.

    What could be a phone cannot be one.
    """
    tag = re.sub(r"[\s_]+", "-", text.strip().casefold())
    return tag if _TAG.fullmatch(tag) and struck_out(tag) == tag else None


def add(conn: Connection, call_id: str, tag: Tag) -> bool:
    """Put it there; False: it is there, there is no such call, or it has as many as it may."""
    offered_at = conn.scalar(select(calls.c.offered_at).where(calls.c.call_id == call_id))
    count = select(func.count()).where(call_tags.c.call_id == call_id)
    if offered_at is None or conn.execute(count).scalar_one() >= MOST:
        return False
    row = {
        "call_id": call_id,
        "tag": tag.tag,
        "offered_at": offered_at,
        "at": tag.at,
        "by_id": tag.by_id,
        "by_name": tag.by_name,
    }
    return insert_if_absent(conn, call_tags, row)


def remove(conn: Connection, call_id: str, tag: str) -> bool:
    """Take it away; says whether it was there."""
    which = (call_tags.c.call_id == call_id, call_tags.c.tag == tag)
    return conn.execute(delete(call_tags).where(*which)).rowcount == 1


def of_calls(conn: Connection, call_ids: Collection[str]) -> dict[str, tuple[Tag, ...]]:
    """The tags of these calls, by call, in the order of the alphabet."""
    found: dict[str, tuple[Tag, ...]] = {}
    if not call_ids:
        return found
    query = select(call_tags).where(call_tags.c.call_id.in_(sorted(call_ids)))
    for row in conn.execute(query.order_by(call_tags.c.call_id, call_tags.c.tag)):
        one = Tag(row.tag, row.at, row.by_id, row.by_name)
        found[row.call_id] = (*found.get(row.call_id, ()), one)
    return found


def used(conn: Connection, *, at_most: int = 200) -> list[str]:
    """Some of the tags that there are, in the order of the alphabet: to choose from.

    Steps from tag to tag by the index: costs the same however many calls have one.
    """
    of_tag = call_tags.c.tag
    first = select(func.min(of_tag).label("tag"), literal(1).label("n"))
    steps = first.cte("steps", recursive=True)
    following = select(func.min(of_tag)).where(of_tag > steps.c.tag).scalar_subquery()
    more = (steps.c.tag.is_not(None), steps.c.n < at_most)
    steps = steps.union_all(select(following, steps.c.n + 1).where(*more))
    return list(conn.scalars(select(steps.c.tag).where(steps.c.tag.is_not(None))))
