"""Counts what goes wrong on the way from Asterisk, and tells whoever wants to know.

The reader reports here and goes on: a report must never raise into it or carry a value.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from telephony.ami.frames import Rejected, Rejection

__all__ = ["Counters", "Monitor", "Report", "Trouble", "TroubleKind"]


class TroubleKind(Enum):
    """What is worth telling an operator."""

    FRAME_REJECTED = "frame_rejected"
    """A frame was not believed; `detail` is the `Rejection`'s value."""
    QUEUE_FULL = "queue_full"
    """A subscriber is too slow and loses events; told once each time it begins."""
    SUBSCRIBER_RAISED = "subscriber_raised"
    """A subscriber's handler raised; `error` is what."""
    REFUSED = "refused"
    """An action whose answer nobody awaits was refused; `detail` is its name."""
    STOCK_FAILED = "stock_failed"
    """The hook that takes stock after connecting raised; `error` is what."""
    DOWN = "down"
    """A connection was lost or could not be made; `error` is the first cause."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One report. `detail` is a fixed word or a subscription's name, never a value."""

    kind: TroubleKind
    detail: str = ""
    error: BaseException | None = None


Report: TypeAlias = Callable[[Trouble], None]


@dataclass(slots=True)
class Counters:
    """Running totals since the start, for metrics; they outlive single connections."""

    events: int = 0
    """Unsolicited events that were believed."""
    rejected: dict[Rejection, int] = field(default_factory=lambda: dict.fromkeys(Rejection, 0))
    """Frames that were not believed, by reason."""
    unawaited: int = 0
    """Answers that came after their action's deadline or cancellation."""
    refused_unawaited: int = 0
    """Actions refused whose answer nobody awaits."""
    dropped: int = 0
    """Events lost to full subscriber queues."""
    stale: int = 0
    """Queued events of a lost connection that were thrown away at reconnection."""
    subscriber_errors: int = 0
    """Exceptions of subscribers' handlers."""
    connections: int = 0
    """Logins that succeeded."""
    lag_s: float = 0.0
    """Age of the newest event when it was read last (seconds; by the wall clocks of both sides)."""


class Monitor:
    """The counters, and the one door through which troubles are reported."""

    def __init__(self, report: Report | None = None) -> None:
        self.counters = Counters()
        self._report = report

    def tell(self, trouble: Trouble) -> None:
        """Report; an exception of the listener stays with the listener."""
        if self._report is not None:
            with contextlib.suppress(Exception):
                self._report(trouble)

    def rejected(self, frame: Rejected) -> None:
        """Count a frame that was not believed."""
        self.counters.rejected[frame.reason] += 1
        self.tell(Trouble(TroubleKind.FRAME_REJECTED, frame.reason.value))

    def refused_unawaited(self, action: str) -> None:
        """Count the refusal of an action that nobody waits for."""
        self.counters.refused_unawaited += 1
        self.tell(Trouble(TroubleKind.REFUSED, action))

    def subscriber_raised(self, subscription: str, error: BaseException) -> None:
        """Count an exception of a subscriber."""
        self.counters.subscriber_errors += 1
        self.tell(Trouble(TroubleKind.SUBSCRIBER_RAISED, subscription, error))
