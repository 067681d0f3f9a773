"""Outcomes: how a call ended for those concerned, in the words of the glossary.

One truth table of carriers' answers (`ends_attempt`, for the dialplan; `verdict`, for the record)
so that what was done and what is told of it cannot drift apart. Judges facts; never reads a log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import assert_never

from masking.plan import Channel, RefusalReason


class Outcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    MISSED = "missed"
    BUSY = "busy"
    DECLINED = "declined"
    CANCELLED = "cancelled"  # the caller gave up before the callee's phone rang
    UNREACHABLE = "unreachable"
    BLOCKED = "blocked"
    FAILED = "failed"


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    SYSTEM = "system"


class DialStatus(StrEnum):
    """Asterisk's DIALSTATUS."""

    ANSWER = "ANSWER"
    BUSY = "BUSY"
    NOANSWER = "NOANSWER"
    CANCEL = "CANCEL"
    CONGESTION = "CONGESTION"
    CHANUNAVAIL = "CHANUNAVAIL"
    DONTCALL = "DONTCALL"
    TORTURE = "TORTURE"
    INVALIDARGS = "INVALIDARGS"

    @classmethod
    def of(cls, text: str) -> DialStatus | None:
        """The status that `text` names, None if it is none: Dial did not return, or not yet."""
        try:
            return cls(text)
        except ValueError:
            return None


class _Said(Enum):
    """What a carrier's answer means."""

    ANSWERED = auto()
    GIVEN_UP = auto()  # the caller left first
    BUSY = auto()
    DECLINED = auto()
    AWAY = auto()  # switched off, out of coverage, or did not pick up in the network's own time
    NOWHERE = auto()  # no such number
    TIMED_OUT = auto()  # our own limit
    TRUNK = auto()  # speaks of the trunk, not of the callee


_BY_SIP = MappingProxyType(
    {
        404: _Said.NOWHERE,
        410: _Said.NOWHERE,
        480: _Said.AWAY,
        486: _Said.BUSY,
        600: _Said.BUSY,
        603: _Said.DECLINED,
        604: _Said.NOWHERE,
    }
)
_BY_CAUSE = MappingProxyType(
    {
        1: _Said.NOWHERE,
        17: _Said.BUSY,
        19: _Said.AWAY,
        21: _Said.DECLINED,
        22: _Said.NOWHERE,
    }
)

ENDING_SIP = frozenset(_BY_SIP)
"""Final answers that end the attempt: another trunk would say the same. All others try the next."""

ENDING_CAUSES = frozenset(_BY_CAUSE)
"""Q.850 causes for the same, used only without a final SIP status: 403 and 603 are both 21."""

EARLY_MEDIA_ALERTS_MS = 3000
"""So much in-band audio before an answer counts as alerting. Many mobile networks never send 180
but play the ringing tone after 183; what else they play there says that the phone is off, and that
is a missed call too."""

_FINAL_SIP = 300
_REQUEST_TERMINATED = 487  # the echo of our own CANCEL


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """What is known of one Dial."""

    status: DialStatus | None  # None: its end was not seen
    sip: int | None = None  # the last SIP status, also a provisional one
    cause: int | None = None  # ITU-T Q.850
    dial_ms: int | None = None  # the whole Dial
    progress_ms: int | None = None  # from its beginning to 183 with audio; None: none came
    ring_ms: int | None = None  # from its beginning to the first 180; None: it never rang
    channel: Channel = Channel.GSM
    woken: bool | None = None  # whether an app that had to be woken came; None: none had to be

    @property
    def in_vain(self) -> bool:
        """Whether an app should have rung and was not there to do so."""
        return self.woken is False

    @property
    def rang(self) -> bool:
        """Whether the carrier said that the phone rings."""
        return self.ring_ms is not None

    @property
    def heard(self) -> bool:
        """Whether the carrier said or played anything at all before its final answer."""
        return self.rang or self.progress_ms is not None

    @property
    def alerted(self) -> bool:
        """Whether the phone rang, or in-band audio ran long enough to have been its ringing."""
        if self.rang:
            return True
        if self.progress_ms is None or self.dial_ms is None:
            return False
        return self.dial_ms - self.progress_ms >= EARLY_MEDIA_ALERTS_MS


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call when it is over."""

    attempts: tuple[AttemptFacts, ...] = ()  # one for every Dial, in their order
    refusal: RefusalReason | None = None
    answered: bool = False  # the callee's leg was answered
    ended_by: EndedBy | None = None
    node_died: bool = False  # the node went down before the call's end was seen


def classify(call: CallFacts) -> Outcome:
    """How the call ended. Total: every combination of facts, however odd, has an outcome.

    The last attempt that says anything of the callee decides; trunks that failed count only where
    nothing else is known. A caller who gives up once any attempt has alerted, or should have and
    could not, leaves a missed call; and what rang once does not become unreachable by a later
    attempt that finds nobody.
    """
    if call.answered or any(one.status is DialStatus.ANSWER for one in call.attempts):
        return Outcome.ANSWERED
    if call.node_died:
        return Outcome.FAILED
    if call.refusal is not None:
        return _refused(call.refusal)
    attempts = call.attempts
    by_caller = call.ended_by is EndedBy.CALLER
    if not attempts:
        return Outcome.CANCELLED if by_caller else Outcome.FAILED
    if by_caller and attempts[-1].status is None:  # not seen to end, but it is known why it did
        attempts = (*attempts[:-1], replace(attempts[-1], status=DialStatus.CANCEL))
    telling = [said for one in attempts if (said := verdict(one)) is not Outcome.FAILED]
    outcome = telling[-1] if telling else Outcome.FAILED
    if outcome is Outcome.CANCELLED:
        looked_for = any(one.alerted for one in attempts) or any(map(is_missed, telling))
        return Outcome.MISSED if looked_for else outcome
    if outcome is Outcome.UNREACHABLE and Outcome.MISSED in telling:
        return Outcome.MISSED
    return outcome


def verdict(attempt: AttemptFacts) -> Outcome:
    """What one attempt alone says of the call's outcome."""
    if not attempt.in_vain:
        return _of_dial(attempt)
    return Outcome.MISSED if attempt.status is DialStatus.CANCEL else Outcome.UNREACHABLE


def _of_dial(attempt: AttemptFacts) -> Outcome:
    # An app has no carrier between us and it: what does not answer us is not there.
    silent = Outcome.UNREACHABLE if attempt.channel is Channel.APP else Outcome.FAILED
    match _said(attempt):
        case _Said.ANSWERED:
            return Outcome.ANSWERED
        case _Said.GIVEN_UP:
            return Outcome.MISSED if attempt.alerted else Outcome.CANCELLED
        case _Said.BUSY:
            return Outcome.BUSY
        case _Said.DECLINED:
            return Outcome.DECLINED
        case _Said.NOWHERE:
            return Outcome.UNREACHABLE
        case _Said.AWAY:
            return Outcome.MISSED if attempt.rang else Outcome.UNREACHABLE
        case _Said.TIMED_OUT:
            return Outcome.MISSED if attempt.heard else silent
        case _Said.TRUNK:
            return Outcome.MISSED if attempt.rang else silent
        case never:
            assert_never(never)


def ends_attempt(attempt: AttemptFacts) -> bool:
    """Whether no further trunk is to be tried for this attempt.

    The callee answered, refused or is not there; the caller left; or our time is up and the carrier
    had found the callee. A trunk that said nothing until then is left for the next one.
    """
    match _said(attempt):
        case _Said.TRUNK:
            return False
        case _Said.TIMED_OUT:
            return attempt.heard
        case _:
            return True


def is_missed(outcome: Outcome) -> bool:
    """Whether the callee's call log shows the call as missed.

    The phone rang, or should have rung and could not, and nobody talked.
    """
    return outcome in (Outcome.MISSED, Outcome.UNREACHABLE)


def _said(attempt: AttemptFacts) -> _Said:
    """The truth table: DIALSTATUS where it is certain, then a final SIP status, then the cause."""
    match attempt.status:
        case DialStatus.ANSWER:
            return _Said.ANSWERED
        case DialStatus.CANCEL:
            return _Said.GIVEN_UP
        case DialStatus.BUSY:
            return _Said.BUSY
        case None:
            return _Said.TRUNK
        case _:
            pass
    if attempt.sip is not None and attempt.sip >= _FINAL_SIP and attempt.sip != _REQUEST_TERMINATED:
        return _BY_SIP.get(attempt.sip, _Said.TRUNK)
    if attempt.status is DialStatus.NOANSWER:
        return _Said.TIMED_OUT
    return _BY_CAUSE.get(attempt.cause or 0, _Said.TRUNK)


def _refused(reason: RefusalReason) -> Outcome:
    match reason:
        case (
            RefusalReason.BLOCKED
            | RefusalReason.IN_APP_OFF
            | RefusalReason.QUIET_HOURS
            | RefusalReason.UNANSWERED_IN_ROW
            | RefusalReason.PAIR_AN_HOUR
            | RefusalReason.CALLER_AN_HOUR
        ):
            return Outcome.BLOCKED
        case RefusalReason.CALLEE_UNREACHABLE:
            return Outcome.UNREACHABLE
        case (
            RefusalReason.UNKNOWN_NUMBER
            | RefusalReason.UNKNOWN_CALLER
            | RefusalReason.WITHHELD_CALLER
            | RefusalReason.COOLING
            | RefusalReason.SESSION_CLOSED
            | RefusalReason.SESSION_EXPIRED
            | RefusalReason.NOT_A_PARTICIPANT
            | RefusalReason.TRUNK_FULL
            | RefusalReason.NO_TRUNK
            | RefusalReason.OVERLOADED
            | RefusalReason.DISK_FULL
            | RefusalReason.NO_CONTROLLER
            | RefusalReason.WRONG_PIN
            | RefusalReason.PIN_LOCKED
            | RefusalReason.WRONG_EXTENSION
            | RefusalReason.NOTHING_CHOSEN
            | RefusalReason.TOO_MANY_LISTINGS
            | RefusalReason.POOL_EXHAUSTED
            | RefusalReason.PLATFORM_REFUSED
            | RefusalReason.PLATFORM_SILENT
        ):
            return Outcome.FAILED
        case never:
            assert_never(never)
