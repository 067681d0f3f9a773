"""Recordings, as they go out: what became of each. The sound itself is not JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.calls import CallId
from api.schemas.common import Moment, Out, Query
from api.schemas.patterns import TEXT
from masking.recording_states import RecordingDeletion, RecordingFailure, RecordingState
from storage.audit import LONGEST_REASON

_Reason = Annotated[
    str,
    Field(
        min_length=3,
        max_length=LONGEST_REASON,
        pattern=TEXT,
        description="Why; kept in the audit log. Leave out phone numbers: they are struck out",
        examples=["dispute 4711"],
    ),
]


class ReasonQuery(Query):
    """Why it is asked for."""

    reason: _Reason


class RecordingOut(Out):
    """What became of recording a call."""

    call_id: CallId
    state: RecordingState
    reason: RecordingFailure | None = Field(description="Why it has failed")
    duration_ms: int | None
    bytes: int | None = Field(description="Of the sound, as it is played")
    content_type: str | None
    channels: tuple[str, str] = Field(
        default=("caller", "callee"), description="Who is heard on the left, who on the right"
    )
    ready_at: Moment | None
    delete_at: Moment | None = Field(description="When it will be deleted, by its pool's rule")
    deleted_at: Moment | None = Field(description="When its key was destroyed")
    deleted_why: RecordingDeletion | None
    removed_at: Moment | None = Field(description="When its file was gone as well")
    sha256: str | None = Field(description="Of the encrypted file; it stays when that is gone")
