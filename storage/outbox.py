"""The outbox: what is owed to the platform, kept in the transaction in which it became true.

Writing here is all that happens here: nothing is sent. A notice never holds a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from masking.notice import Notice
from storage.json_text import dumps
from storage.prepared import PreparedInsert
from storage.schema import outbox

_INSERT: Final = PreparedInsert(outbox, numbered="id", once="key")


def owe(conn: Connection, notice: Notice) -> None:
    """Owe `notice` to whoever wants its kind. Owing a key again changes nothing."""
    owe_all(conn, (notice,))


def owe_all(conn: Connection, notices: Sequence[Notice]) -> None:
    """Owe several at once, as `owe` does; in this order."""
    keep_rows(conn, [row_of(notice) for notice in notices])


def row_of(notice: Notice) -> dict[str, Any]:
    """The row that keeps `notice`."""
    return {
        "key": notice.key,
        "kind": notice.kind.value,
        "at": notice.at,
        "conversation_id": notice.conversation_id,
        "data": dumps(dict(notice.data)),
        "sequence": None,
        "stream_due": False,
    }


def keep_rows(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `row_of`; those whose key is there already are passed over."""
    _INSERT.insert(conn, rows)
