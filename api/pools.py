"""Pools over HTTP. A pool also comes into being when numbers are first added to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery, PageQuery
from api.schemas.patterns import NAME
from api.schemas.pools import PoolIn, PoolOut, PoolPage
from masking.model import Pool
from storage import numbers
from storage.keys import KeyRole


async def put_pool(request: Request[PoolIn, NoQuery]) -> Answer:
    """Make a pool, or give it other rules."""
    sent, now = request.body, request.now
    pool = Pool(
        name=request.path["name"],
        cool_down=timedelta(seconds=sent.cool_down_s),
        language=sent.language,
        ring_s=sent.ring_s,
        max_call_s=sent.max_call_s,
    )

    def work(conn: Connection) -> Answer:
        numbers.put_pool(conn, pool, now)
        return _present(conn, pool)

    return await request.commit(work)


async def get_pool(request: Request[NoBody, NoQuery]) -> Answer:
    """One pool."""
    name = request.path["name"]

    def work(conn: Connection) -> Answer:
        found = numbers.pool(conn, name)
        if found is None:
            raise errors.PoolNotFound
        return _present(conn, found)

    return await request.services.db.read(work)


async def list_pools(request: Request[NoBody, PageQuery]) -> Answer:
    """Pools by name. They are few: the cursor is the name of the last one shown."""
    query = request.query

    def work(conn: Connection) -> Answer:
        found = numbers.pools(conn)
        rest = [pool for pool in found if query.cursor is None or pool.name > query.cursor]
        shown = rest[: query.limit]
        items = [_out(conn, pool) for pool in shown]
        more = shown[-1].name if len(rest) > len(shown) else None
        return answer(PoolPage(items=items, next_cursor=more))

    return await request.services.db.read(work)


def _present(conn: Connection, pool: Pool) -> Answer:
    return answer(_out(conn, pool))


def _out(conn: Connection, pool: Pool) -> PoolOut:
    size = numbers.size(conn, pool.name)
    return PoolOut(
        name=pool.name,
        cool_down_s=pool.cool_down // timedelta(seconds=1),
        language=pool.language,
        ring_s=pool.ring_s,
        max_call_s=pool.max_call_s,
        numbers_active=size.active,
        numbers_draining=size.draining,
    )


_NAME: Final = PathParameter("name", NAME, "The pool's name", "default")
_OPERATOR: Final = frozenset({KeyRole.OPERATOR})
_READERS: Final = frozenset({KeyRole.OPERATOR, KeyRole.PLATFORM})

ROUTES: Final = (
    Route(
        "list_pools",
        "GET",
        "/v1/pools",
        "List pools",
        Tag.POOLS,
        list_pools,
        roles=_READERS,
        query=PageQuery,
        answers=PoolPage,
    ),
    Route(
        "get_pool",
        "GET",
        "/v1/pools/{name}",
        "Look at a pool",
        Tag.POOLS,
        get_pool,
        roles=_READERS,
        answers=PoolOut,
        parameters=(_NAME,),
        missing=errors.PoolNotFound,
    ),
    Route(
        "put_pool",
        "PUT",
        "/v1/pools/{name}",
        "Make a pool, or give it other rules",
        Tag.POOLS,
        put_pool,
        roles=_OPERATOR,
        body=PoolIn,
        answers=PoolOut,
        parameters=(_NAME,),
        missing=errors.PoolNotFound,
        description="Sessions that exist keep their times; the rules hold for new ones.",
    ),
)
