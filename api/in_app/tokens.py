"""Whose token it is. Only its SHA-256 is looked up; a token opens /v1/app and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from api.auth import bearer_of
from api.errors import Unauthenticated
from storage import apps
from storage.apps import AppCredential
from storage.database import Database

_ADVICE: Final = (
    "Send the header `Authorization: Bearer TOKEN` with the token of an app credential that has "
    "neither expired nor been revoked."
)


class Tokens:
    """Looks tokens up, every time anew: one that is revoked is refused at once, everywhere."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock

    async def identify(self, authorization: str | None) -> AppCredential:
        """The credential of the token in the header. Raises Unauthenticated."""
        try:
            hashed = apps.token_hash(bearer_of(authorization))
        except Unauthenticated:
            raise Unauthenticated(_ADVICE) from None
        now = self._clock()
        found = await self._db.look_up(lambda conn: apps.by_token(conn, hashed, now))
        if found is None:
            raise Unauthenticated(_ADVICE)
        return found
