"""Analytics: what is asked for, and what the counters say."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from api.schemas.common import CategoryField, Moment, MomentIn, NameField, Out, Query
from api.schemas.patterns import FUNNEL_BY, TRAFFIC_BY
from cdr.model import CameBy
from masking.funnel import Level, Variant
from masking.lift import Verdict
from masking.plan import Channel


class SpanQuery(Query):
    """The time that is asked for, in whole hours; days more than 35 days ago, in whole days."""

    from_: Annotated[
        MomentIn | None,
        Field(alias="from", description="Its hour is the first. Without it: 7 days before `until`"),
    ] = None
    until: Annotated[
        MomentIn | None, Field(description="Its hour, once begun, is the last. Without it: now")
    ] = None


class FunnelQuery(SpanQuery):
    """A funnel."""

    group_by: Annotated[str, Field(pattern=FUNNEL_BY, examples=["day,channel,category"])] = "day"
    category: CategoryField | None = None


class LiftQuery(SpanQuery):
    """A lift."""

    category: CategoryField | None = None
    confidence: Annotated[
        str, Field(pattern=r"^0\.(8|9|95|99)$", description="Of the intervals")
    ] = "0.95"


class TrafficQuery(SpanQuery):
    """Traffic."""

    group_by: Annotated[str, Field(pattern=TRAFFIC_BY, examples=["trunk,hour"])] = "trunk"


class StepsOut(Out):
    """How many came how far; who came further is counted before, too."""

    called: int
    rang: int = Field(description="Or were answered without a ringing tone")
    answered: int
    talked: int = Field(description="For more than 10 s")


class FunnelItem(Out):
    """One line of the funnel. What it is not split by is null."""

    hour: Moment | None
    day: date | None = Field(description="UTC")
    channel: Channel | None = Field(
        description="`gsm`: a shown number was dialled; `app`: the Call button, in an app or as a "
        "click to call"
    )
    came_by: CameBy | None
    callee_channel: Channel | None = Field(description="null: nobody was tried")
    category: str | None = Field(description="null: none was given; `other`: of too many a day")
    variant: Variant | None
    number_shown: int | None = Field(description="null: not known in this split")
    call_pressed: int | None = Field(description="null: not known in this split")
    contacts: StepsOut | None = Field(
        description="Sessions with a call, each once, in the hour of its first call, by the "
        "furthest that any call came; null: not known in this split"
    )
    calls: StepsOut
    talk_s: float


class FunnelOut(Out):
    """A funnel: number shown or Call pressed, called, rang, answered, talked."""

    from_: Moment = Field(alias="from")
    until: Moment
    group_by: list[str]
    items: list[FunnelItem]


class IntervalOut(Out):
    """An estimate, and within what it lies."""

    value: float | None = Field(description="null: cannot be told")
    low: float
    high: float | None = Field(description="null: without bound")


class ArmOut(Out):
    """What one variant came to."""

    variant: Variant
    impressions: int = Field(description="Numbers shown and Call pressed")
    contacts: StepsOut


class LiftStep(Out):
    """How the two differ at one step. Without data all intervals are null."""

    step: str = Field(examples=["talked"])
    verdict: Verdict = Field(
        description="`higher` or `lower`: of the button, and the interval leaves out nought; "
        "`unclear`: chance alone might do it; `not_enough_data`; `not_comparable`: more contacts "
        "than impressions, so not all of these were reported"
    )
    small_sample: bool = Field(
        description="Fewer than 10 successes or failures on a side: wait before building on it"
    )
    call_button: IntervalOut | None = Field(description="Share of impressions (Wilson)")
    shown_number: IntervalOut | None = Field(description="Share of impressions (Wilson)")
    difference: IntervalOut | None = Field(
        description="Of the shares: 0.05 is five points more (Newcombe 1998, method 10)"
    )
    relative: IntervalOut | None = Field(description="0.2 is a fifth more (Koopman 1984)")


class LiftOut(Out):
    """The lift of the Call button over a shown number."""

    from_: Moment = Field(alias="from")
    until: Moment
    category: str | None
    confidence: float
    arms: list[ArmOut]
    steps: list[LiftStep]
    caveat: str = Field(description="What the figures do not say")


class PddOut(Out):
    """Post-dial delay: until the callee's phone rings, or answers without."""

    count: int
    mean_ms: float
    p50_ms: float = Field(description="Within 6 %")
    p95_ms: float = Field(description="Within 6 %")


class MosOut(Out):
    """Mean opinion scores of legs, each by its worse direction (ITU-T G.107)."""

    count: int
    mean: float
    p5: float = Field(description="What all but 5 % exceed")
    p50: float


class TrafficItem(Out):
    """What went over a trunk in one direction. What it is not split by is null."""

    hour: Moment | None
    day: date | None = Field(description="UTC")
    node: str | None
    trunk: NameField | None = Field(description="null where `channel` is app")
    channel: Channel | None = Field(
        description="`app`: apps all together; null: not split by trunk"
    )
    direction: str = Field(description="`in`: calls that came; `out`: what we tried")
    seizures: int
    answered: int
    effective: int
    asr: float = Field(description="Answered of seizures, 0 to 1 (ITU-T E.425)")
    ner: float = Field(
        description="Answered, busy, rang out or declined, of seizures (ITU-T E.425)"
    )
    acd_s: float | None = Field(description="Mean talk of those answered; null: none was")
    talk_s: float
    pdd: PddOut | None
    mos: MosOut | None


class TrafficOut(Out):
    """Traffic: ASR, NER, ACD, PDD and MOS."""

    from_: Moment = Field(alias="from")
    until: Moment
    group_by: list[str]
    items: list[TrafficItem]


def step_name(level: Level) -> str:
    """The step as it goes out."""
    return level.name.lower()
