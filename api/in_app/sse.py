"""Server-sent events as bytes (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic_core import to_json

MEDIA_TYPE: Final = "text/event-stream"
KEEP_ALIVE: Final = b": keep-alive\n\n"
MOST_DIGITS: Final = 18  # of an id


def event(kind: str, data: Mapping[str, object], event_id: int | None = None) -> bytes:
    """An event. JSON has no line breaks of its own, so its data is one line."""
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return head + b"event: %s\ndata: %s\n\n" % (kind.encode("ascii"), to_json(data))


def retry(after_ms: int) -> bytes:
    """How long the browser waits before it asks again."""
    return b"retry: %d\n\n" % after_ms


def last_event_id(header: str | None) -> int | None:
    """The entry that the reader saw last; None: none, or none of ours."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS:
        return int(text)
    return None
