"""Blocks over HTTP: one user does not want calls from another, in any session."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import NOTHING, Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.blocks import BlockIn, BlockOut, BlockPage, BlocksQuery
from api.schemas.common import NoBody, NoQuery
from api.schemas.patterns import IDENTIFIER
from storage import blocks
from storage.blocks import Block
from storage.keys import KeyRole


async def set_block(request: Request[BlockIn, NoQuery]) -> Answer:
    """Block, or change the reason."""
    sent, now = request.body, request.now

    def work(conn: Connection) -> Answer:
        made = blocks.block(conn, sent.user_id, sent.blocked_user_id, sent.reason, now)
        return answer(_out(made), 201)

    return await request.commit(work)


async def list_blocks(request: Request[NoBody, BlocksQuery]) -> Answer:
    """Blocks, newest first."""
    query = request.query
    page = await request.services.db.read(
        lambda conn: blocks.page(
            conn, user_id=query.user_id, limit=query.limit, cursor=query.cursor
        )
    )
    return answer(BlockPage(items=[_out(one) for one in page.items], next_cursor=page.next_cursor))


async def lift_block(request: Request[NoBody, NoQuery]) -> Answer:
    """Let calls through again."""
    path = request.path

    def work(conn: Connection) -> Answer:
        if not blocks.unblock(conn, path["user_id"], path["blocked_user_id"]):
            raise errors.BlockNotFound
        return NOTHING

    return await request.commit(work)


def _out(block: Block) -> BlockOut:
    return BlockOut(
        user_id=block.user_id,
        blocked_user_id=block.blocked_user_id,
        reason=block.reason,
        created_at=block.created_at,
    )


_USER: Final = PathParameter("user_id", IDENTIFIER, "Who blocks", "u-2")
_BLOCKED: Final = PathParameter("blocked_user_id", IDENTIFIER, "Whose calls are refused", "u-1")
_ROLES: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF})

ROUTES: Final = (
    Route(
        "set_block",
        "POST",
        "/v1/blocks",
        "Block a user for another",
        Tag.BLOCKS,
        set_block,
        roles=_ROLES,
        body=BlockIn,
        answers=BlockOut,
        status=201,
        location="/v1/blocks/{user_id}/{blocked_user_id}",
        description="Calls of the blocked user to the other are refused in every session.",
    ),
    Route(
        "list_blocks",
        "GET",
        "/v1/blocks",
        "List blocks",
        Tag.BLOCKS,
        list_blocks,
        roles=_ROLES,
        query=BlocksQuery,
        answers=BlockPage,
    ),
    Route(
        "lift_block",
        "DELETE",
        "/v1/blocks/{user_id}/{blocked_user_id}",
        "Lift a block",
        Tag.BLOCKS,
        lift_block,
        roles=_ROLES,
        answers=None,
        status=204,
        parameters=(_USER, _BLOCKED),
        missing=errors.BlockNotFound,
    ),
)
