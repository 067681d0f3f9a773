"""Corrections of call records, and the versions that they leave."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import WHOLE, In, Moment, Out
from api.schemas.patterns import TEXT
from masking.outcome import EndedBy, Outcome


class CorrectionIn(In):
    """What the record should say instead."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE] = Field(
        description="The version that you have seen", examples=[1]
    )
    why: str = Field(
        min_length=3,
        max_length=200,
        pattern=TEXT,
        description="Stands in the record for ever. Leave out phone numbers: they are struck out",
        examples=["an answering machine took the call"],
    )
    outcome: Outcome | None = None
    ended_by: EndedBy | None = None


class PlaceOut(Out):
    """Where the version stands in the ledger."""

    day: str = Field(description="UTC", examples=["2026-11-22"])
    seq: int = Field(description="Among the records of its node and day")
    hash: str = Field(description="SHA-256, hexadecimal")


class VersionOut(Out):
    """What a record said from `recorded_at` on."""

    version: int
    recorded_at: Moment
    outcome: Outcome
    reason: str | None
    ended_by: EndedBy | None
    talk_ms: int
    corrected_why: str | None = Field(
        description="Null: the first version. `late_events`: rows of the call came late"
    )
    corrected_by: str | None = Field(description="`system`, or the id of the API key")
    ledger: PlaceOut | None = Field(description="Null: it is older than the ledger")


class VersionsOut(Out):
    """Every version of a record, the first one first."""

    items: list[VersionOut]
