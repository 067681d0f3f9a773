"""How the callee of a missed call reaches the caller, as it stands when the call is recorded.

Only what the callee was given themselves: the session, and the proxy number of their own lease.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from masking.notice import Value
from storage.dialect import one_of
from storage.prepared import Prepared
from storage.schema import leases, numbers
from storage.session_rows import OWN

_NUMBERS: Final = Prepared(
    select(
        *leases.c["session_id", "position", "extension", "expires_at"],
        numbers.c.e164,
    )
    .join_from(leases, numbers, numbers.c.id == leases.c.number_id)
    .where(
        one_of(leases.c.session_id, "wanted"),
        leases.c.slot == OWN,
        leases.c.active,
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """A number of ours by which one participant reaches the other."""

    number: str  # E.164
    extension: str  # digits that follow it, or ""


Places = dict[tuple[str, int], Place]
"""By session and the participant's position in it."""


def places(conn: Connection, session_ids: Collection[str], now: datetime) -> Places:
    """The numbers that still serve the participants of these sessions."""
    if not session_ids:
        return {}
    return {
        (row.session_id, row.position): Place(row.e164, row.extension)
        for row in _NUMBERS.rows(conn, {"wanted": sorted(session_ids)})
        if row.expires_at > now
    }


def told(session_id: str, until: datetime, place: Place | None, app_host: str) -> dict[str, Value]:
    """The way back as a webhook says it; the session is open `until` then."""
    return {
        "session_id": session_id,
        "app": f"sip:{session_id}@{app_host}" if app_host else None,
        "gsm": place.number if place else None,
        "extension": (place.extension or None) if place else None,
        "until": until.isoformat(timespec="milliseconds")[:-6] + "Z",
    }
