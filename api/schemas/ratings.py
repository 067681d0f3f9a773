"""What a participant says of a call that is over."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import WHOLE, IdField, In, Moment, Out
from storage.ratings import Issue

Stars = Annotated[int, Field(ge=1, le=5), WHOLE]
Issues = Annotated[list[Issue], Field(max_length=len(Issue))]


class AppRatingIn(In):
    """How the call was."""

    stars: Stars
    issues: Issues = Field(default_factory=list, examples=[["echo"]])


class RatingIn(AppRatingIn):
    """How the call was for one of its participants."""

    user_id: IdField


class RatingOut(Out):
    """A participant's rating."""

    user_id: str
    stars: int
    issues: list[Issue]
    at: Moment
