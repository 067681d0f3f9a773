"""A conversation's history and a user's call log, as they go out: people are cards and ids."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from api.schemas.calls import CallId
from api.schemas.common import In, Moment, MomentIn, Out, PageQuery
from api.schemas.sessions import ListingOut
from cdr.call_log import Direction
from masking.model import Language, Role
from masking.outcome import EndedBy, Outcome
from masking.plan import Channel


def _flag(value: object) -> object:
    match value:
        case "true":
            return True
        case "false":
            return False
        case _:
            return value


class HistoryQuery(PageQuery):
    """Which page, and in which language its texts are."""

    language: Language = Field(default=Language.RU, description="Of the texts")


class SideOut(Out):
    """Who stood on a side."""

    role: Role
    user_id: str


class TextsOut(Out):
    """What each side reads; null: this side does not see the entry."""

    caller: str | None
    callee: str | None


class HistoryEntryOut(Out):
    """A call in a conversation's history."""

    id: int
    kind: Literal["call"]
    conversation_id: str
    call_id: CallId
    at: Moment
    outcome: Outcome
    reason: str | None
    session_id: str | None
    listing: ListingOut | None
    caller: SideOut | None
    callee: SideOut | None
    shown_to: list[EndedBy] = Field(description="The sides that see the entry")
    text: TextsOut
    channel: Channel | None
    ended_by: EndedBy | None
    ring_s: float
    talk_s: float


class HistoryPage(Out):
    """Entries, newest first."""

    items: list[HistoryEntryOut]
    next_cursor: str | None


class CallLogQuery(PageQuery):
    """Which entries."""

    outcome: Outcome | None = None
    unread: Annotated[bool | None, BeforeValidator(_flag, json_schema_input_type=bool | None)] = (
        None
    )


class CardOut(Out):
    """The other side."""

    role: Role
    name: str | None
    rating: float | None
    facts: dict[str, str]


class LogEntryOut(Out):
    """A call in a user's log."""

    id: int
    call_id: CallId
    session_id: str | None
    direction: Direction
    outcome: Outcome = Field(description="As this user sees it")
    at: Moment
    card: CardOut
    listing: ListingOut | None
    ring_s: float
    talk_s: float
    unread: bool


class CallLogPage(Out):
    """Entries, newest first."""

    items: list[LogEntryOut]
    next_cursor: str | None
    unread_count: int = Field(description="Of the whole log")


class SeenIn(In):
    """How far the user has looked."""

    until: MomentIn = Field(description="Calls offered at or before it have been seen")


class SeenOut(Out):
    """What that changed."""

    marked: int = Field(description="How many were unread before")
