"""Column types that every table shares: times, JSON, big row ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import JSON, BigInteger, Dialect, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 UTC, rounded down. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        msg = "a time without a zone cannot be stored"
        raise ValueError(msg)
    return (at - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """The time in UTC that is `ms` milliseconds after 1970."""
    return _EPOCH + ms * _MILLISECOND


class UtcMillis(TypeDecorator[datetime]):
    """A point in time: BIGINT milliseconds in the database, aware UTC `datetime` in Python."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """On the way in."""
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """On the way out."""
        return None if value is None else from_ms(value)


RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER only
Json = JSON().with_variant(JSONB(), "postgresql")
JsonOrNull = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
