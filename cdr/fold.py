"""The fold: all rows of a call in, its record out, or the plain statement that it is not over.

Pure, and a function of the *set* of rows: their order in the file, and how often a row was read,
make no difference. Where rows contradict each other the earlier one counts.

A side of a call that is up may be handed over to another leg. From then on that leg stands for the
side: the end of the one it replaced ends nothing, neither the call nor the talk.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cdr.events import EventKind, EventRow, integer
from cdr.model import CALLER_UNREACHED, CallRecord, CameBy, Handover, HandoverResult, Leg, Recording
from cdr.taped import taped
from cdr.times import moment
from cdr.tries import Tried, legs, tries
from cdr.turns import handovers, member, prompts, side_of, sounded
from masking.ids import call_id
from masking.model import Role
from masking.outcome import CallFacts, DialStatus, EndedBy, classify
from masking.plan import Announcement, Channel, RefusalReason


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


Moved = tuple[tuple[EventRow, Handover], ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a call by what they say: of those that can be only once, the first."""

    offer: EventRow | None
    click: EventRow | None
    clicked: EventRow | None
    plan: EventRow | None
    refusal: EventRow | None
    end: EventRow | None
    over: EventRow | None
    begun: list[EventRow]
    ended: list[EventRow]
    woke: list[EventRow]
    answers: list[EventRow]
    legs: list[EventRow]
    handovers: Moved
    quality: list[EventRow]
    announced: list[EventRow]
    taped: list[EventRow]
    taped_to: list[EventRow]

    @property
    def handed_over(self) -> bool:
        """Whether a side went over to another leg."""
        return bool(_done(self.handovers))

    @property
    def unreached(self) -> bool:
        """Whether the platform asked for the call, and the caller was not there."""
        if self.click is None or self.plan or self.refusal or self.begun:
            return False
        if self.clicked is None:
            return self.offer is None
        return DialStatus.of(self.clicked.values().get("status", "")) is not DialStatus.ANSWER


def fold(
    node: str, rows: Iterable[EventRow], cut: Cut | None = None
) -> CallRecord | Unfinished | Stray:
    """What the rows of one call amount to. With `cut`, a call whose end is missing is closed."""
    ordered = sorted(set(rows))
    kinds = {row.kind for row in ordered}
    closed = cut is not None or EventKind.LINKEDID_END in kinds
    if not closed and EventKind.CLICK_END not in kinds:
        return Unfinished(tuple(ordered))
    found = _sort(ordered)
    if not (closed or (found.unreached and found.end)):
        return Unfinished(tuple(ordered))
    if not (found.offer or found.click or found.plan or found.refusal or found.begun):
        return Stray()
    # The caller's hang-up says all that the last row would say.
    return _record(node, ordered, found, None if found.over or found.end else cut)


_KINDS = tuple(EventKind)


def _sort(ordered: Iterable[EventRow]) -> _Rows:
    of: dict[EventKind, list[EventRow]] = {kind: [] for kind in _KINDS}
    for row in ordered:
        of[row.kind].append(row)
    moved = handovers(of[EventKind.HANDOVER]) if of[EventKind.HANDOVER] else ()
    return _Rows(
        offer=_first(of[EventKind.OFFER]),
        click=_first(of[EventKind.CLICK]),
        clicked=_first(of[EventKind.CLICK_END]),
        plan=_first(of[EventKind.PLAN]),
        refusal=_first(of[EventKind.REFUSE]),
        end=_end(of, moved),
        over=_first(of[EventKind.LINKEDID_END]),
        begun=of[EventKind.ATTEMPT],
        ended=of[EventKind.ATTEMPT_END],
        woke=of[EventKind.WOKE],
        answers=_answers(of, moved),
        legs=_legs(of[EventKind.LEG], moved),
        handovers=moved,
        quality=of[EventKind.QUALITY],
        announced=of[EventKind.ANNOUNCED],
        taped=of[EventKind.RECORDING],
        taped_to=of[EventKind.RECORDING_END],
    )


def _first(rows: list[EventRow]) -> EventRow | None:
    return rows[0] if rows else None


def _end(of: Mapping[EventKind, list[EventRow]], moved: Moved) -> EventRow | None:
    """The end of the leg that stood for the caller at last; every leg that joined says one too."""
    ends = of[EventKind.END]
    if not ends:
        return None
    callers = [row.unique_id for row, one in _done(moved) if one.side is EndedBy.CALLER]
    if callers:
        return _first([row for row in ends if row.unique_id == callers[-1]])
    if of[EventKind.CLICK] and not of[EventKind.OFFER]:
        return ends[0]  # of a caller who was never there, told by another channel
    return _first([row for row in ends if not _joined(row)])


def _legs(rows: list[EventRow], moved: Moved) -> list[EventRow]:
    """Without those that were to join the call and never did."""
    if not any(map(_joined, rows)):
        return rows
    joined = {row.unique_id for row, _ in _done(moved)}
    return [row for row in rows if not _joined(row) or row.unique_id in joined]


def _joined(row: EventRow) -> bool:
    """Whether the leg came later, and names the call itself."""
    return "call=" in row.extra


def _done(moved: Moved) -> list[tuple[EventRow, Handover]]:
    return [(row, one) for row, one in moved if one.result is HandoverResult.DONE]


def _answers(of: dict[EventKind, list[EventRow]], moved: Moved) -> list[EventRow]:
    """The callee's answers. Ours to the caller, before an announcement, is none of them."""
    answers = [row for row in of[EventKind.ANSWER] if row.unique_id != row.linked_id]
    if not answers or not (moved or of[EventKind.CLICK]):
        return answers
    others = {row.unique_id for row, _ in moved} | {row.unique_id for row in of[EventKind.CLICK]}
    callers = {row.unique_id for row in of[EventKind.LEG] if side_of(row.values()) is _CALLER}
    return [row for row in answers if row.unique_id not in others | callers]


_CALLER = EndedBy.CALLER


def _record(node: str, ordered: list[EventRow], found: _Rows, cut: Cut | None) -> CallRecord:
    begun = found.click or found.offer
    offered_us = begun.at_us if begun else ordered[0].at_us
    end = found.end.values() if found.end else {}
    ended_us = max(_ended_us(ordered, found, cut), offered_us)
    ended_by = _ended_by(found, end, cut)
    tried = tries(
        found,
        offered_us,
        ended_us,
        given_up=ended_by is EndedBy.CALLER,
        handed_over=found.handed_over,
    )
    offer = found.offer.values() if found.offer else {}
    click = found.click.values() if found.click else {}
    plan = found.plan.values() if found.plan else {}
    refusal = found.refusal.values() if found.refusal else {}
    refused = member(RefusalReason, refusal.get("reason")) if not tried.attempts else None
    unreached = cut is None and found.unreached
    sides = legs(found.legs)
    cause = integer(end, "cause", most=127)
    caller = plan.get("caller") or refusal.get("caller") or click.get("caller")
    linked_id = ordered[0].linked_id
    return CallRecord(
        call_id=call_id(node, linked_id),
        node=node,
        linked_id=linked_id,
        session_id=_session(plan) or _session(refusal) or _session(click),
        caller_role=member(Role, caller),
        callee_role=member(Role, plan.get("callee") or click.get("callee")),
        number_in=_number(plan, "in") or _number(refusal, "in") or _dialled(offer),
        number_out=_number(plan, "out"),
        trunk_in=offer.get("trunk") or click.get("trunk") or None,
        trunk_out=tried.trunk,
        channel=tried.channel,
        outcome=classify(
            CallFacts(
                attempts=tried.facts,
                refusal=refused,
                answered=tried.answered_at is not None,
                ended_by=EndedBy.CALLER if unreached else ended_by,
                node_died=cut is not None and cut.reason is CutReason.NODE_DIED,
            )
        ),
        reason=_reason(cut, refused, unreached=unreached),
        announcement=member(Announcement, refusal.get("announce")),
        ended_by=ended_by,
        cause=cause if cause is not None else tried.cause,
        offered_at=moment(offered_us),
        rang_at=tried.rang_at,
        answered_at=tried.answered_at,
        ended_at=moment(ended_us),
        ring_ms=tried.ring_ms,
        talk_ms=tried.talk_ms,
        attempts=tried.attempts,
        legs=sides,
        caller_sealed=_sealed(refusal.get("who")),
        caller_index=_index(refusal.get("whoidx")),
        came_by=_came_by(found, offer, sides),
        prompts=prompts(ordered),
        handovers=tuple(one for _, one in found.handovers),
        quality=sounded(found.quality),
        recording=_recording(plan, found, tried, ended_us, ended_by, cut)
        if "record" in plan
        else None,
    )


def _recording(
    plan: Mapping[str, str],
    found: _Rows,
    tried: Tried,
    ended_us: int,
    ended_by: EndedBy | None,
    cut: Cut | None,
) -> Recording | None:
    return taped(
        plan,
        found.announced,
        found.taped,
        found.taped_to,
        ended_us,
        answered=tried.answered_at is not None,
        ended_by=ended_by,
        died=cut is not None,
    )


def _ended_us(ordered: list[EventRow], found: _Rows, cut: Cut | None) -> int:
    if found.end:
        return found.end.at_us
    if found.over:
        return found.over.at_us
    return max(ordered[-1].at_us, cut.alive_us if cut else 0)


def _ended_by(found: _Rows, end: dict[str, str], cut: Cut | None) -> EndedBy | None:
    if cut:
        return EndedBy.SYSTEM
    told = member(EndedBy, end.get("by"))
    if told is not None or not found.handed_over:
        return told
    # Nobody said it: it was the side whose leg went first after the last handover.
    last_us = max(row.at_us for row, _ in _done(found.handovers))
    replaced = _replaced(found)
    for row in found.legs:
        side = side_of(row.values())
        if side is not None and row.at_us >= last_us and row.unique_id not in replaced:
            return side
    return None


def _replaced(found: _Rows) -> set[str]:
    """The legs in whose place others stand: of each side that was handed over, all but the last."""
    last = {one.side: row.unique_id for row, one in _done(found.handovers)}
    return {
        row.unique_id
        for row in found.legs
        if (side := side_of(row.values())) in last and row.unique_id != last[side]
    }


def _reason(cut: Cut | None, refused: RefusalReason | None, *, unreached: bool) -> str | None:
    if cut:
        return cut.reason.value
    if refused:
        return refused.value
    return CALLER_UNREACHED if unreached else None


def _came_by(found: _Rows, offer: dict[str, str], sides: Iterable[Leg]) -> CameBy | None:
    if found.click:
        return CameBy.CLICK
    if offer.get("app"):
        return CameBy.APP
    if offer.get("trunk"):
        return CameBy.GSM
    first = next((leg for leg in sides if leg.side is EndedBy.CALLER), None)
    if first is None or first.channel is None:
        return None
    return CameBy.APP if first.channel is Channel.APP else CameBy.GSM


_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def _session(facts: dict[str, str]) -> str | None:
    text = facts.get("session", "")
    return text if _SESSION.fullmatch(text) else None


def _number(facts: dict[str, str], key: str) -> str | None:
    text = facts.get(key, "")
    return text if _NUMBER.fullmatch(text) else None


def _dialled(offer: dict[str, str]) -> str | None:
    """What was dialled; that it is a number of ours nobody has said."""
    text = offer.get("called", "")
    return text if _E164.fullmatch(text) else None


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
