"""Rotation of the vault's key over HTTP, for admins. No key ever goes out, only numbers of keys."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.vault import RotationOut, VaultOut
from storage import key_file, rotation
from storage.errors import RotationUnderWay, VaultKeyUnusable
from storage.keys import KeyRole
from storage.rotation import Rotation, State


async def get_vault(request: Request[NoBody, NoQuery]) -> Answer:
    """Keys by number, and the last rotation."""
    vault = request.services.vault
    last = await request.services.db.read(rotation.last)
    return answer(
        VaultOut(
            seals_with=vault.current,
            opens_with=sorted(vault.known),
            rotation=None if last is None else _out(last),
        )
    )


async def rotate_vault(request: Request[NoBody, NoQuery]) -> Answer:
    """Publish a new key; the rest is done in the background, by whichever process is there."""
    services, now = request.services, request.now
    path = services.vault.path
    if path is None:
        raise errors.VaultFixed

    async def effect() -> Answer:
        last = await services.db.read(rotation.last)
        if last is not None and last.state is not State.DONE:
            raise errors.RotationUnderWay
        try:
            key = await asyncio.to_thread(key_file.publish, path, services.entropy)
            services.vault.refresh()
        except VaultKeyUnusable:
            raise errors.VaultFixed from None

        def work(conn: Connection) -> Rotation:
            return rotation.begin(conn, key, now)

        try:
            return answer(_out(await services.db.write(work)), 202)
        except RotationUnderWay:
            raise errors.RotationUnderWay from None

    return await request.once(effect)


def _out(one: Rotation) -> RotationOut:
    return RotationOut(
        id=one.id,
        to_key=one.to_key,
        state=one.state,
        passes=one.passes,
        looked_at=one.looked_at,
        resealed=one.resealed,
        broken=one.broken,
        waits_for=one.waits_for,
        proof=None if one.proof is None else dict(one.proof),
        started_at=one.started_at,
        finished_at=one.finished_at,
    )


_ADMIN: Final[frozenset[KeyRole]] = frozenset()

ROUTES: Final = (
    Route(
        "get_vault",
        "GET",
        "/v1/vault",
        "The vault's keys, and how far a rotation is",
        Tag.PERSONAL,
        get_vault,
        roles=_ADMIN,
        answers=VaultOut,
        description="Numbers only: no key is ever sent.",
    ),
    Route(
        "rotate_vault",
        "POST",
        "/v1/vault/rotations",
        "Rotate the key that phones and secrets are sealed with",
        Tag.PERSONAL,
        rotate_vault,
        roles=_ADMIN,
        answers=RotationOut,
        status=202,
        errors=(errors.RotationUnderWay, errors.VaultFixed),
        description="Makes a new key, has every process know it before one seals with it, seals "
        "anew in the background whatever is sealed with another, and removes the older keys once "
        "nothing needs them. Calls, requests and restarts go on meanwhile.",
    ),
)
