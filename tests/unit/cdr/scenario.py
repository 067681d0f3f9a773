"""Scenarios as text: a title, the rows as they stand on the disk, the record expected of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cdr.call_log import LogEntry
from cdr.history import HistoryEntry
from cdr.missed import why
from cdr.model import Attempt, CallRecord, Handover, Leg, Prompt, Quality, Recording, Step
from cdr.wording import wording
from masking.model import Language
from masking.outcome import EndedBy

FOLDER = Path(__file__).with_name("scenarios")
NODE = "n0123456789ab"
START = datetime.fromtimestamp(1_700_000_000, UTC)  # when every scenario's call is offered


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file of the folder."""

    name: str
    title: str
    lines: tuple[bytes, ...]  # without line feeds; the last one may be torn
    expected: tuple[str, ...]  # "name: value", or one word

    @property
    def recorded(self) -> bool:
        return ":" in self.expected[0] and not self.expected[0].startswith("unfinished")

    def file(self, seal: str = "") -> bytes:
        """The event file; a last line that is torn has no line feed. `seal` stands for SEALED."""
        raw = b"\n".join(self.lines).replace(b"SEALED", seal.encode())
        return raw + b"\n" if raw.endswith(b"}") else raw


def scenarios() -> list[Scenario]:
    return [_load(path) for path in sorted(FOLDER.glob("*.txt"))]


def _load(path: Path) -> Scenario:
    title, lines, expected = path.read_text(encoding="ascii").split("\n\n")
    return Scenario(
        name=path.stem,
        title=title,
        lines=tuple(line.encode() for line in lines.splitlines()),
        expected=tuple(expected.splitlines()),
    )


def told(record: CallRecord, history: HistoryEntry | None, log: list[LogEntry]) -> dict[str, str]:
    """Everything about a call, as the scenarios spell it."""
    shown = (EndedBy.CALLER, EndedBy.CALLEE) if history is None else history.shown_to
    sides = {
        side: wording(
            side,
            record.outcome,
            talk_ms=record.talk_ms,
            reason=record.reason or why(record),
            language=Language.EN,
        )
        for side in (EndedBy.CALLER, EndedBy.CALLEE)
        if side in shown
    }
    if history is None:
        sides.pop(EndedBy.CALLEE)
    return {
        "outcome": record.outcome,
        "reason": record.reason or "-",
        "why": why(record) or "-",
        "came by": record.came_by or "-",
        "announcement": record.announcement or "-",
        "ended_by": record.ended_by or "-",
        "cause": _or_dash(record.cause),
        "sip": _or_dash(record.sip_status),
        "ring_ms": str(record.ring_ms),
        "talk_ms": str(record.talk_ms),
        "rang_at": _offset(record.rang_at),
        "answered_at": _offset(record.answered_at),
        "ended_at": _offset(record.ended_at),
        "session_id": record.session_id or "-",
        "conversation_id": record.conversation_id or "-",
        "caller": " ".join(filter(None, (record.caller_role, record.caller_user_id))) or "-",
        "callee": " ".join(filter(None, (record.callee_role, record.callee_user_id))) or "-",
        "numbers": f"{record.number_in or '-'} -> {record.number_out or '-'}",
        "trunks": f"{record.trunk_in or '-'} -> {record.trunk_out or '-'}",
        "attempts": " ".join(map(_attempt, record.attempts)) or "-",
        "prompts": " ".join(map(_prompt, record.prompts)) or "-",
        "handovers": " | ".join(map(_handover, record.handovers)) or "-",
        "quality": " | ".join(map(_quality, record.quality)) or "-",
        "recording": "-" if record.recording is None else _recording(record.recording),
        "devices": " ".join(f"{leg.side}={leg.device}" for leg in record.legs if leg.device) or "-",
        "legs": " | ".join(map(_leg, record.legs)) or "-",
        "caller reads": sides.get(EndedBy.CALLER, "-"),
        "callee reads": sides.get(EndedBy.CALLEE, "-"),
        "logs": " | ".join(map(_entry, sorted(log, key=lambda one: one.user_id))) or "-",
    }


def _recording(one: Recording) -> str:
    heard = f"{_or_dash(one.announced_caller_ms)}/{_or_dash(one.announced_callee_ms)}"
    times = f"{_offset(one.started_at)} to {_offset(one.ended_at)}"
    return f"{one.asked} announced {heard} from {times} {_or_dash(one.ms)} {one.reason or '-'}"


def _offset(at: datetime | None) -> str:
    return "-" if at is None else f"{(at - START).total_seconds():.3f}"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _attempt(attempt: Attempt) -> str:
    return f"{attempt.channel}[{', '.join(map(_step, attempt.steps))}]"


def _step(step: Step) -> str:
    told = f"{step.n} {step.trunk} {step.status or '-'} {_or_dash(step.cause)} {_or_dash(step.sip)}"
    if step.devices is not None:
        told += f" devices {step.devices}"
    return told if step.wake is None else f"{told} {step.wake.result or '-'} {step.wake.after_ms}"


def _prompt(prompt: Prompt) -> str:
    return f"{prompt.kind}[{prompt.n} {prompt.went or '-'}]"


def _handover(one: Handover) -> str:
    told = f"{_offset(one.at)} {one.side} {one.source}->{one.target} {one.why} {one.result}"
    return f"{told} {_or_dash(one.ms)} {one.trunk or '-'}"


def _quality(one: Quality) -> str:
    figures = (one.mos_min, one.mos_avg, one.below_ms, one.offered)
    return f"{one.side} {' '.join(map(_or_dash, figures))}"


def _leg(leg: Leg) -> str:
    received = leg.received
    return (
        f"{leg.side} {leg.trunk} {leg.codec} rtt {_or_dash(leg.rtt_ms)} "
        f"received {_or_dash(received.packets)}-{_or_dash(received.lost)} "
        f"{_or_dash(received.mes)} {_or_dash(received.mos)}"
    )


def _entry(entry: LogEntry) -> str:
    read = "unread" if entry.unread else "read"
    because = f" {entry.reason}" if entry.reason else ""
    return f"{entry.user_id} {entry.direction} {entry.outcome}{because} {read}"
