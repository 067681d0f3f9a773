"""API keys. The text of a key is shown once, when it is made."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import In, Moment, Out, ShortText
from storage.keys import KeyRole


class KeyIn(In):
    """A key to be made."""

    role: KeyRole
    name: ShortText = Field(description="Whose it is, for people", examples=["marketplace backend"])


class KeyOut(Out):
    """A key, without its text."""

    id: str
    role: KeyRole
    name: str
    created_at: Moment
    revoked_at: Moment | None


class KeyMade(KeyOut):
    """A new key, with its text: keep it, it is not shown again."""

    key: str = Field(description="For `Authorization: Bearer`; kept by us as a hash only")


class KeyPage(Out):
    """Keys, newest first."""

    items: list[KeyOut]
    next_cursor: str | None
