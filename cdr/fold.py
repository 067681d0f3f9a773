"""The fold: all rows of a call in, its record out, or the plain statement that it is not over.

Pure, and a function of the *set* of rows: their order in the file, and how often a row was read,
make no difference. Where rows contradict each other the earlier one counts.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from cdr.events import EventKind, EventRow, integer
from cdr.model import CallRecord
from cdr.times import moment
from cdr.tries import legs, tries
from masking.ids import call_id
from masking.model import Role
from masking.outcome import CallFacts, EndedBy, classify
from masking.plan import Announcement, RefusalReason


class CutReason(StrEnum):
    """Why a call's last row will never come. Stands in the record as its reason."""

    NODE_DIED = "node_died"
    END_LOST = "end_lost"


@dataclass(frozen=True, slots=True)
class Cut:
    """The call is over though its last row is missing."""

    reason: CutReason
    alive_us: int  # when the node last gave a sign of life


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The call's last row is not there yet."""

    rows: tuple[EventRow, ...]  # each once, in order of time


@dataclass(frozen=True, slots=True)
class Stray:
    """Rows of channels that are over and were never offered as a call: nothing to record."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a call by what they say: of those that can be only once, the first."""

    offer: EventRow | None
    plan: EventRow | None
    refusal: EventRow | None
    end: EventRow | None
    over: EventRow | None
    begun: list[EventRow]
    ended: list[EventRow]
    answers: list[EventRow]
    legs: list[EventRow]


def fold(
    node: str, rows: Iterable[EventRow], cut: Cut | None = None
) -> CallRecord | Unfinished | Stray:
    """What the rows of one call amount to. With `cut`, a call whose end is missing is closed."""
    ordered = sorted(set(rows))
    if cut is None and all(row.kind is not EventKind.LINKEDID_END for row in ordered):
        return Unfinished(tuple(ordered))
    found = _sort(ordered)
    if not (found.offer or found.plan or found.refusal or found.begun):
        return Stray()
    # The caller's hang-up says all that the last row would say.
    return _record(node, ordered, found, None if found.over or found.end else cut)


def _sort(ordered: Iterable[EventRow]) -> _Rows:
    of: dict[EventKind, list[EventRow]] = {kind: [] for kind in EventKind}
    for row in ordered:
        of[row.kind].append(row)
    return _Rows(
        offer=_first(of[EventKind.OFFER]),
        plan=_first(of[EventKind.PLAN]),
        refusal=_first(of[EventKind.REFUSE]),
        end=_first(of[EventKind.END]),
        over=_first(of[EventKind.LINKEDID_END]),
        begun=of[EventKind.ATTEMPT],
        ended=of[EventKind.ATTEMPT_END],
        # The callee's. Ours to the caller, before an announcement, is no answer.
        answers=[row for row in of[EventKind.ANSWER] if row.unique_id != row.linked_id],
        legs=of[EventKind.LEG],
    )


def _first(rows: list[EventRow]) -> EventRow | None:
    return rows[0] if rows else None


def _record(node: str, ordered: list[EventRow], found: _Rows, cut: Cut | None) -> CallRecord:
    first_us, last_us = ordered[0].at_us, ordered[-1].at_us
    offered_us = found.offer.at_us if found.offer else first_us
    end = found.end.values() if found.end else {}
    if found.end:
        ended_us = found.end.at_us
    elif found.over:
        ended_us = found.over.at_us
    else:
        ended_us = max(last_us, cut.alive_us if cut else 0)
    ended_us = max(ended_us, offered_us)

    tried = tries(found.begun, found.ended, found.answers, offered_us, ended_us)
    offer = found.offer.values() if found.offer else {}
    plan = found.plan.values() if found.plan else {}
    refusal = found.refusal.values() if found.refusal else {}
    refused = _member(RefusalReason, refusal.get("reason")) if not tried.attempts else None
    ended_by = EndedBy.SYSTEM if cut else _member(EndedBy, end.get("by"))
    cause = integer(end, "cause", most=127)
    linked_id = ordered[0].linked_id
    return CallRecord(
        call_id=call_id(node, linked_id),
        node=node,
        linked_id=linked_id,
        session_id=_session(plan) or _session(refusal),
        caller_role=_member(Role, plan.get("caller") or refusal.get("caller")),
        callee_role=_member(Role, plan.get("callee")),
        number_in=_number(plan, "in") or _number(refusal, "in"),
        number_out=_number(plan, "out"),
        trunk_in=offer.get("trunk") or None,
        trunk_out=tried.trunk,
        channel=tried.channel,
        outcome=classify(
            CallFacts(
                attempts=tried.facts,
                refusal=refused,
                answered=tried.answered_at is not None,
                ended_by=ended_by,
                node_died=cut is not None and cut.reason is CutReason.NODE_DIED,
            )
        ),
        reason=cut.reason.value if cut else refused.value if refused else None,
        announcement=_member(Announcement, refusal.get("announce")),
        ended_by=ended_by,
        cause=cause if cause is not None else tried.cause,
        offered_at=moment(offered_us),
        rang_at=tried.rang_at,
        answered_at=tried.answered_at,
        ended_at=moment(ended_us),
        ring_ms=tried.ring_ms,
        talk_ms=tried.talk_ms,
        attempts=tried.attempts,
        legs=legs(found.legs),
        caller_sealed=_sealed(refusal.get("who")),
        caller_index=_index(refusal.get("whoidx")),
    )


_E = TypeVar("_E", bound=StrEnum)


def _member(kind: type[_E], text: str | None) -> _E | None:
    """The member of the vocabulary; None for a word it does not have."""
    try:
        return kind(text) if text else None
    except ValueError:
        return None


_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")


def _session(facts: dict[str, str]) -> str | None:
    text = facts.get("session", "")
    return text if _SESSION.fullmatch(text) else None


def _number(facts: dict[str, str], key: str) -> str | None:
    text = facts.get(key, "")
    return text if _NUMBER.fullmatch(text) else None


def _sealed(text: str | None) -> bytes | None:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)) if text else None
    except ValueError:
        return None


def _index(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text else None
    except ValueError:
        return None
