"""Inspections: whom a number reaches for a caller, and why. Answers name users, never phones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.common import In, Moment, MomentIn, Out, PhoneField
from masking.inspection import MOST_ANSWERS
from masking.known import Why
from masking.model import LeaseState, Role
from masking.plan import Announcement, RefusalReason
from masking.plan import Question as Asking

Digits = Annotated[str, Field(pattern=r"^[0-9]{0,12}$")]


class InspectionIn(In):
    """What is to be found out."""

    number: PhoneField = Field(description="The proxy number that is dialled")
    caller: PhoneField | None = Field(description="Whose call it is; null: number withheld")
    at: MomentIn | None = Field(default=None, description="A past moment; null: now")
    digits: Annotated[list[Digits], Field(max_length=MOST_ANSWERS)] = Field(
        default=[], description="What the caller types, an item for each question that is asked"
    )


class PersonOut(Out):
    """A participant."""

    role: Role
    user_id: str


class LeaseOut(Out):
    """The lease that decided."""

    state: LeaseState = Field(description="At the moment that was asked about")
    number: str
    extension: str = Field(description="Digits that follow the number; empty where none do")
    enrolled: bool = Field(description="Another phone than the participant's own, enrolled by PIN")
    expires_at: Moment
    reserved_until: Moment
    why: dict[str, str] = Field(description="How the number was chosen")


class ListingOut(Out):
    """A listing that the number shows."""

    listing_number_id: str
    listing_id: str
    callee: PersonOut


class PromptOut(Out):
    """What the caller is asked to type."""

    question: Asking
    digits_min: int
    digits_max: int
    attempts: int


class AsOfOut(Out):
    """Which facts are of which time."""

    then: list[str] = Field(description="As of the moment that was asked about")
    now: list[str] = Field(description="As of this moment: no past of them is kept")


class InspectionOut(Out):
    """The decision that this call gets, and what it follows from."""

    number: str | None = Field(description="The proxy number; null: none of ours")
    at: Moment
    decision: Literal["reach", "divert", "refuse", "ask", "open_link"]
    sentence: str = Field(description="The same in words")
    reason: RefusalReason | None = Field(description="Of `refuse`")
    announcement: Announcement | None = Field(description="What is played; of `refuse`")
    prompt: PromptOut | None = Field(description="Of `ask`: send `digits` to go on")
    session_id: str | None
    conversation_id: str | None
    caller: PersonOut | None = Field(description="As whom the caller calls")
    callee: PersonOut | None = Field(description="Who is rung; of `reach` and `open_link`")
    shown: str | None = Field(description="The proxy number that the callee sees")
    lease: LeaseOut | None
    listing: ListingOut | None = Field(description="What the number shows to new callers")
    platform: Why | None = Field(
        description="The platform's hook would be asked first, and why; "
        "the decision is the one that follows if it has no objection"
    )
    as_of: AsOfOut
