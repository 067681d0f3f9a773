"""The audit log as a file: streamed as it is read, and itself an entry before its first byte.

If it cannot go on, the connection breaks off: half a file never looks whole.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

import orjson

from api.call_export import ExportBroken
from api.exports import Exports
from api.routing import Write
from cdr.export import Format, csv_lines, time_text
from storage import audit
from storage.audit import Filter, Kept
from storage.database import Database
from storage.errors import StorageError

_log: Final = logging.getLogger("maskline.console")

FORMATS: Final = (Format.CSV, Format.JSONL)
AT_ONCE: Final = 500
WRITE_S: Final = 60.0  # for one piece to be taken
COLUMNS: Final = (
    *("id", "at", "actor_kind", "actor_id", "actor_name", "action", "refused"),
    *("object_kind", "object_id", "reason", "facts", "hash"),
)


async def pour(db: Database, exports: Exports, wanted: Filter, made: Format, write: Write) -> None:
    """Write all entries that `wanted` asks for, the newest first. Raises ExportBroken."""

    async def send(piece: bytes) -> None:
        if exports.closed:
            raise ExportBroken
        async with asyncio.timeout(WRITE_S):
            await write(piece)

    try:
        with exports.one():
            if made is Format.CSV:
                await send(csv_lines([COLUMNS]))
            cursor: str | None = None
            while True:
                page = await db.read(
                    partial(audit.page, wanted=wanted, limit=AT_ONCE, cursor=cursor)
                )
                if page.items:
                    await send(await asyncio.to_thread(lines, page.items, made))
                cursor = page.next_cursor
                if cursor is None:
                    return
    except StorageError as error:
        _log.warning("an export of the audit log broke off: %s", error.error_id)
        raise ExportBroken from None
    except TimeoutError:
        _log.info("an export of the audit log broke off: its reader takes nothing")
        raise ExportBroken from None


def lines(entries: Sequence[Kept], made: Format) -> bytes:
    """The entries as lines of the file."""
    if made is Format.CSV:
        return csv_lines([_cells(one) for one in entries])
    return b"".join(_json_line(one) for one in entries)


def _cells(kept: Kept) -> list[str | int | bool | None]:
    entry = kept.entry
    facts = json.dumps(dict(entry.facts), ensure_ascii=False, sort_keys=True)
    return [
        kept.id,
        time_text(entry.at),
        entry.actor.kind.value,
        entry.actor.id,
        entry.actor.name,
        entry.action.value,
        entry.refused,
        entry.object_kind,
        entry.object_id,
        entry.reason,
        facts if entry.facts else None,
        kept.hash.hex(),
    ]


def _json_line(kept: Kept) -> bytes:
    said: dict[str, object] = dict(zip(COLUMNS, _cells(kept), strict=True))
    said["facts"] = dict(kept.entry.facts)
    try:
        return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # halves of surrogate pairs, which only SQLite keeps
        return json.dumps(said).encode() + b"\n"
