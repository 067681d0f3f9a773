"""The vault's keys as they go out: their numbers, never the keys."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import Moment, Out
from storage.rotation import State


class RotationOut(Out):
    """A rotation of the key that phones and secrets are sealed with."""

    id: int
    to_key: int = Field(description="The number of the new key")
    state: State
    passes: int = Field(description="How often everything sealed was gone through, whole")
    looked_at: int = Field(description="Sealed values, over all passes")
    resealed: int
    broken: int = Field(description="Values that no key of ours opens; they are left as they are")
    waits_for: str | None = Field(description="What keeps it from going on, for people")
    proof: dict[str, int] | None = Field(
        description="Of each sealed column how many values the last pass found sealed with this key"
    )
    started_at: Moment
    finished_at: Moment | None


class VaultOut(Out):
    """The vault of this process."""

    seals_with: int = Field(description="The number of the key that seals")
    opens_with: list[int]
    rotation: RotationOut | None = Field(description="The last one; null: there never was one")
