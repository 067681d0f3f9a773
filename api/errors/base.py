"""The root of what the API answers with a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` reads like ``participants[0].phone``."""

    field: str
    detail: str


class ApiError(Exception):
    """Root of what the API answers with a problem document (RFC 9457)."""

    status: ClassVar[int] = 500
    error_id: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something failed on our side"
    advice: ClassVar[str] = "Try again. If it stays, give the request id to the operator."

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        """`reason`: a word for programs, where one `error_id` has several causes."""
        super().__init__(detail or self.advice)
        self.detail = detail or self.advice
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.reason = reason
