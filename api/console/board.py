"""The live board: a page that is whole without a script, and the stream that keeps it new.

One snapshot a second serves everybody (`api.console.board_watch`), and is put into words once for
each language and time zone. A reader who is slow misses snapshots, and never makes others wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web

from api.console import board_view
from api.console.board_watch import Snapshot
from api.console.page import Page, Visit
from api.console.render import render, stream
from api.errors import Overloaded
from api.in_app import sse
from api.routing import Write
from masking.staff import Right

BOARD: Final = "/console/board"
LONGEST_S: Final = 900.0  # of a stream; its reader asks again, and is let in or not
KEEP_ALIVE_S: Final = 10.0
WRITE_S: Final = 20.0  # for one piece to be taken
FIRST_S: Final = 10.0  # for the first snapshot
MOST: Final = 200  # streams in this process
MOST_OF_ACCOUNT: Final = 8
_RETRY_MS: Final = 3000
_FRAGMENTS: Final = ("state", "alarms", "past", "trunks", "nodes", "pools", "parts")


@dataclass(frozen=True, slots=True)
class Face:
    """A snapshot in words: texts and fragments by the ids of the elements they belong into."""

    texts: Mapping[str, str]
    fragments: Mapping[str, str]
    lines: Mapping[str, Any]


async def show(visit: Visit) -> web.StreamResponse:
    """The board as it is now."""
    try:
        async with asyncio.timeout(FIRST_S):
            snapshot = await visit.running.console.board.latest()
    except TimeoutError:
        raise Overloaded from None
    view = board_view.view(snapshot, visit.texts)
    return render(visit, "board/page.html", terms=board_view.TERMS, **view)


async def events(visit: Visit) -> web.StreamResponse:
    """The board as it changes: of each snapshot what is not as it was."""
    watch = visit.running.console.board
    viewers = watch.viewers
    if viewers.total() >= MOST or viewers[visit.account.id] >= MOST_OF_ACCOUNT:
        raise Overloaded

    async def pour(write: Write) -> None:
        viewers[visit.account.id] += 1
        try:
            async with asyncio.timeout(LONGEST_S):
                await _pour(visit, write)
        except TimeoutError:
            return  # it was long enough, or its reader takes nothing
        finally:
            viewers[visit.account.id] -= 1
            if not viewers[visit.account.id]:
                del viewers[visit.account.id]

    return stream(visit, pour)


async def _pour(visit: Visit, write: Write) -> None:
    async def send(piece: bytes) -> None:
        async with asyncio.timeout(WRITE_S):
            await write(piece)

    watch = visit.running.console.board
    await send(sse.retry(_RETRY_MS))
    version, seen = -1, Face({}, {}, {})
    while True:
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                snapshot = await watch.newer(version)
        except TimeoutError:
            await send(sse.KEEP_ALIVE)
            continue
        version, face = snapshot.version, face_of(visit, snapshot)
        await send(sse.event("board", _changed(seen, face)))
        seen = face


def face_of(visit: Visit, snapshot: Snapshot) -> Face:
    """The snapshot in the visitor's language and zone; made once for all who share them."""
    made = visit.running.console.board.made
    key = (snapshot.version, visit.language, visit.account.time_zone)
    face = made.get(key)
    if not isinstance(face, Face):
        face = made[key] = _face(visit, snapshot)
    return face


def _face(visit: Visit, snapshot: Snapshot) -> Face:
    view = board_view.view(snapshot, visit.texts)
    now = replace(visit, now=snapshot.at)
    texts = {}
    for tile in view["tiles"]:
        texts[f"value-{tile.key}"] = tile.value
        texts[f"note-{tile.key}"] = tile.note
    fragments = {
        f"board-{name}": render(now, f"board/{name}.html", **view).text or "" for name in _FRAGMENTS
    }
    return Face(texts, fragments, board_view.lines(snapshot))


def _changed(before: Face, now: Face) -> dict[str, object]:
    """What a reader who has seen `before` has to be told."""
    said: dict[str, object] = {
        "texts": {k: v for k, v in now.texts.items() if before.texts.get(k) != v},
        "fragments": {k: v for k, v in now.fragments.items() if before.fragments.get(k) != v},
    }
    if now.lines != before.lines:
        said["lines"] = now.lines
    return said


PAGES: Final = (
    Page("GET", BOARD, show, Right.BOARD_READ),
    Page("GET", f"{BOARD}/events", events, Right.BOARD_READ),
)
