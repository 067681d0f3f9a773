"""The audit log, as it goes out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import Moment, MomentIn, Out, PageQuery
from storage.audit import Action, ActorKind


class AuditQuery(PageQuery):
    """Which entries: those that meet all that is given."""

    actor_id: Annotated[str | None, Field(min_length=1, max_length=80)] = None
    action: Action | None = None
    object_kind: Annotated[str | None, Field(min_length=1, max_length=40)] = None
    object_id: Annotated[str | None, Field(min_length=1, max_length=80)] = None
    refused: bool | None = None
    from_: Annotated[MomentIn | None, Field(alias="from", description="At or after it")] = None
    until: Annotated[MomentIn | None, Field(description="Before it")] = None


class ActorOut(Out):
    """Who acted."""

    kind: ActorKind = Field(description="`key`: of this API; `command`: on the machine itself")
    id: str | None
    name: str | None


class AuditEntryOut(Out):
    """One thing that was done, or asked for and refused."""

    id: int = Field(description="From 1, without a gap")
    at: Moment
    actor: ActorOut
    action: Action
    refused: bool
    object_kind: str
    object_id: str | None
    reason: str | None = Field(description="As it was given; what could be a phone is struck out")
    facts: dict[str, str | int | bool | None]
    hash: str = Field(description="SHA-256 over the hash of the entry before and all of this one")


class AuditPage(Out):
    """Entries, newest first."""

    items: list[AuditEntryOut]
    next_cursor: str | None
