"""Proxy numbers over HTTP."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import NOTHING, Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.numbers import (
    NumberOut,
    NumberPage,
    NumberPatch,
    NumbersAdded,
    NumbersIn,
    NumbersQuery,
)
from api.schemas.patterns import PHONE
from masking.model import Phone, ProxyNumber
from storage import numbers
from storage.keys import KeyRole


async def add_numbers(request: Request[NumbersIn, NoQuery]) -> Answer:
    """Put numbers into a pool."""
    sent, now = request.body, request.now
    e164s = [Phone(number) for number in sent.numbers]

    def work(conn: Connection) -> Answer:
        pool_created = numbers.pool(conn, sent.pool) is None
        done = numbers.add_numbers(conn, sent.pool, sent.trunk, e164s, now)
        added = NumbersAdded(
            added=done.added,
            already=done.already,
            pool=sent.pool,
            trunk=sent.trunk,
            pool_created=pool_created,
        )
        return answer(added, 201)

    return await request.commit(work)


async def list_numbers(request: Request[NoBody, NumbersQuery]) -> Answer:
    """Numbers in the order of their adding."""
    query = request.query
    page = await request.services.db.read(
        lambda conn: numbers.page(
            conn,
            pool=query.pool,
            trunk=query.trunk,
            state=query.state,
            limit=query.limit,
            cursor=query.cursor,
        )
    )
    items = [_out(number) for number in page.items]
    return answer(NumberPage(items=items, next_cursor=page.next_cursor))


async def get_number(request: Request[NoBody, NoQuery]) -> Answer:
    """One number."""
    wanted = Phone(request.path["number"])
    return await request.services.db.read(lambda conn: _present(conn, wanted))


async def change_number(request: Request[NumberPatch, NoQuery]) -> Answer:
    """Give it to new leases again, or no more."""
    wanted, state, now = Phone(request.path["number"]), request.body.state, request.now

    def work(conn: Connection) -> Answer:
        numbers.set_state(conn, wanted, state, now)
        return _present(conn, wanted)

    return await request.commit(work)


async def delete_number(request: Request[NoBody, NoQuery]) -> Answer:
    """Forget it, if no lease holds it."""
    wanted, now = Phone(request.path["number"]), request.now

    def work(conn: Connection) -> Answer:
        if not numbers.remove(conn, wanted, now):
            raise errors.NumberInUse
        return NOTHING

    return await request.commit(work)


def _present(conn: Connection, wanted: Phone) -> Answer:
    found = numbers.get(conn, wanted)
    if found is None:
        raise errors.NumberNotFound
    return answer(_out(found))


def _out(number: ProxyNumber) -> NumberOut:
    return NumberOut(
        id=number.id,
        number=number.e164,
        pool=number.pool,
        trunk=number.trunk,
        state=number.state,
    )


_NUMBER: Final = PathParameter(
    "number", PHONE, "The proxy number, E.164 with its plus", "+74951110001"
)
_OPERATOR: Final = frozenset({KeyRole.OPERATOR})

ROUTES: Final = (
    Route(
        "add_numbers",
        "POST",
        "/v1/numbers",
        "Add proxy numbers to a pool",
        Tag.NUMBERS,
        add_numbers,
        roles=_OPERATOR,
        body=NumbersIn,
        answers=NumbersAdded,
        status=201,
        errors=(errors.TrunkNotFound, errors.NumberTaken),
        description="All of them or none. A pool that is not there is made, with the usual rules.",
    ),
    Route(
        "list_numbers",
        "GET",
        "/v1/numbers",
        "List proxy numbers",
        Tag.NUMBERS,
        list_numbers,
        roles=_OPERATOR,
        query=NumbersQuery,
        answers=NumberPage,
    ),
    Route(
        "get_number",
        "GET",
        "/v1/numbers/{number}",
        "Look at a proxy number",
        Tag.NUMBERS,
        get_number,
        roles=_OPERATOR,
        answers=NumberOut,
        parameters=(_NUMBER,),
        missing=errors.NumberNotFound,
    ),
    Route(
        "change_number",
        "PATCH",
        "/v1/numbers/{number}",
        "Drain a proxy number, or use it again",
        Tag.NUMBERS,
        change_number,
        roles=_OPERATOR,
        body=NumberPatch,
        answers=NumberOut,
        parameters=(_NUMBER,),
        missing=errors.NumberNotFound,
    ),
    Route(
        "delete_number",
        "DELETE",
        "/v1/numbers/{number}",
        "Remove a proxy number",
        Tag.NUMBERS,
        delete_number,
        roles=_OPERATOR,
        answers=None,
        status=204,
        parameters=(_NUMBER,),
        missing=errors.NumberNotFound,
        errors=(errors.NumberInUse,),
        description="Only while no lease holds it, live or cooling down: drain it first.",
    ),
)
