"""Who asks: from the bearer key to the key's record.

Only a key's SHA-256 is looked up and remembered; the text of a key is never kept or logged.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from api.errors import Unauthenticated
from storage import keys
from storage.database import Database
from storage.keys import ApiKey

_CACHED: Final = 1024  # keys; the least recently used leaves first
_LONGEST: Final = 256  # characters of a key


def derive_key(bearer: str, nonce: bytes) -> str:
    """The text of a new key.

    It follows from the maker's own key and a nonce, so that the answer to a repeated request can
    show it again: the nonce may be stored, the maker's key never is.
    """
    digest = hmac.digest(bearer.encode(), b"maskline new key\n" + nonce, "sha256")
    return keys.new_key(digest[: keys.KEY_BYTES])


class Keyring:
    """Looks keys up, and remembers the known ones for a few seconds.

    A key revoked through this process is forgotten at once; one revoked by another process works
    for `ttl_s` more at most. Unknown keys are not remembered.
    """

    def __init__(self, db: Database, clock: Callable[[], datetime], ttl_s: float) -> None:
        self._db = db
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_s)
        self._known: OrderedDict[bytes, tuple[ApiKey, datetime]] = OrderedDict()
        self._revocations = 0

    async def identify(self, authorization: str | None) -> tuple[ApiKey, str]:
        """The key in the header, and its text. Raises Unauthenticated."""
        bearer = bearer_of(authorization)
        hashed = keys.hash_key(bearer)
        now = self._clock()
        entry = self._known.get(hashed)
        if entry is not None and now < entry[1]:
            return entry[0], bearer
        revocations = self._revocations
        key = await self._db.read(lambda conn: keys.by_hash(conn, hashed))
        if key is None or key.revoked_at is not None:
            self._known.pop(hashed, None)
            raise Unauthenticated
        if revocations == self._revocations:  # else it may be this one that was revoked meanwhile
            self._known[hashed] = (key, now + self._ttl)
            while len(self._known) > _CACHED:
                self._known.popitem(last=False)
        return key, bearer

    def forget(self, key_id: str) -> None:
        """From now on the key is looked up anew. Call it once its revocation is committed."""
        self._revocations += 1
        for hashed in [hashed for hashed, (key, _) in self._known.items() if key.id == key_id]:
            del self._known[hashed]


def bearer_of(authorization: str | None) -> str:
    """The text after ``Bearer``. Raises Unauthenticated."""
    if authorization is None:
        raise Unauthenticated
    scheme, _, text = authorization.partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text or len(text) > _LONGEST or not text.isascii():
        raise Unauthenticated
    return text
