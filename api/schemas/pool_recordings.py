"""Which talks of a pool are recorded, as operators say it and see it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from api.schemas.common import WHOLE, In, Out
from masking.rules import RecordingMode, RecordingNotice, RecordingRules

_RECORDING: Final = RecordingRules()


class RecordingRulesIn(In):
    """Which talks are recorded; none is unless both sides have heard the announcement in full."""

    mode: RecordingMode = Field(
        default=_RECORDING.mode,
        description="`consent`: only in sessions of which both participants have "
        "`recording_consent`",
    )
    retention_days: Annotated[
        int, Field(ge=1, le=3650, description="Kept so long from the call's end"), WHOLE
    ] = 30
    announcement: RecordingNotice = Field(
        default=_RECORDING.announcement,
        description="What both hear before they are joined, in the pool's language",
    )


class RecordingRulesOut(Out):
    """Which talks are recorded."""

    mode: RecordingMode
    retention_days: int
    announcement: RecordingNotice
