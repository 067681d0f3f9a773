"""Under which id a call is known in this database: by the time in it, or as before there was one.

A call keeps its id for ever: what was told of it, what is staged of it, its record. Ids begin with
the call's second since a migration that noted when it was run; a call that had begun by then goes
by the id that it would have had, however late its rows are read, or read again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, bindparam, select

from masking.ids import begun, call_id, call_id_without_time
from storage.prepared import Prepared
from storage.schema import marks

MARK: Final = "calls_without_times"
_MARK: Final = Prepared(select(marks.c.value).where(marks.c.name == bindparam("of")))


def of(conn: Connection, node: str) -> Callable[[str], str]:
    """Of a call's first channel on `node`, the id of the call."""
    found = _MARK.rows(conn, {"of": MARK})
    if not found:
        return lambda linked_id: call_id(node, linked_id)
    until_s = int.from_bytes(found[0].value, "big")

    def known_as(linked_id: str) -> str:
        begun_s = begun(linked_id)
        if begun_s is None or begun_s > until_s:
            return call_id(node, linked_id)
        return call_id_without_time(node, linked_id)

    return known_as
