"""Analytics over HTTP: funnel, lift and traffic, from counters that are kept as calls are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import Any, Final, TypeVar

from api import errors
from api.errors import FieldError
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.analytics import (
    ArmOut,
    FunnelItem,
    FunnelOut,
    FunnelQuery,
    IntervalOut,
    LiftOut,
    LiftQuery,
    LiftStep,
    MosOut,
    PddOut,
    SpanQuery,
    StepsOut,
    TrafficItem,
    TrafficOut,
    TrafficQuery,
    step_name,
)
from api.schemas.common import NoBody
from cdr.ledger import public_name
from masking.funnel import Variant
from masking.lift import Arm, StepLift, lift
from masking.plan import Channel
from masking.proportions import Interval
from masking.spread import Measure, percentile
from storage import analytics_reports
from storage.analytics import HOUR_MS, HOURS_A_DAY, hour_of
from storage.analytics_reports import By, FunnelRow, Span, TooManyRows, TrafficBy, TrafficRow
from storage.analytics_upkeep import DAYS_KEPT, HOURS_KEPT_DAYS, first_hour_kept
from storage.columns import from_ms
from storage.keys import KeyRole

ByT = TypeVar("ByT", bound=StrEnum)

_WEEK: Final = timedelta(days=7)
_DAY_ZERO: Final = date(1970, 1, 1)
_CAVEAT: Final = (
    "The figures say how those who had the button differ from those who had the number, not why: "
    "unless chance decided who had which, the two groups may have differed before."
)


async def get_funnel(request: Request[NoBody, FunnelQuery]) -> Answer:
    """The funnel."""
    query = request.query
    by = _split(By, query.group_by)
    span = _span(query, request.now, hourly=By.HOUR in by)
    try:
        rows = await request.services.db.read(
            lambda conn: analytics_reports.funnel(conn, span, by, query.category)
        )
    except TooManyRows:
        raise _too_many() from None
    items = [_funnel_item(row, by) for row in rows]
    return answer(FunnelOut(**_of(span), group_by=[one.value for one in by], items=items))


async def get_lift(request: Request[NoBody, LiftQuery]) -> Answer:
    """The lift of the Call button over a shown number."""
    query = request.query
    span, confidence = _span(query, request.now), float(query.confidence)
    arms = await request.services.db.read(
        lambda conn: analytics_reports.arms(conn, span, query.category)
    )
    button, number = (arms.get(one, Arm()) for one in (Variant.CALL_BUTTON, Variant.SHOWN_NUMBER))
    return answer(
        LiftOut(
            **_of(span),
            category=query.category,
            confidence=confidence,
            arms=[_arm(variant, arms.get(variant, Arm())) for variant in Variant],
            steps=[_step(one) for one in lift(button, number, confidence)],
            caveat=_CAVEAT,
        )
    )


async def get_traffic(request: Request[NoBody, TrafficQuery]) -> Answer:
    """Traffic."""
    by = _split(TrafficBy, request.query.group_by)
    span = _span(request.query, request.now, hourly=TrafficBy.HOUR in by)
    try:
        rows = await request.services.db.read(
            lambda conn: analytics_reports.traffic_of(conn, span, by)
        )
    except TooManyRows:
        raise _too_many() from None
    items = [_traffic_item(row, by) for row in rows]
    return answer(TrafficOut(**_of(span), group_by=[one.value for one in by], items=items))


def _split(kind: type[ByT], text: str) -> list[ByT]:
    """What is asked for, each once."""
    return list(dict.fromkeys(kind(name) for name in text.split(",")))


def _span(query: SpanQuery, now: datetime, *, hourly: bool = False) -> Span:
    """The hours that are asked for. Raises ValidationFailed."""
    until = query.until or now
    end = hour_of(until)
    end += from_ms(end * HOUR_MS) < until
    first = hour_of(until - _WEEK if query.from_ is None else query.from_)
    if first >= end:
        raise _wrong("from", "give a time before `until`")
    hours_from = first_hour_kept(now)
    if first < hours_from:
        if hourly:
            raise _wrong(
                "group_by",
                f"hours are told apart for {HOURS_KEPT_DAYS} days: group by day, or ask for less",
            )
        first -= first % HOURS_A_DAY
        if end < hours_from:
            end += -end % HOURS_A_DAY
    if end - first > DAYS_KEPT * HOURS_A_DAY:
        raise _wrong("from", f"give a time of the last {DAYS_KEPT} days")
    return Span(first, end)


def _wrong(field: str, advice: str) -> errors.ValidationFailed:
    return errors.ValidationFailed(errors=[FieldError(field, advice)])


def _too_many() -> errors.ValidationFailed:
    advice = (
        f"that is more than {analytics_reports.MOST_ROWS} lines: group by less, or ask for less"
    )
    return _wrong("group_by", advice)


def _of(span: Span) -> dict[str, Any]:
    return {"from_": from_ms(span.first * HOUR_MS), "until": from_ms(span.end * HOUR_MS)}


def _time(key: dict[str, Any]) -> dict[str, Any]:
    hour, day = key.get("hour"), key.get("day")
    return {
        "hour": None if hour is None else from_ms(hour * HOUR_MS),
        "day": None if day is None else _DAY_ZERO + timedelta(days=day),
    }


def _key(by: Sequence[StrEnum], key: Sequence[Any]) -> dict[str, Any]:
    """By name; what is nothing to the counters is null."""
    return {one.value: None if value == "" else value for one, value in zip(by, key, strict=True)}


def _steps(levels: Sequence[int]) -> StepsOut:
    called, rang, answered, talked = levels
    return StepsOut(called=called, rang=rang, answered=answered, talked=talked)


def _funnel_item(row: FunnelRow, by: Sequence[By]) -> FunnelItem:
    key = _key(by, row.key)
    names = ("channel", "came_by", "callee_channel", "category", "variant")
    return FunnelItem(
        **_time(key),
        **{name: key.get(name) for name in names},
        number_shown=row.shown,
        call_pressed=row.pressed,
        contacts=None if row.contacts is None else _steps(row.contacts),
        calls=_steps(row.calls),
        talk_s=row.talk_ms / 1000,
    )


def _arm(variant: Variant, arm: Arm) -> ArmOut:
    levels = (arm.called, arm.rang, arm.answered, arm.talked)
    return ArmOut(variant=variant, impressions=arm.impressions, contacts=_steps(levels))


def _step(one: StepLift) -> LiftStep:
    return LiftStep(
        step=step_name(one.level),
        verdict=one.verdict,
        small_sample=one.small_sample,
        call_button=_interval(one.button),
        shown_number=_interval(one.number),
        difference=_interval(one.difference),
        relative=_interval(one.relative),
    )


def _interval(one: Interval | None) -> IntervalOut | None:
    if one is None:
        return None
    return IntervalOut(
        value=None if one.value is None else round(one.value, 6),
        low=round(one.low, 6),
        high=round(one.high, 6) if isfinite(one.high) else None,
    )


def _traffic_item(row: TrafficRow, by: Sequence[TrafficBy]) -> TrafficItem:
    key, sums = _key(by, row.key), row.sums
    node = key.get("node")
    seizures, answered, talk_s = sums["seizures"], sums["answered"], sums["talk_ms"] / 1000
    channel = None
    if TrafficBy.TRUNK in by:
        channel = Channel.APP if key["trunk"] is None else Channel.GSM
    return TrafficItem(
        **_time(key),
        node=None if node is None else public_name(node),
        trunk=key.get("trunk"),
        channel=channel,
        direction=row.direction,
        seizures=seizures,
        answered=answered,
        effective=sums["effective"],
        asr=_share(answered, seizures),
        ner=_share(sums["effective"], seizures),
        acd_s=round(talk_s / answered, 3) if answered else None,
        talk_s=talk_s,
        pdd=_pdd(row),
        mos=_mos(row),
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _pdd(row: TrafficRow) -> PddOut | None:
    count, counts = row.sums["delays"], row.spread.get(Measure.DELAY, {})
    if count <= 0:
        return None
    return PddOut(
        count=count,
        mean_ms=round(row.sums["delay_ms"] / count, 1),
        p50_ms=round(percentile(Measure.DELAY, counts, 0.5) or 0.0, 1),
        p95_ms=round(percentile(Measure.DELAY, counts, 0.95) or 0.0, 1),
    )


def _mos(row: TrafficRow) -> MosOut | None:
    count, counts = row.sums["scores"], row.spread.get(Measure.SCORE, {})
    if count <= 0:
        return None
    return MosOut(
        count=count,
        mean=round(row.sums["score_sum"] / count / 100, 2),
        p5=round((percentile(Measure.SCORE, counts, 0.05) or 0.0) / 100, 2),
        p50=round((percentile(Measure.SCORE, counts, 0.5) or 0.0) / 100, 2),
    )


_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF, KeyRole.OPERATOR})

ROUTES: Final = (
    Route(
        "get_funnel",
        "GET",
        "/v1/analytics/funnel",
        "See how far calls come",
        Tag.ANALYTICS,
        get_funnel,
        roles=_READERS,
        query=FunnelQuery,
        answers=FunnelOut,
        description="From what the platform told of numbers shown and Call pressed to talks of "
        "more than 10 s. Contacts are sessions: who calls three times until somebody answers is "
        "one contact and three calls. Calls of no known session are left out. Times are taken to "
        "whole hours of UTC, a call's being that of its offer.",
    ),
    Route(
        "get_lift",
        "GET",
        "/v1/analytics/lift",
        "See what the Call button adds over a shown number",
        Tag.ANALYTICS,
        get_lift,
        roles=_READERS,
        query=LiftQuery,
        answers=LiftOut,
        description="Contacts per impression of the variants `call_button` and `shown_number`, "
        "how they differ, and within what that lies. Send impressions first; see "
        "docs/analytics.md for what the figures mean, and what they do not.",
    ),
    Route(
        "get_traffic",
        "GET",
        "/v1/analytics/traffic",
        "See ASR, NER, ACD, PDD and MOS",
        Tag.ANALYTICS,
        get_traffic,
        roles=frozenset({KeyRole.STAFF, KeyRole.OPERATOR}),
        query=TrafficQuery,
        answers=TrafficOut,
        description="Per trunk, node, hour or day, and always per direction. Each trunk that is "
        "tried is a seizure of its own. For how much of a pool is left, and until when, see "
        "/v1/pools/{name}/headroom.",
    ),
)
