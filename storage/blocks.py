"""Blocks: one user does not want to be called by another, in any session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, or_, select

from storage import schema
from storage.dialect import insert_for
from storage.pages import Order, Page

_PAGES: Final = Order("blocks", (schema.blocks.c.id,), (int,))


@dataclass(frozen=True, slots=True)
class Block:
    """`user_id` is not to be called by `blocked_user_id`."""

    user_id: str
    blocked_user_id: str
    reason: str | None
    created_at: datetime


def block(
    conn: Connection, user_id: str, blocked_user_id: str, reason: str | None, now: datetime
) -> Block:
    """Keep a block; one that is there already only gets the new reason."""
    blocks = schema.blocks
    new = insert_for(conn, blocks).values(
        user_id=user_id, blocked_user_id=blocked_user_id, reason=reason, created_at=now
    )
    kept = new.on_conflict_do_update(
        index_elements=[blocks.c.user_id, blocks.c.blocked_user_id], set_={"reason": reason}
    )
    created_at: datetime = conn.execute(kept.returning(blocks.c.created_at)).scalar_one()
    return Block(user_id, blocked_user_id, reason, created_at)


def unblock(conn: Connection, user_id: str, blocked_user_id: str) -> bool:
    """Forget a block; says whether there was one."""
    blocks = schema.blocks
    which = (blocks.c.user_id == user_id) & (blocks.c.blocked_user_id == blocked_user_id)
    return conn.execute(delete(blocks).where(which)).rowcount == 1


def between(conn: Connection, one: str, other: str) -> tuple[Block, ...]:
    """The blocks of two users for each other, the older first: none, one or two."""
    blocks = schema.blocks
    either = or_(
        and_(blocks.c.user_id == one, blocks.c.blocked_user_id == other),
        and_(blocks.c.user_id == other, blocks.c.blocked_user_id == one),
    )
    rows = conn.execute(select(blocks).where(either).order_by(blocks.c.id))
    return tuple(map(_block, rows))


def page(
    conn: Connection, *, user_id: str | None = None, limit: int = 100, cursor: str | None = None
) -> Page[Block]:
    """Blocks, the newest first, of one user or of all. Raises BadCursor."""
    query = select(schema.blocks)
    if user_id is not None:
        query = query.where(schema.blocks.c.user_id == user_id)
    rows = conn.execute(_PAGES.apply(query, limit=limit, cursor=cursor)).all()
    return _PAGES.page(
        rows,
        limit=limit,
        key=lambda row: (row.id,),
        item=_block,
    )


def _block(row: Row[Any]) -> Block:
    return Block(row.user_id, row.blocked_user_id, row.reason, row.created_at)
