"""What the probes say."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import Out


class Alive(Out):
    """The process answers."""

    status: str = Field(examples=["ok"])


class CheckOut(Out):
    """What one probe found."""

    ok: bool
    detail: str


class Ready(Out):
    """Whether calls can be made, and if not, what is missing."""

    status: str = Field(description="`ready` or `unready`", examples=["ready"])
    checks: dict[str, CheckOut]
