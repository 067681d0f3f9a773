"""What a call's record adds to the counters. Pure but for `corrected`.

Seizures are counted for each trunk by itself: a call that tries three counts at three. Ratios are
those of ITU-T E.425, which counts what a circuit was seized for and not who was in the end reached.
The hour is that of the call's offer, for all that belongs to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from cdr.model import CALLER_UNREACHED, Attempt, CallRecord, CameBy, Leg, Step
from cdr.people import Parties
from masking.funnel import Contact, Level, Variant, level_of
from masking.outcome import AttemptFacts, DialStatus, EndedBy, Outcome, verdict
from masking.plan import Channel
from masking.spread import Measure, delay_bucket, score_bucket
from storage import analytics, contacts
from storage.analytics import HOUR_MS, Cells, Tally, cell, put
from storage.columns import to_ms

IN: Final = "in"
OUT: Final = "out"
_BY_USER: Final = frozenset({Outcome.ANSWERED, Outcome.BUSY, Outcome.DECLINED})
_USERS_CAUSES: Final = frozenset({17, 18, 19, 21})  # ITU-T Q.850: busy, no answer, rejected
_DELAY: Final = Measure.DELAY.value
_SCORE: Final = Measure.SCORE.value
_Place = tuple[int, str, str, str]  # hour, node, trunk or "" for apps, direction


def count(
    tally: Tally,
    record: CallRecord,
    variant: Variant | None,
    category: str | None,
    *,
    sign: int = 1,
) -> None:
    """Count the record, or with `sign` -1 take back that it was counted.

    A call is part of the funnel where its session is known: `variant` is None where it is not.
    Contacts are noted, not counted: `storage.contacts` knows what they came to before.
    """
    at_ms = to_ms(record.offered_at)
    if variant is not None:
        reached = _level(record)
        came_by, channel = record.came_by or CameBy.GSM, record.channel
        put(
            tally.calls,
            (
                at_ms // HOUR_MS,
                variant.value,
                came_by.value,
                "" if channel is None else channel.value,
                category or "",
            ),
            (*contacts.levels(reached), record.talk_ms if reached >= Level.ANSWERED else 0),
            sign,
        )
        if sign > 0 and record.session_id is not None:
            tally.reach(record.session_id, Contact(at_ms, variant, reached))
    _count_traffic(tally, record, at_ms // HOUR_MS, sign)


def count_new(tally: Tally, record: CallRecord, parties: Parties | None) -> None:
    """Count a record that is about to be kept, as its session says."""
    if parties is None:
        count(tally, record, None, None)
        return
    about = parties.listing
    category = None if about is None else about.category
    count(tally, record, parties.variant_of(record.came_by), category)


def corrected(conn: Connection, old: CallRecord, new: CallRecord) -> None:
    """Count `new`, which is kept now, in the place of `old`, which was; in their transaction.

    Each with its own `variant` and `category`, as they are kept.
    """
    tally = Tally()
    count(tally, old, old.variant, old.category, sign=-1)
    count(tally, new, new.variant, new.category)
    cells: Cells = {}
    for session in sorted(tally.reached.keys() | _sessions_of(old)):
        before, after = (_contact(one) if one.session_id == session else None for one in (old, new))
        category = (new if after else old).category or ""
        found = contacts.corrected(conn, session, category, old.call_id, before, after)
        for key, amounts in found.items():
            put(cells, key, amounts)
    analytics.add(conn, tally, cells)


def _sessions_of(record: CallRecord) -> frozenset[str]:
    return frozenset({record.session_id} if record.session_id and record.variant else ())


def _contact(record: CallRecord) -> Contact | None:
    if record.variant is None:
        return None
    return Contact(to_ms(record.offered_at), record.variant, _level(record))


def _level(record: CallRecord) -> Level:
    return level_of(
        rang=record.rang_at is not None,
        answered=record.outcome is Outcome.ANSWERED,
        talk_ms=record.talk_ms,
    )


def _count_traffic(tally: Tally, record: CallRecord, hour: int, sign: int) -> None:
    node = record.node
    answered = record.outcome is Outcome.ANSWERED
    side = _count_caller(tally, record, hour, sign, answered=answered)
    for attempt in record.attempts:
        for step in attempt.steps:
            place = (hour, node, step.trunk or "", OUT)
            _count_step(tally, place, record, attempt, step, sign)
    if answered:
        for leg in record.legs:
            direction = OUT if leg.side is EndedBy.CALLEE else side
            _count_leg(tally, (hour, node, leg.trunk or "", direction), leg, sign)


def _count_caller(tally: Tally, record: CallRecord, hour: int, sign: int, *, answered: bool) -> str:
    """The caller's seizure, and its direction: ours, where the platform asked for the call."""
    if record.came_by is CameBy.CLICK:
        there = record.reason != CALLER_UNREACHED
        effective = there or record.cause in _USERS_CAUSES
        place = (hour, record.node, record.trunk_in or "", OUT)
        _seize(tally, place, sign, answered=there, effective=effective, talk_ms=record.talk_ms)
        return OUT
    if record.came_by is not None:
        effective = record.outcome in _BY_USER or record.rang_at is not None
        place = (hour, record.node, record.trunk_in or "", IN)
        began, heard = record.offered_at, record.rang_at or record.answered_at
        _seize(
            tally,
            place,
            sign,
            answered=answered,
            effective=effective,
            talk_ms=record.talk_ms,
            delay_ms=_between(began, heard),
        )
    return IN


def _count_step(
    tally: Tally, place: _Place, record: CallRecord, attempt: Attempt, step: Step, sign: int
) -> None:
    answered = step.status is DialStatus.ANSWER
    rang = step.rang_at is not None
    effective = answered or rang or _by_user(attempt.channel, step)
    heard = step.rang_at or (record.answered_at if answered else None)
    _seize(
        tally,
        place,
        sign,
        answered=answered,
        effective=effective,
        talk_ms=step.talk_ms,
        delay_ms=_between(step.started_at, heard),
    )


def _by_user(channel: Channel, step: Step) -> bool:
    facts = AttemptFacts(step.status, sip=step.sip, cause=step.cause, channel=channel)
    return verdict(facts) in _BY_USER


def _seize(
    tally: Tally,
    place: _Place,
    sign: int,
    *,
    answered: bool,
    effective: bool,
    talk_ms: int,
    delay_ms: int | None = None,
) -> None:
    counters = cell(tally.traffic, place, 8)
    counters[0] += sign
    if answered:
        counters[1] += sign
        counters[3] += sign * talk_ms
    if effective:
        counters[2] += sign
    if delay_ms is not None:
        counters[4] += sign
        counters[5] += sign * delay_ms
        cell(tally.spread, (*place, _DELAY, delay_bucket(delay_ms)), 1)[0] += sign


def _count_leg(tally: Tally, place: _Place, leg: Leg, sign: int) -> None:
    """How the leg sounded in its worse direction: one bad ear makes a bad call."""
    heard = [one.mos for one in (leg.received, leg.sent) if one.mos is not None]
    if heard:
        score = round(min(heard) * 100)
        counters = cell(tally.traffic, place, 8)
        counters[6] += sign
        counters[7] += sign * score
        cell(tally.spread, (*place, _SCORE, score_bucket(score)), 1)[0] += sign


def _between(began: datetime, heard: datetime | None) -> int | None:
    return None if heard is None else max(0, to_ms(heard) - to_ms(began))
