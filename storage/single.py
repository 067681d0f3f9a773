"""A look-up that asks one thing needs no transaction: a statement sees one state by itself.

On PostgreSQL that leaves one round trip of three. A work that turns out to ask a second thing, or
anything but a SELECT, is stopped before it does, to be run in a transaction from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, event

T = TypeVar("T")

_OPTION: Final = "maskline_single"


class AsksMore(Exception):
    """The work needs a transaction. It has changed nothing."""


class _Single:
    """The one statement of a connection."""

    asked = False


def watch(engine: Engine) -> None:
    """Have `asks` told of every statement that goes through `engine` SQLAlchemy's own way."""

    @event.listens_for(engine, "before_cursor_execute")
    def _before(conn: Connection, _cursor: object, text: str, *_: Any) -> None:  # noqa: ANN401
        asks(conn, text)


def run(conn: Connection, work: Callable[[Connection], T]) -> T:
    """Run `work` with `conn`, just taken and outside of a transaction. Raises AsksMore."""
    return work(conn.execution_options(**{_OPTION: _Single()}))


def asks(conn: Connection, text: str) -> None:
    """Say that `conn` is about to run `text`. Raises AsksMore if that needs a transaction."""
    single = conn.get_execution_options().get(_OPTION)
    if single is None:
        return
    if single.asked or not text.startswith("SELECT"):
        raise AsksMore
    single.asked = True
