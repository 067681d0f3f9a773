"""What the platform is told of a call. Pure; no phone of anyone, only proxy numbers of ours.

The number to call back is the callee's own; that of the other side is in no notice.

- `call.ended`: of every call;
- `call.missed`: for the callee, with the card of whoever called, why it was missed and how to call
  back, where their log shows a missed call;
- `call.corrected`: of a call whose record got another version;
- `call.late`: over a lease that is cooling; nobody was rung.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cdr.entries import callee_outcome
from cdr.missed import why
from cdr.model import CallRecord, HandoverResult
from cdr.people import Parties, Person
from cdr.wording import wording
from masking.model import Language
from masking.notice import Notice, NoticeKind, Value
from masking.outcome import EndedBy, Outcome
from masking.plan import RefusalReason


def notices_of(
    record: CallRecord,
    parties: Parties | None,
    call_back: Mapping[str, Value] | None = None,
) -> Iterator[Notice]:
    """All that the platform is told when `record` is written.

    `call_back`: how the callee reaches the caller, where they still do.
    """
    caller, callee = parties.sides(record.caller_role) if parties else (None, None)
    listing = parties.listing if parties else None
    common: dict[str, Any] = {
        "call_id": record.call_id,
        "session_id": record.session_id,
        "listing": None if listing is None else {"id": listing.id, "title": listing.title},
    }
    conversation_id = parties.conversation_id if parties else None

    def notice(kind: NoticeKind, more: dict[str, Any]) -> Notice:
        key = f"{kind} {record.call_id} {record.version}"
        return Notice(kind, key, record.ended_at, conversation_id, common | more)

    yield notice(NoticeKind.CALL_ENDED, _ended(record, caller, callee))
    if callee_outcome(record) is Outcome.MISSED and caller is not None and callee is not None:
        missed = _missed(record, caller, callee) | {"call_back": call_back}
        yield notice(NoticeKind.CALL_MISSED, missed)
    if record.reason == RefusalReason.COOLING:
        yield notice(NoticeKind.CALL_LATE, _late(record, caller))


def correction_notices(
    before: CallRecord,
    after: CallRecord,
    parties: Parties | None,
    call_back: Mapping[str, Value] | None,
    now: datetime,
) -> Iterator[Notice]:
    """All that the platform is told when `after` takes the place of `before`."""
    for told in notices_of(after, parties, call_back):
        match told.kind:
            case NoticeKind.CALL_ENDED:
                kind = NoticeKind.CALL_CORRECTED
                data = {
                    **told.data,
                    "before": {
                        "outcome": before.outcome,
                        "reason": before.reason,
                        "ended_by": before.ended_by,
                        "talk_ms": before.talk_ms,
                        "version": before.version,
                    },
                    "corrected_why": after.corrected_why,
                    "corrected_by": after.corrected_by,
                }
                key = f"{kind} {after.call_id} {after.version}"
                yield Notice(kind, key, now, told.conversation_id, data)
            case NoticeKind.CALL_MISSED if callee_outcome(before) is not Outcome.MISSED:
                yield told
            case _:
                pass  # it was told of the version before


def _ended(record: CallRecord, caller: Person | None, callee: Person | None) -> dict[str, Any]:
    return {
        "caller": _who(caller),
        "callee": _who(callee),
        "outcome": record.outcome,
        "reason": record.reason,
        "why": why(record),
        "came_by": record.came_by,
        "channel": record.channel,
        "handovers": sum(one.result is HandoverResult.DONE for one in record.handovers),
        "ended_by": record.ended_by,
        "offered_at": _text(record.offered_at),
        "rang_at": _text(record.rang_at),
        "answered_at": _text(record.answered_at),
        "ended_at": _text(record.ended_at),
        "ring_ms": record.ring_ms,
        "talk_ms": record.talk_ms,
        "version": record.version,
    }


def _missed(record: CallRecord, caller: Person, callee: Person) -> dict[str, Any]:
    return {
        "user_id": callee.user_id,
        "role": callee.role,
        "caller": {
            "role": caller.role,
            "user_id": caller.user_id,
            "name": caller.card.name,
            "rating": caller.card.rating,
        },
        "facts": dict(caller.card.facts),
        "outcome": record.outcome,
        "reason": why(record),
        "text": {language.value: _reads(record, language) for language in Language},
        "at": _text(record.offered_at),
        "ring_ms": record.ring_ms,
    }


def _reads(record: CallRecord, language: Language) -> str:
    """What the callee reads, e.g. in a push."""
    return wording(EndedBy.CALLEE, record.outcome, talk_ms=0, reason=why(record), language=language)


def _late(record: CallRecord, caller: Person | None) -> dict[str, Any]:
    return {"caller": _who(caller), "number": record.number_in, "at": _text(record.offered_at)}


def _who(person: Person | None) -> dict[str, Any] | None:
    return None if person is None else {"role": person.role, "user_id": person.user_id}


def _text(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds")[:-6] + "Z"
