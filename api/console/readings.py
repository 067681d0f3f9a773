"""What alarms are judged by: readings from counts, gauges and probes. Pure.

Each says how bad a thing is, in the terms of its rule in `api.console.alarms`, and with what facts
a person is told of it. What is not known gives no reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from api.console.alarms import RULES, Condition, Fact, Key, Reading, Rules
from api.console.board_window import Sums
from api.services import Health
from cdr.ledger import public_name
from masking.headroom import is_relaxed, left
from masking.proportions import Proportion, wilson
from storage.headroom import Gauge

LEAST_SEIZURES: Final = 10  # of a trunk, in the last quarter of an hour, before it is judged
LEAST_LATEST: Final = 5  # latest seizures of a trunk, before it is said to fail
LEAST_USUAL: Final = 50  # in the week before, before anything is usual for it
DISK_WARNING_BYTES: Final = 512 * 1024 * 1024
"""Of room for event rows: much more than what calls are refused at."""

Readings = dict[Key, Reading]
Way = tuple[str, str]  # trunk, direction


def asr(now: Mapping[Way, Sums], usual: Mapping[Way, Sums]) -> Readings:
    """Of each trunk and direction, by how much its ASR is below its own usual, at the least.

    The upper end of Wilson's interval of what is now stands for it, so that few calls raise no
    alarm. Apps are no trunk: who answers there is for people to decide.
    """
    found: Readings = {}
    for (trunk, direction), sums in now.items():
        week = usual.get((trunk, direction), Sums())
        if not trunk or sums.seizures < LEAST_SEIZURES or week.seizures < LEAST_USUAL:
            continue
        was = week.answered / week.seizures
        at_most = wilson(Proportion(min(sums.answered, sums.seizures), sums.seizures)).high
        facts: dict[str, Fact] = {
            "trunk": trunk,
            "direction": direction,
            "now": sums.answered / sums.seizures,
            "usual": was,
        }
        found[Condition.TRUNK_ASR, f"{trunk} {direction}"] = Reading(was - at_most, facts)
    return found


def failing(latest: Mapping[Way, Sums]) -> Readings:
    """Of each trunk that we call over, the share of its latest seizures that surely failed.

    What users do is no failure: busy, no answer, declined. The upper end of Wilson's interval of
    what worked stands for it. What comes in over a trunk fails by others' doing: it is not judged.
    """
    found: Readings = {}
    for (trunk, direction), sums in latest.items():
        if not trunk or direction != "out" or sums.seizures < LEAST_LATEST:
            continue
        worked = min(sums.effective, sums.seizures)
        at_most = wilson(Proportion(worked, sums.seizures)).high
        facts: dict[str, Fact] = {
            "failed": float(sums.seizures - worked),
            "seizures": float(sums.seizures),
        }
        found[Condition.TRUNK_FAILING, trunk] = Reading(1 - at_most, facts)
    return found


def away(heard_s: Mapping[str, float]) -> Readings:
    """Of each node, for how long nothing was heard of who reads its events; by its public name."""
    return {
        (Condition.NODE_AWAY, public_name(node)): Reading(seconds, {"lag": seconds})
        for node, seconds in heard_s.items()
    }


def silence(answers: Mapping[str, bool]) -> Readings:
    """Of each trunk that is asked, whether it leaves OPTIONS unanswered."""
    return {
        (Condition.TRUNK_SILENT, trunk): Reading(0.0 if answered else 1.0)
        for trunk, answered in answers.items()
    }


def pools(
    gauges: Iterable[Gauge], low_percents: Mapping[str, int], rules: Rules = RULES
) -> Readings:
    """Of each pool that warns, how far the head-room of who holds most is below low."""
    found: Readings = {}
    for one in gauges:
        low = low_percents.get(one.pool, 0)
        if low > 0 and one.size > 0:
            rest = left(one.held, one.size)
            value = low - rest * 100 / one.size
            if is_relaxed(one.held, one.size, low):  # even where low is nearly all of it
                value = min(value, rules[Condition.POOL_LOW].clear_at)
            found[Condition.POOL_LOW, one.pool] = Reading(value, {"left": rest, "size": one.size})
    return found


def deliveries(oldest_s: float, waiting: int) -> Readings:
    """How long the oldest notice has been due."""
    facts = {"oldest": oldest_s, "waiting": waiting}
    return {(Condition.DELIVERY_LAG, ""): Reading(oldest_s, facts)}


def parts(found: Mapping[str, Health]) -> Readings:
    """What the probes say: of every part whether it is well, and of some how they keep up."""
    readings: Readings = {
        (Condition.PART_UNWELL, name): Reading(0.0 if health.ok else 1.0)
        for name, health in found.items()
    }
    if "ingest" in found and "ingest_lag_seconds" in found["ingest"].gauges:
        lag_s = found["ingest"].gauges["ingest_lag_seconds"]
        readings[Condition.INGEST_LAG, ""] = Reading(lag_s, {"lag": lag_s})
    if "event_file" in found and "room_bytes" in found["event_file"].gauges:
        room = found["event_file"].gauges["room_bytes"]
        missing = 100 - room * 100 / DISK_WARNING_BYTES
        readings[Condition.DISK_LOW, ""] = Reading(missing, {"room": room})
    return readings


def recordings(failed: float) -> Readings:
    """How many recordings came to nothing within a quarter of an hour."""
    return {(Condition.RECORDINGS_FAILING, ""): Reading(failed, {"failed": failed})}
