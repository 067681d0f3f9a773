"""What a phone of the simulated carrier does when it is rung.

Values only; `phones.py` acts them out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Rings for `ring_ms`, answers, sends a tone (None: silence)."""

    ring_ms: int = 200  # 0: answers without ringing
    tone_hz: int | None = None
    hold_ms: int | None = (
        None  # hangs up that long after the answer; None: leaves it to the other side
    )
    early: bool = False  # 183 with audio in place of 180
    headers: tuple[
        str, ...
    ] = ()  # lines put into 180, 183 and 200; one of a present name replaces it
    shared: bool = False  # many calls in one SIPp, audio dropped: for load


@dataclass(frozen=True, slots=True)
class Reject:
    """Ends the call with `status`, at once or after ringing for `ring_ms`."""

    status: int = 486
    phrase: str = "Busy Here"
    ring_ms: int = 0
    headers: tuple[str, ...] = ()  # lines put into the final response, e.g. Reason or Contact


@dataclass(frozen=True, slots=True)
class Ring:
    """Rings until the other side gives up."""

    headers: tuple[str, ...] = ()
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Trying:
    """Says 100 and nothing more, until the other side gives up."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Never says a word: a carrier that is down."""


@dataclass(frozen=True, slots=True)
class Manual:
    """Says 100; the test drives the rest: `ring`, `progress`, `answer`, `reject`, `hang_up`."""

    tone_hz: int | None = None
    headers: tuple[str, ...] = ()


Behaviour = Answer | Reject | Ring | Trying | Silence | Manual
