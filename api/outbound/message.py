"""A notice as it is sent: the same bytes, and the same id, however often."""

from __future__ import annotations

from datetime import datetime

from masking.ids import event_id
from storage.json_text import dumps


def message_id(key: str) -> str:
    """`webhook-id`, and `id` in the body."""
    return event_id(key)


def body(
    *, key: str, kind: str, at: datetime, conversation_id: str | None, sequence: int, data: str
) -> bytes:
    """The body; `data` is JSON already."""
    head = dumps(
        {
            "type": kind,
            "timestamp": at.isoformat(timespec="milliseconds")[:-6] + "Z",
            "id": message_id(key),
            "sequence": sequence,
            "conversation_id": conversation_id,
        }
    )
    return f'{head[:-1]},"data":{data}}}'.encode()
