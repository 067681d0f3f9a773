"""What goes wrong on a page, for people: in the visitor's language, never with what they typed."""

from __future__ import annotations

from dataclasses import dataclass

from api.console.texts import Texts
from api.errors import ApiError, FieldError


class ConsoleProblem(Exception):
    """A page cannot be shown or a deed not be done; `key` is a text for people."""

    error_id = "console_problem"

    def __init__(self, status: int, key: str, /, **values: object) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.values = values


@dataclass(frozen=True, slots=True)
class Told:
    """A problem in words."""

    status: int
    title: str
    detail: str
    fields: tuple[FieldError, ...] = ()
    error_id: str | None = None


def told(error: ConsoleProblem | ApiError, texts: Texts) -> Told:
    """`error` in words."""
    if isinstance(error, ConsoleProblem):
        return Told(error.status, title(error.status, texts), texts(error.key, **error.values))
    key = f"problem.{error.error_id}"
    detail = texts(key) if key in texts else _general(error, texts)
    return Told(error.status, title(error.status, texts), detail, error.errors, error.error_id)


def title(status: int, texts: Texts) -> str:
    """What an HTTP status means to a person."""
    key = f"problem.status.{status}"
    if key in texts:
        return texts(key)
    return texts("problem.status.ours" if status >= 500 else "problem.status.theirs")


def _general(error: ApiError, texts: Texts) -> str:
    # The API's own sentences are English, say what to do, and hold nothing personal.
    return error.detail if texts.language == "en" else texts("problem.general")
