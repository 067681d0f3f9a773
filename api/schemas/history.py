"""A conversation's history and a user's call log, as they go out: people are cards and ids."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from api.schemas.calls import CallId
from api.schemas.common import IdField, In, Moment, MomentIn, Out, PageQuery, Query
from api.schemas.sessions import ListingOut
from cdr.call_log import Direction
from cdr.missed import Why
from cdr.model import CameBy
from masking.model import Language, Role
from masking.outcome import EndedBy, Outcome
from masking.plan import Channel
from storage.ratings import Issue


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
    user_id: IdField | None = Field(
        default=None, description="Tell also what this user has not seen yet"
    )


class HistoryEventsQuery(Query):
    """In which language the texts are."""

    language: Language = Field(default=Language.RU, description="Of the texts")


class SideOut(Out):
    """Who stood on a side."""

    role: Role
    user_id: str


class TextsOut(Out):
    """What each side reads; null: this side does not see the entry."""

    caller: str | None
    callee: str | None


class HandedOverOut(Out):
    """A side that went over to another channel while they talked."""

    side: EndedBy = Field(description="caller or callee")
    to: Channel
    at: Moment


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
    why: Why | None = Field(description="Why the callee did not talk")
    came_by: CameBy = Field(description="How the caller came; `click`: the platform asked for it")
    channel: Channel | None = Field(description="Through which the callee was reached, at first")
    handovers: list[HandedOverOut] = Field(description="Sides that went over while they talked")
    ended_by: EndedBy | None
    ring_s: float
    talk_s: float
    unread: bool | None = Field(
        default=None, description="By the user that was asked for; null: nobody was"
    )


class HistoryPage(Out):
    """Entries, newest first."""

    items: list[HistoryEntryOut]
    next_cursor: str | None
    unread_count: int | None = Field(
        default=None,
        exclude_if=lambda count: count is None,
        description="By that user, in the whole conversation; only where one was named",
    )


class HistorySeenIn(In):
    """How far a user has looked at a conversation."""

    user_id: IdField = Field(description="Whoever has looked", examples=["u-2"])
    until: MomentIn = Field(description="Calls offered at or before it have been seen")


class UnreadIn(In):
    """Whose unread calls are to be counted."""

    user_ids: list[IdField] = Field(min_length=1, max_length=500, examples=[["u-1", "u-2"]])


class UnreadOut(Out):
    """What a user has not seen yet."""

    user_id: str
    unread_count: int


class UnreadCounts(Out):
    """Of each user that was asked for, once, in the order asked."""

    items: list[UnreadOut]


class CallLogQuery(PageQuery):
    """Which entries."""

    outcome: Outcome | None = None
    unread: Annotated[bool | None, BeforeValidator(_flag, json_schema_input_type=bool | None)] = (
        None
    )


class WordsOut(Out):
    """One line in each of our languages."""

    ru: str = Field(examples=["Пропущенный звонок"])
    en: str = Field(examples=["You missed a call"])


class CardOut(Out):
    """The other side."""

    role: Role
    name: str | None
    rating: float | None
    facts: dict[str, str]
    erased: WordsOut | None = Field(
        default=None,
        exclude_if=lambda words: words is None,
        description="Their data was erased: this stands for the name",
    )


class CallBackOut(Out):
    """How the user reaches the other side again; both stay masked."""

    session_id: str
    app: str = Field(description="From the app", examples=["sip:ses_0abc@sip.example.org"])
    gsm: str | None = Field(description="From their phone: the proxy number, E.164")
    extension: str | None = Field(description="Digits to be typed when asked for")
    tel: str | None = Field(description="Both in one, for a link: commas are pauses")


class OwnRatingOut(Out):
    """What the user said of the call."""

    stars: int
    issues: list[Issue]


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
    reason: str | None = Field(
        description="In: why the user did not talk. Out: why the call was not put through",
        examples=["no_answer"],
    )
    text: WordsOut = Field(description="What this user reads of the call")
    unread: bool
    call_back: CallBackOut | None = Field(description="null: the session is over")
    rating: OwnRatingOut | None


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
