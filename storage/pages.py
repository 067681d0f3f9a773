"""Lists in pages: the next page begins after the last row seen, whatever was written meanwhile.

A cursor is the sort key of that row as opaque text. It grants nothing: a forged one reads no more
than the list itself would give, and one that cannot be read is refused.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Select, tuple_

from storage.columns import from_ms, to_ms
from storage.errors import BadCursor

T = TypeVar("T")
Kind = type[str] | type[int] | type[datetime]
Key = tuple[str | int | datetime, ...]

LARGEST: Final = 500
_LONGEST_CURSOR: Final = 600
_INTEGERS: Final = range(-(2**63), 2**63)
_MILLISECONDS: Final = range(2**47)  # until the year 6429


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and where the next part begins (None: there is none)."""

    items: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted: its name, its columns (together unique), and their types."""

    list_name: str
    columns: tuple[ColumnElement[Any], ...]
    kinds: tuple[Kind, ...]
    newest_first: bool = True

    def encode(self, key: Sequence[Any]) -> str:
        """The cursor behind the row with this `key`."""
        plain = [to_ms(value) if isinstance(value, datetime) else value for value in key]
        text = json.dumps([self.list_name, *plain], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")

    def decode(self, cursor: str) -> Key:
        """The key in `cursor`. Raises BadCursor for what this list never gave out."""
        if len(cursor) > _LONGEST_CURSOR:
            raise BadCursor
        try:
            raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            name, *key = json.loads(raw)
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise BadCursor from None
        if name != self.list_name or len(key) != len(self.kinds):
            raise BadCursor
        return tuple(map(_read, key, self.kinds))

    def apply(self, query: Select[Any], *, limit: int, cursor: str | None) -> Select[Any]:
        """`query` sorted, begun behind `cursor`, one row longer than the page.

        Raises BadCursor; ValueError for a limit out of 1 to 500.
        """
        if not 1 <= limit <= LARGEST:
            msg = f"a page has 1 to {LARGEST} items"
            raise ValueError(msg)
        if cursor is not None:
            key = tuple_(*self.columns)
            after = self.decode(cursor)
            query = query.where(key < after if self.newest_first else key > after)
        by = [column.desc() if self.newest_first else column.asc() for column in self.columns]
        return query.order_by(*by).limit(limit + 1)

    def page(
        self,
        rows: Sequence[Row[Any]],
        *,
        limit: int,
        key: Callable[[Row[Any]], Sequence[Any]],
        item: Callable[[Row[Any]], T],
    ) -> Page[T]:
        """The page made of the rows of `apply`'s query."""
        shown = rows[:limit]
        cursor = self.encode(key(shown[-1])) if len(rows) > limit else None
        return Page(tuple(item(row) for row in shown), cursor)


def _read(value: object, kind: Kind) -> str | int | datetime:
    if kind is str and isinstance(value, str) and value.isprintable():
        return value
    if kind is int and type(value) is int and value in _INTEGERS:
        return value
    if kind is datetime and type(value) is int and value in _MILLISECONDS:
        return from_ms(value)
    raise BadCursor
