"""A call as it went, for people: what happened when, in sentences, and to scale as bars.

Pure: a record in, values out; words are keys of console/texts/call.toml until they are spoken
(`call_words`). Knows trunks and proxy numbers of ours; a phone is in a record only sealed, and none
comes out of here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.console.call_words import Ours, Said, Took, Value, Word
from cdr.fold import CutReason
from cdr.model import (
    CALLER_UNREACHED,
    Attempt,
    CallRecord,
    CameBy,
    Handover,
    HandoverResult,
    Step,
    WakeResult,
)
from masking.outcome import AttemptFacts, DialStatus, EndedBy, Outcome, verdict
from masking.plan import Channel, RefusalReason

_MS: Final = timedelta(milliseconds=1)
_MOST_TICKS: Final = 6
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
_CAUSES: Final = frozenset(
    {1, 3, 16, 17, 18, 19, 20, 21, 22, 26, 27, 28, 31, 34, 38, 41, 42, 44, 47, 58, 88, 102, 127}
)
_REASONS: Final = frozenset({*map(str, RefusalReason), *map(str, CutReason), CALLER_UNREACHED})


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: datetime
    after_ms: int  # since the call was offered
    said: Said
    tone: str = "calm"  # ok, warn, bad, calm
    detail: str = ""  # for those who know SIP


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time on one lane. `kind`: wait, wake, dial, ring, talk, record."""

    lane: str  # caller, callee, recording
    kind: str
    start_ms: int
    end_ms: int
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a lane at which a side went over to another channel."""

    lane: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """All of it."""

    total_ms: int  # at least 1
    moments: tuple[Moment, ...]  # in order of time
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    ticks_ms: tuple[int, ...]

    @property
    def lanes(self) -> tuple[str, ...]:
        """Those on which there is something."""
        there = {bar.lane for bar in self.bars}
        return tuple(one for one in ("caller", "callee", "recording") if one in there)


def timeline(record: CallRecord) -> Timeline:
    """The call's."""
    total_ms = max(1, _since(record, record.ended_at))
    found = sorted(_moments(record), key=lambda one: one.at)  # stable: ties stay in their order
    bars = tuple(_bars(record, total_ms))
    marks = tuple(
        Mark(one.side.value, _since(record, one.at))
        for one in record.handovers
        if one.result is HandoverResult.DONE
    )
    return Timeline(total_ms, tuple(found), bars, marks, ticks(total_ms))


def ticks(total_ms: int) -> tuple[int, ...]:
    """Round moments from 0, few enough to be read."""
    step_s = next((s for s in _STEPS_S if total_ms / (s * 1000) <= _MOST_TICKS), None)
    if step_s is None:
        hours = -(-total_ms // (_MOST_TICKS * 3_600_000))
        step_s = hours * 3600
    return tuple(range(0, total_ms + 1, step_s * 1000))


def _since(record: CallRecord, at: datetime) -> int:
    return max(0, (at - record.offered_at) // _MS)


# -- what happened ------------------------------------------------------------------------------


def _moments(record: CallRecord) -> Iterator[Moment]:
    def moment(
        at: datetime, key: str, tone: str = "calm", detail: str = "", /, **values: Value
    ) -> Moment:
        return Moment(at, _since(record, at), Said(f"call.went.{key}", values), tone, detail)

    yield moment(record.offered_at, *_began(record), **_began_values(record))
    for prompt in record.prompts:
        went = "left" if prompt.went is None else prompt.went.value
        asked = Word(f"call.prompt.{prompt.kind}") if prompt.kind in _PROMPTS else prompt.kind
        tone = "calm" if went == "ok" else "warn"
        yield moment(prompt.at, f"prompt_{went}", tone, asked=asked, n=prompt.n)
    if record.reason is not None and not record.attempts:
        yield from _refused(record, moment)
    for attempt in record.attempts:
        for step in attempt.steps:
            yield from _step(record, attempt, step, moment)
    if record.answered_at is not None:
        who = Word(who_key(record, EndedBy.CALLEE))
        where = Word(f"call.channel.{_first_channel(record)}")
        yield moment(record.answered_at, "answered", "ok", who=who, where=where)
    yield from _recorded(record, moment)
    for one in record.handovers:
        yield _moved(record, one, moment)
    yield _ended(record, moment)


_PROMPTS: Final = frozenset({"pin", "extension", "which", "listing"})
_Make = Callable[..., Moment]


def _began(record: CallRecord) -> tuple[str, str]:
    match record.came_by:
        case CameBy.APP:
            return "offered_app", "calm"
        case CameBy.CLICK:
            return "offered_click", "calm"
        case CameBy.GSM | None:
            key = "offered_gsm" if record.trunk_in else "offered_gsm_plain"
            return key, "calm"


def _began_values(record: CallRecord) -> dict[str, Value]:
    return {
        "who": Word(who_key(record, EndedBy.CALLER)),
        "number": Ours(record.number_in),
        "trunk": record.trunk_in or "",
    }


def _refused(record: CallRecord, moment: _Make) -> Iterator[Moment]:
    reason = Word(reason_key(record.reason))
    at = record.prompts[-1].at if record.prompts else record.offered_at
    yield moment(at, "refused", "bad", why=reason)
    if record.announcement is not None:
        yield moment(at, "heard", "calm", what=Word(f"call.heard.{record.announcement.value}"))


def reason_key(reason: str | None) -> str:
    """The text of a refusal's reason, or of why a record had to be closed without its end."""
    return f"call.reason.{reason if reason in _REASONS else 'other'}"


def _step(record: CallRecord, attempt: Attempt, step: Step, moment: _Make) -> Iterator[Moment]:
    who = Word(who_key(record, EndedBy.CALLEE))
    began = step.started_at
    if step.wake is not None:
        yield moment(step.started_at, "waking", who=who)
        began = min(step.started_at + step.wake.after_ms * _MS, step.ended_at)
        result = step.wake.result
        tone = "ok" if result is WakeResult.WOKEN else "warn"
        key = "wake_unseen" if result is None else f"wake_{result.value}"
        yield moment(began, key, tone, ms=Took(step.wake.after_ms))
    if _dialled(step):
        if attempt.channel is Channel.APP:
            key = "dial_app" if step.devices else "dial_app_plain"
            yield moment(began, key, who=who, n=step.devices or 0)
        else:
            yield moment(began, "dial_gsm", who=who, trunk=step.trunk or "?")
    if step.rang_at is not None:
        where = Word(f"call.channel.{attempt.channel.value}")
        yield moment(step.rang_at, "rings", who=who, where=where)
    if step.status not in _UNTOLD and _dialled(step) and not _left_by_caller(record, step):
        said = verdict(_facts(attempt, step))
        rang = step.rang_at is not None
        key = f"step_{said.value}" + ("_rang" if rang and said is Outcome.MISSED else "")
        tone = "warn" if said is not Outcome.FAILED else "bad"
        values: dict[str, Value] = {"who": who, "trunk": step.trunk or "?"}
        if said is Outcome.FAILED and attempt.channel is Channel.APP:
            key = "step_failed_app"
        yield moment(step.ended_at, key, tone, codes(step.sip, step.cause), **values)


_UNTOLD: Final = (None, DialStatus.ANSWER, DialStatus.CANCEL)
_AT_ONCE: Final = 1000 * _MS


def _left_by_caller(record: CallRecord, step: Step) -> bool:
    """Whether it ended because the caller did: whatever a carrier then says is not the cause."""
    return gave_up(record) and step.ended_at >= record.ended_at - _AT_ONCE


def gave_up(record: CallRecord) -> bool:
    """Whether the caller hung up before anybody answered."""
    return record.ended_by is EndedBy.CALLER and record.answered_at is None


def _dialled(step: Step) -> bool:
    """Whether it came to a Dial: an app that never came is not dialled."""
    return step.wake is None or step.wake.result in (None, WakeResult.WOKEN)


def _facts(attempt: Attempt, step: Step) -> AttemptFacts:
    woken = None if step.wake is None else step.wake.result is WakeResult.WOKEN
    ring_ms = None if step.rang_at is None else (step.rang_at - step.started_at) // _MS
    return AttemptFacts(
        status=step.status,
        sip=step.sip,
        cause=step.cause,
        dial_ms=(step.ended_at - step.started_at) // _MS,
        ring_ms=ring_ms,
        channel=attempt.channel,
        woken=woken,
    )


def codes(sip: int | None, cause: int | None) -> str:
    """What protocols said, e.g. ``SIP 486, Q.850 17``."""
    said = [("SIP", sip), ("Q.850", cause)]
    return ", ".join(f"{name} {code}" for name, code in said if code)


def _recorded(record: CallRecord, moment: _Make) -> Iterator[Moment]:
    kept = record.recording
    if kept is None:
        return
    if kept.started_at is not None:
        yield moment(kept.started_at, "recording")
        if kept.ended_at is not None and kept.ended_at < record.ended_at:
            yield moment(kept.ended_at, "recording_over")
    elif kept.reason is not None and record.answered_at is not None:
        why = Word(f"call.unrecorded.{kept.reason.value}")
        yield moment(record.answered_at, "unrecorded", "warn", why=why)


def _moved(record: CallRecord, one: Handover, moment: _Make) -> Moment:
    values: dict[str, Value] = {
        "who": Word(who_key(record, one.side)),
        "where": Word(f"call.to_channel.{one.target.value}"),
        "why": Word(f"call.handover_why.{one.why.value}"),
        "ms": Took(one.ms or 0),
    }
    done = one.result is HandoverResult.DONE
    if not done:
        return moment(one.at, f"handover_{one.result.value}", "warn", **values)
    return moment(one.at, "handover_done" if one.ms else "handover_done_plain", "ok", **values)


def _ended(record: CallRecord, moment: _Make) -> Moment:
    detail = codes(record.sip_status, record.cause)
    by = record.ended_by
    cut = {one.value for one in CutReason}
    if record.reason in cut:
        return moment(record.ended_at, "cut", "bad", detail, why=Word(reason_key(record.reason)))
    if gave_up(record):
        return moment(record.ended_at, "gave_up", who=Word(who_key(record, EndedBy.CALLER)))
    values: dict[str, Value] = {"why": Word(why_key(record))}
    if by is None:
        return moment(record.ended_at, "ended", "calm", detail, **values)
    if by is EndedBy.SYSTEM:
        tone = "calm" if record.answered_at is None else "warn"
        return moment(record.ended_at, "ended_system", tone, detail, **values)
    values["who"] = Word(who_key(record, by))
    key = "ended_callee" if record.answered_at is None else "ended_by"
    return moment(record.ended_at, key, "calm", detail, **values)


def why_key(record: CallRecord) -> str:
    """The text of why the call ended: the cause of ITU-T Q.850, where that is the reason."""
    if gave_up(record):
        return "call.cause.gave_up"
    return f"call.cause.{record.cause}" if record.cause in _CAUSES else "call.cause.other"


def who_key(record: CallRecord, side: EndedBy) -> str:
    """The text that names a side: by its role, else as the side that it is."""
    role = record.caller_role if side is EndedBy.CALLER else record.callee_role
    return f"call.who.{side.value}" if role is None else f"call.role.{role.value}"


# -- to scale -----------------------------------------------------------------------------------


def _first_channel(record: CallRecord) -> str:
    """Through what the callee answered, before any handover."""
    for attempt in record.attempts:
        if any(step.status is DialStatus.ANSWER for step in attempt.steps):
            return attempt.channel.value
    return (record.channel or Channel.GSM).value


def _bars(record: CallRecord, total_ms: int) -> Iterator[Bar]:
    answered_ms = None if record.answered_at is None else _since(record, record.answered_at)
    came = Channel.APP if record.came_by is CameBy.APP else Channel.GSM
    yield from _bar("caller", "wait", 0, total_ms if answered_ms is None else answered_ms, came)
    for attempt in record.attempts:
        for step in attempt.steps:
            yield from _step_bars(record, attempt.channel, step, answered_ms)
    if answered_ms is not None:
        first = Channel(_first_channel(record))
        for side, channel in ((EndedBy.CALLER, came), (EndedBy.CALLEE, first)):
            yield from _talk(record, side, channel, answered_ms, total_ms)
    kept = record.recording
    if kept is not None and kept.started_at is not None:
        over = record.ended_at if kept.ended_at is None else kept.ended_at
        start, end = _since(record, kept.started_at), min(_since(record, over), total_ms)
        yield from _bar("recording", "record", start, end, None)


def _step_bars(
    record: CallRecord, channel: Channel, step: Step, answered_ms: int | None
) -> Iterator[Bar]:
    start, end = _since(record, step.started_at), _since(record, step.ended_at)
    if step.status is DialStatus.ANSWER and answered_ms is not None:
        end = min(end, answered_ms)
    if step.wake is not None:
        woken = min(end, start + max(0, step.wake.after_ms))
        yield from _bar("callee", "wake", start, woken, channel)
        start = woken
    if not _dialled(step):
        return
    rang = end if step.rang_at is None else min(end, max(start, _since(record, step.rang_at)))
    yield from _bar("callee", "dial", start, rang, channel)
    yield from _bar("callee", "ring", rang, end, channel)


def _talk(
    record: CallRecord, side: EndedBy, channel: Channel, start_ms: int, end_ms: int
) -> Iterator[Bar]:
    """A side's talk, in as many stretches as it had channels."""
    for one in sorted(record.handovers, key=lambda one: one.at):
        if one.side is side and one.result is HandoverResult.DONE:
            at = min(end_ms, max(start_ms, _since(record, one.at)))
            yield from _bar(side.value, "talk", start_ms, at, one.source)
            start_ms, channel = at, one.target
    yield from _bar(side.value, "talk", start_ms, end_ms, channel)


def _bar(
    lane: str, kind: str, start_ms: int, end_ms: int, channel: Channel | None
) -> Iterator[Bar]:
    if end_ms > start_ms:
        yield Bar(lane, kind, start_ms, end_ms, channel)
