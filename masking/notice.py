"""Notices: what the platform is told about, as webhooks. They carry no phone, ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from masking.model import Participant, Phone, Session

Value = str | int | float | bool | None


class NoticeKind(StrEnum):
    """What happened; the `type` of a webhook."""

    CALL_ENDED = "call.ended"
    CALL_MISSED = "call.missed"
    CALL_QUALITY = "call.quality"  # an app's leg has turned poor, or is good again
    CALL_HANDOVER = "call.handover"  # a side of a call that is up was moved, or could not be
    CALL_CORRECTED = "call.corrected"  # its record has another version, for a reason
    CALL_LATE = "call.late"  # over a lease that is cooling: nobody was rung
    RECORDING_READY = "recording.ready"  # it can be heard
    RECORDING_FAILED = "recording.failed"  # there should be one, and there is none
    SESSION_OPENED = "session.opened"  # by a call: a listing's new caller, or the platform's hook
    SESSION_ENDING = "session.ending"
    SESSION_CLOSED = "session.closed"  # not by the platform: recycled
    LISTING_ROTATED = "listing.rotated"
    POOL_LOW = "pool.low"
    PIN_LOCKED = "pin.locked"
    PHONE_ENROLLED = "phone.enrolled"
    ALARM_RAISED = "alarm.raised"  # of the service itself: a trunk fails, a pool is low …
    ALARM_CLEARED = "alarm.cleared"
    WEBHOOK_TEST = "webhook.test"  # asked for, and only to the webhook it is for


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened. Kept in the transaction in which it became true."""

    kind: NoticeKind
    key: str  # the same notice has the same key, however often it is made
    at: datetime
    conversation_id: str | None = None  # notices of one conversation are delivered in order
    data: Mapping[str, Value | Mapping[str, Value]] = field(default_factory=dict)


def session_opened(
    session: Session,
    why: str,
    dialled: tuple[Phone, str],
    sides: tuple[Participant | None, Participant | None],
    now: datetime,
) -> Notice:
    """A call has opened `session`: by the number and digits `dialled`; caller and callee, if known.

    `why`: ``listing`` or ``hook``.
    """
    listing = session.listing
    number, extension = dialled
    caller, callee = sides
    return Notice(
        kind=NoticeKind.SESSION_OPENED,
        key=f"session.opened:{session.id}",
        at=now,
        conversation_id=session.conversation_id,
        data={
            "session_id": session.id,
            "conversation_id": session.conversation_id,
            "conversation_held": session.conversation_held,
            "why": why,
            "listing_number_id": session.listing_number_id,
            "listing": None if listing is None else {"id": listing.id, "title": listing.title},
            "number": number,
            "extension": extension,
            "caller": _who(caller),
            "callee": _who(callee),
        },
    )


def _who(one: Participant | None) -> dict[str, Value] | None:
    return None if one is None else {"role": one.role.value, "user_id": one.user_id}
