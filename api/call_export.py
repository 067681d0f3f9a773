"""Exports of call records over HTTP: a stream of bytes, as long as the list is, and never a phone.

What was recorded when it began is in it, each record once. It is written to the audit log before
its first byte goes out. If it cannot go on, the connection breaks off: half a file never looks
whole. Bounds: so many at once, and every piece has to be taken in time.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import Any, Final

from api.call_filter import filter_of
from api.calls import READERS
from api.exports import Exports
from api.routing import Answer, Request, Route, Tag, Write
from api.schemas.call_filter import (
    CallsExportIn,
    CallsExportQuery,
)
from api.schemas.common import NoBody, NoQuery
from cdr import export, export_rows
from cdr.export import MEDIA_TYPES, Writer
from cdr.record_filter import Filter, told
from cdr.record_search import Key
from storage import audit
from storage.audit import Action, Actor, ActorKind, Entry
from storage.database import Database
from storage.errors import StorageError

_log: Final = logging.getLogger("maskline.api")
_WRITE_S: Final = 60.0  # for one piece to be taken


class ExportBroken(ConnectionError):
    """The export ends before it is whole, and the connection with it."""


async def export_calls(request: Request[NoBody, CallsExportQuery]) -> Answer:
    """The calls of a filter as a file."""
    return await _begun(request, request.query)


async def search_export(request: Request[CallsExportIn, NoQuery]) -> Answer:
    """The same, asked for in a body."""
    return await _begun(request, request.body)


async def _begun(request: Request[Any, Any], sent: CallsExportQuery | CallsExportIn) -> Answer:
    services, exports = request.services, request.running.exports
    exports.refuse_more()
    wanted = filter_of(sent, services.vault)
    # Calls that come meanwhile are not in it: it has an end.
    until = request.now if wanted.until is None else min(wanted.until, request.now)
    wanted = replace(wanted, until=until)
    facts = {"format": sent.format.value, **told(wanted, services.vault.person_ref)}
    key = request.key
    actor = audit.SYSTEM if key is None else Actor(ActorKind.KEY, key.id, key.name)
    entry = Entry(request.now, actor, Action.RECORDS_EXPORTED, "records", facts=facts)
    if request.method != "HEAD":
        await services.db.write(lambda conn: audit.append(conn, entry))
    writer = export.writer_of(sent.format, bom=sent.bom)

    async def pour(write: Write) -> None:
        with exports.one():
            await _pour(services.db, exports, wanted, writer, write)

    name = f"calls-{request.now:%Y%m%dT%H%M%SZ}.{sent.format.value}"
    return Answer(
        200,
        content_type=MEDIA_TYPES[sent.format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
        stream=pour,
    )


async def _pour(
    db: Database, exports: Exports, wanted: Filter, writer: Writer, write: Write
) -> None:
    async def send(piece: bytes) -> None:
        if exports.closed:
            raise ExportBroken
        if piece:
            async with asyncio.timeout(_WRITE_S):
                await write(piece)

    try:
        await send(writer.head())
        after: Key | None = None
        while True:
            piece = await db.read(partial(export_rows.read, wanted=wanted, after=after))
            # Thousands of values: the loop has others to serve meanwhile.
            await send(await asyncio.to_thread(writer.rows, piece.rows))
            if piece.resume is None:
                break
            after = piece.resume
        await send(await asyncio.to_thread(writer.tail))
    except StorageError as error:
        _log.warning("an export broke off: %s", error.error_id)
        raise ExportBroken from None
    except TimeoutError:
        _log.info("an export broke off: its reader takes nothing")
        raise ExportBroken from None


_MEDIA: Final = ", ".join(one.partition(";")[0] for one in MEDIA_TYPES.values())
_ABOUT: Final = (
    "The calls that meet all that is given, newest first, as CSV, JSON Lines or Parquet; those "
    "offered after it began are not in it. Each with its link in the ledger, so that "
    "`maskline records verify` can prove the file. A CSV cell that a spreadsheet would take for a "
    "formula has an apostrophe before it. It is streamed as it is read; if the connection ends "
    "before the body does, the file is not whole. Who exported what is kept in the audit log."
)

ROUTES: Final = (
    Route(
        "export_calls",
        "GET",
        "/v1/calls/export",
        "Export calls",
        Tag.CALLS,
        export_calls,
        roles=READERS,
        query=CallsExportQuery,
        answers=_MEDIA,
        description=_ABOUT,
    ),
    Route(
        "search_export",
        "POST",
        "/v1/calls/export",
        "Export calls, by phone as well",
        Tag.CALLS,
        search_export,
        roles=READERS,
        body=CallsExportIn,
        body_optional=True,
        answers=_MEDIA,
        description=_ABOUT,
    ),
)
