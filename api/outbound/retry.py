"""When a delivery is tried again, and when a receiver is left alone. Pure; chance is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from storage.sending import Condition
from storage.webhooks import Webhook

GIVE_UP: Final = timedelta(days=3)  # after it was due first, or was asked for again
PAUSES_S: Final = (
    *(5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600, 28_800),
    *(43_200, 43_200, 43_200, 43_200),
)
JITTER: Final = 0.1  # of a pause, either way
TRIPS: Final = 5  # failures in a row after which the circuit opens
OPEN_MIN: Final = timedelta(seconds=10)
OPEN_MAX: Final = timedelta(minutes=15)
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """One try's outcome, as the receiver's condition is judged by it."""

    at: datetime
    ok: bool


def succeeded(status: int | None) -> bool:
    """Whether the receiver has taken it: any 2xx, nothing else."""
    return status is not None and 200 <= status < 300


def next_try(
    tries: int, since: datetime, now: datetime, draw: float, retry_after_s: int | None = None
) -> datetime | None:
    """When to try again after `tries` (at least 1) failed ones; None: it is given up.

    `draw` is from 0 to 1. What the receiver asks for (Retry-After) may lengthen the pause.
    """
    pause_s = PAUSES_S[min(tries, len(PAUSES_S)) - 1] * (1 - JITTER + 2 * JITTER * draw)
    due = now + timedelta(seconds=max(pause_s, retry_after_s or 0))
    return due if due < since + GIVE_UP else None


def condition(webhook: Webhook, outcomes: list[Outcome], draw: float) -> Condition:
    """How the receiver fares after these tries, in the order in which they ended.

    After TRIPS failures in a row nothing is sent for half as long as it has been failing; then one
    delivery shows whether it is back.
    """
    failures, since = webhook.failures, webhook.failing_since
    open_until, well_at = webhook.open_until, webhook.succeeded_at
    for one in outcomes:
        if one.ok:
            failures, since, open_until, well_at = 0, None, None, one.at
            continue
        failures += 1
        since = since or one.at
        if failures >= TRIPS and (open_until is None or open_until <= one.at):
            open_until = one.at + _pause(one.at - since, draw)
    return Condition(failures, since, open_until, well_at)


def open_at_once(webhook: Webhook, most: int) -> int:
    """How many deliveries may be under way: one, where it must first show that it is back."""
    return 1 if webhook.failures >= TRIPS else most


def _pause(failing: timedelta, draw: float) -> timedelta:
    half = failing / 2 * (1 - JITTER + 2 * JITTER * draw)
    return min(max(half, OPEN_MIN), OPEN_MAX)
