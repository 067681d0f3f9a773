"""Notices: what the platform is told about, as webhooks. They carry no phone, ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Value = str | int | float | bool | None


class NoticeKind(StrEnum):
    """What happened; the `type` of a webhook."""

    CALL_ENDED = "call.ended"
    CALL_MISSED = "call.missed"
    CALL_LATE = "call.late"  # over a lease that is cooling: nobody was rung
    SESSION_OPENED = "session.opened"  # by a call: a listing's new caller, or the platform's hook
    SESSION_ENDING = "session.ending"
    SESSION_CLOSED = "session.closed"  # not by the platform: recycled
    LISTING_ROTATED = "listing.rotated"
    POOL_LOW = "pool.low"
    PIN_LOCKED = "pin.locked"
    PHONE_ENROLLED = "phone.enrolled"
    WEBHOOK_TEST = "webhook.test"  # asked for, and only to the webhook it is for


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened. Kept in the transaction in which it became true."""

    kind: NoticeKind
    key: str  # the same notice has the same key, however often it is made
    at: datetime
    conversation_id: str | None = None  # notices of one conversation are delivered in order
    data: Mapping[str, Value | Mapping[str, Value]] = field(default_factory=dict)
