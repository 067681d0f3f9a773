"""API keys over HTTP, for admins. The text of a key goes out once, in the answer that makes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from api import errors
from api.auth import derive_key
from api.routing import NOTHING, Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery, PageQuery
from api.schemas.keys import KeyIn, KeyMade, KeyOut, KeyPage
from storage import keys
from storage.keys import ApiKey, KeyRole

_NONCE_BYTES: Final = 32
_PAGE: Final = 200


async def make_key(request: Request[KeyIn, NoQuery]) -> Answer:
    """Make a key.

    What may be kept for a repetition of this request holds a nonce in the place of the key's text.
    """
    sent, now = request.body, request.now
    nonce = request.services.entropy(_NONCE_BYTES)
    hashed = keys.hash_key(derive_key(request.bearer, nonce))

    def work(conn: Connection) -> Answer:
        made = keys.add(conn, key_hash=hashed, role=sent.role, name=sent.name, now=now)
        shown = KeyMade(**_out(made).model_dump(), key=nonce.hex())
        return answer(shown, 201)

    kept = await request.commit(work)
    shown = from_json(kept.body)
    shown["key"] = derive_key(request.bearer, bytes.fromhex(shown["key"]))
    return replace(kept, body=to_json(shown))


async def list_keys(request: Request[NoBody, PageQuery]) -> Answer:
    """Keys, newest first, revoked ones too."""
    query = request.query
    page = await request.services.db.read(
        lambda conn: keys.page(conn, limit=query.limit, cursor=query.cursor)
    )
    return answer(KeyPage(items=[_out(one) for one in page.items], next_cursor=page.next_cursor))


async def revoke_key(request: Request[NoBody, NoQuery]) -> Answer:
    """End a key, at once."""
    wanted, now = request.path["id"], request.now

    def work(conn: Connection) -> Answer:
        ended = keys.revoke(conn, wanted, now)
        if ended is None:
            raise errors.KeyNotFound
        if ended.role is KeyRole.ADMIN and not _has_admin(conn):
            raise errors.LastAdminKey  # nothing of this transaction is kept
        return NOTHING

    made = await request.commit(work)
    request.running.keyring.forget(wanted)
    return made


def _has_admin(conn: Connection) -> bool:
    cursor: str | None = None
    while True:
        page = keys.page(conn, limit=_PAGE, cursor=cursor)
        if any(key.role is KeyRole.ADMIN and key.revoked_at is None for key in page.items):
            return True
        cursor = page.next_cursor
        if cursor is None:
            return False


def _out(key: ApiKey) -> KeyOut:
    return KeyOut(
        id=key.id,
        role=key.role,
        name=key.name,
        created_at=key.created_at,
        revoked_at=key.revoked_at,
    )


_ID: Final = PathParameter("id", r"key_[0-9a-f]{16}", "The key's id", "key_0f1e2d3c4b5a6978")
_ADMIN: Final[frozenset[KeyRole]] = frozenset()

ROUTES: Final = (
    Route(
        "make_key",
        "POST",
        "/v1/keys",
        "Make a key",
        Tag.KEYS,
        make_key,
        roles=_ADMIN,
        body=KeyIn,
        answers=KeyMade,
        status=201,
        description="Only this answer shows the key's text; what is kept is its SHA-256.",
    ),
    Route(
        "list_keys",
        "GET",
        "/v1/keys",
        "List keys",
        Tag.KEYS,
        list_keys,
        roles=_ADMIN,
        query=PageQuery,
        answers=KeyPage,
    ),
    Route(
        "revoke_key",
        "DELETE",
        "/v1/keys/{id}",
        "Revoke a key",
        Tag.KEYS,
        revoke_key,
        roles=_ADMIN,
        answers=None,
        status=204,
        parameters=(_ID,),
        missing=errors.KeyNotFound,
        errors=(errors.LastAdminKey,),
        description="From now on requests with it are refused (by other processes within seconds).",
    ),
)
