"""What became of recording a call: the rows ANNOUNCED, RECORDING, RECORDING_END. Pure.

Whether it was asked for, and whether it was forbidden, stands in the plan. The announcement's rows
say of each side how much of it was played; who was not played it all was the reason, and else
whoever left. A part of a recording begins with RECORDING and ends with RECORDING_END on the same
channel; one more begins where another leg takes the place of the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdr.events import EventRow, integer
from cdr.model import Recording
from cdr.times import moment
from cdr.turns import member, side_of
from masking.outcome import EndedBy
from masking.recording import NotRecorded
from masking.rules import RecordingMode

__all__ = ["taped"]

_WHOLE = "SUCCESS"  # Asterisk's PLAYBACKSTATUS
_LEFT = "LEFT"
_LONGEST_MS = 600_000
_BOTH = {EndedBy.CALLER, EndedBy.CALLEE}


def taped(
    plan: Mapping[str, str],
    announced: Sequence[EventRow],
    begun: Sequence[EventRow],
    ended: Sequence[EventRow],
    over_us: int,
    *,
    answered: bool,
    ended_by: EndedBy | None,
    died: bool,
) -> Recording | None:
    """What the rows amount to, each kind by time; None: it was not asked for.

    `over_us` is the end of the call, and of a part whose own end is not told; `died`: of the node.
    """
    asked = member(RecordingMode, plan.get("record"))
    if asked is None or asked is RecordingMode.NEVER:
        return None
    forbidden = member(NotRecorded, plan.get("unrecorded"))
    if forbidden is not None and not begun:
        return Recording(asked, reason=forbidden)
    said = _said(announced)
    caller_ms, _ = said.get(EndedBy.CALLER, (None, None))
    callee_ms, _ = said.get(EndedBy.CALLEE, (None, None))
    if not begun:
        why = _why_not(said, answered=answered, ended_by=ended_by, died=died)
        return Recording(asked, caller_ms, callee_ms, reason=why)
    started_us = begun[0].at_us
    closed = {row.unique_id: row.at_us for row in reversed(ended)}
    whole = all(row.unique_id in closed for row in begun)
    ended_us = max(closed.get(row.unique_id, over_us) for row in begun)
    ended_us = max(ended_us, started_us)
    return Recording(
        asked=asked,
        announced_caller_ms=caller_ms,
        announced_callee_ms=callee_ms,
        started_at=moment(started_us),
        ended_at=moment(ended_us),
        ms=(ended_us - started_us) // 1000,
        reason=None if whole else NotRecorded.NODE_DIED,
    )


def _said(announced: Sequence[EventRow]) -> dict[EndedBy, tuple[int | None, str]]:
    """Of each side how many milliseconds it was played, and how that went: the first row counts."""
    found: dict[EndedBy, tuple[int | None, str]] = {}
    for row in announced:
        facts = row.values()
        side = side_of(facts)
        if side is not None and side not in found:
            found[side] = integer(facts, "ms", most=_LONGEST_MS), facts.get("went", "")
    return found


def _why_not(
    said: Mapping[EndedBy, tuple[int | None, str]],
    *,
    answered: bool,
    ended_by: EndedBy | None,
    died: bool,
) -> NotRecorded:
    if not answered:
        return NotRecorded.NOT_ANSWERED
    if any(went not in (_WHOLE, _LEFT) for _, went in said.values()):
        return NotRecorded.ANNOUNCEMENT_FAILED
    if died:
        return NotRecorded.NODE_DIED
    if said.keys() >= _BOTH and all(went == _WHOLE for _, went in said.values()):
        return NotRecorded.NOT_STARTED  # whoever ended the call
    if ended_by is EndedBy.CALLER:
        return NotRecorded.CALLER_LEFT
    if ended_by is EndedBy.CALLEE:
        return NotRecorded.CALLEE_LEFT
    return NotRecorded.NOT_STARTED
