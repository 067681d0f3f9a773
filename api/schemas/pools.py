"""Pools: a named set of proxy numbers and its rules.

The static destination and the hook's secret come in here and never go out.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from api.schemas.common import WHOLE, In, Out, PhoneField
from api.schemas.patterns import WEB_URL
from api.schemas.pool_recordings import RecordingRulesIn, RecordingRulesOut
from masking.areas import is_area
from masking.model import Language
from masking.rules import (
    AppRules,
    CapRules,
    EndingRules,
    Exhausted,
    Handover,
    HandoverRules,
    HookRules,
    Late,
    ListingRules,
    NumberRules,
    PinRules,
    PushRules,
    Sticky,
    Stranger,
    StrangerRules,
)

_NUMBERS: Final = NumberRules()
_PIN: Final = PinRules()
_STRANGERS: Final = StrangerRules()
_LISTINGS: Final = ListingRules()
_ENDING: Final = EndingRules()
_HOOK: Final = HookRules(url="")
_APP: Final = AppRules()
_PUSH: Final = PushRules(url="")
_CAPS: Final = CapRules()
_HANDOVER: Final = HandoverRules()
_YEAR_S: Final = 31_536_000
_WHSEC: Final = r"^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"


def _area(text: str) -> str:
    if not is_area(text):
        raise PydanticCustomError(
            "area", "give the beginning of a number, such as +7495, or an ISO 3166-1 code"
        )
    return text


def _secret(text: str) -> str:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise PydanticCustomError("secret", "give whsec_ and the base64 of 24 to 64 random bytes")
    return text


def _seconds(least: int, most: int, description: str) -> object:
    """The metadata of a duration."""
    return Field(ge=least, le=most, description=description)


CoolDown = Annotated[
    int,
    _seconds(0, 7_776_000, "How long a lease stays reserved after its session; 0 to 90 days"),
    WHOLE,
]
Ring = Annotated[int, Field(ge=5, le=180, description="How long a callee's phone rings"), WHOLE]
MaxCall = Annotated[int, Field(ge=60, le=86_400, description="Hard limit of a call"), WHOLE]
Area = Annotated[str, Field(max_length=11), AfterValidator(_area)]


class NumberRulesIn(In):
    """How the numbers of new sessions are chosen."""

    sticky: Sticky = Field(
        default=_NUMBERS.sticky,
        description="A pair's earlier numbers: `prefer` where they are free, `avoid` while there "
        "are others, `strict`: these or none",
    )
    geo: bool = Field(
        default=_NUMBERS.geo,
        description="Numbers of the callee's city and region first, then of the caller's, then of "
        "`areas`, then any",
    )
    areas: Annotated[list[Area], Field(max_length=50)] = Field(
        default_factory=list,
        description="Beginnings of numbers or ISO 3166-1 codes, the better first",
        examples=[["+7495", "+7499", "RU"]],
    )
    exhausted: Exhausted = Field(
        default=_NUMBERS.exhausted,
        description="A participant who holds every number: is refused, takes over the session of "
        "theirs that was idle longest, or shares a number by digits typed after it",
    )
    recycle_after_s: Annotated[
        int, _seconds(60, _YEAR_S, "Idle at least so long; more than `max_call_s`"), WHOLE
    ] = 10_800
    extension_length: Annotated[int, Field(ge=2, le=6), WHOLE] = _NUMBERS.extension_length
    max_sessions: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = Field(
        default=None, description="Live ones of one participant in this pool; null: no limit"
    )
    low_percent: Annotated[
        int,
        Field(ge=0, le=90, description="`pool.low` when somebody has so little left; 0: never"),
        WHOLE,
    ] = _NUMBERS.low_percent


class PinRulesIn(In):
    """PINs typed by callers from phones that nobody knows."""

    length: Annotated[int, Field(ge=4, le=10), WHOLE] = _PIN.length
    attempts: Annotated[int, Field(ge=1, le=5, description="In one call"), WHOLE] = _PIN.attempts
    lock_out_s: Annotated[
        int, _seconds(60, 86_400, "After so many failed ones in a row"), WHOLE
    ] = 900
    enrol: bool = Field(
        default=_PIN.enrol, description="The phone that typed the right one is known from then"
    )


class StrangerRulesIn(In):
    """What callers get who have no live lease on the number they dial."""

    unknown: Stranger = _STRANGERS.unknown
    withheld: Stranger = Field(
        default=_STRANGERS.withheld, description="Of callers who hide their number"
    )
    late: Late = Field(
        default=_STRANGERS.late, description="While the lease cools: told, or the platform asked"
    )
    pin: PinRulesIn = Field(default_factory=PinRulesIn)
    static: PhoneField | None = Field(
        default=None,
        description="Where `static` leads, e.g. a support desk. Never sent out again; left out, "
        "the one that was sent before stays",
    )


class ListingRulesIn(In):
    """Numbers that are shown on listings."""

    shared: bool = Field(
        default=_LISTINGS.shared, description="Several listings a number, told apart by digits"
    )
    extension_length: Annotated[int, Field(ge=3, le=8), WHOLE] = _LISTINGS.extension_length
    rotate_after_s: Annotated[int, _seconds(60, _YEAR_S, "Shown so long"), WHOLE] | None = None
    rotate_after_callers: (
        Annotated[int, Field(ge=1, le=1_000_000, description="New callers"), WHOLE] | None
    ) = None
    rest_s: Annotated[
        int, _seconds(0, _YEAR_S, "A number no longer shown still reaches its listing"), WHOLE
    ] = 2_592_000
    link_s: Annotated[
        int, _seconds(60, _YEAR_S, "A caller's link to the seller, from their last call"), WHOLE
    ] = 2_592_000
    links_a_day: Annotated[
        int, Field(ge=1, le=100_000, description="Listings called for the first time"), WHOLE
    ] = _LISTINGS.links_a_day


class EndingRulesIn(In):
    """How calls and sessions draw to their end."""

    warn_before_s: Annotated[
        int, _seconds(0, 600, "A tone so long before `max_call_s`; 0: none"), WHOLE
    ] = _ENDING.warn_before_s
    notice_s: Annotated[
        int, _seconds(0, 2_592_000, "`session.ending` so long before; 0: none"), WHOLE
    ] = 86_400


class HookIn(In):
    """The platform's `out_of_session` hook: asked before a stranger gets anything else."""

    url: Annotated[str, Field(pattern=WEB_URL, max_length=2048)] = Field(
        examples=["https://shop.example/out-of-session"]
    )
    deadline_ms: Annotated[int, Field(ge=100, le=2000), WHOLE] = _HOOK.deadline_ms
    on_failure: Literal["open", "closed"] = Field(
        default="closed",
        description="No answer in time: `open`, on with the pool's rules; `closed`, refused",
    )
    secret: Annotated[str, Field(pattern=_WHSEC), AfterValidator(_secret)] | None = Field(
        default=None,
        description="It signs the requests (Standard Webhooks). Never sent out again; left out, "
        "the one that was sent before stays",
    )


class AppRulesIn(In):
    """Calls that ring in an app."""

    ring_s: Annotated[
        int, _seconds(5, 120, "How long the apps ring before the plan goes on"), WHOLE
    ] = _APP.ring_s


class PushIn(In):
    """The hook by which the platform wakes an app that is not registered."""

    url: Annotated[str, Field(pattern=WEB_URL, max_length=2048)] = Field(
        examples=["https://shop.example/wake"]
    )
    deadline_ms: Annotated[int, Field(ge=100, le=10_000), WHOLE] = _PUSH.deadline_ms
    wake_s: Annotated[
        int, _seconds(1, 60, "How long the app is waited for; a refused push ends it"), WHOLE
    ] = _PUSH.wake_s
    secret: Annotated[str, Field(pattern=_WHSEC), AfterValidator(_secret)] | None = Field(
        default=None,
        description="It signs the pushes (Standard Webhooks). Never sent out again; left out, "
        "the one that was sent before stays",
    )


class CapRulesIn(In):
    """How often somebody may call; 0: no limit."""

    unanswered_in_row: Annotated[
        int,
        Field(ge=0, le=100, description="Calls of one side of a session that nobody answered"),
        WHOLE,
    ] = _CAPS.unanswered_in_row
    pair_an_hour: Annotated[
        int, Field(ge=0, le=1000, description="Calls of one user to another"), WHOLE
    ] = _CAPS.pair_an_hour
    caller_an_hour: Annotated[
        int, Field(ge=0, le=10_000, description="Calls of one user to anybody"), WHOLE
    ] = _CAPS.caller_an_hour


class HandoverRulesIn(In):
    """When a side of a call that is up is offered another way."""

    mode: Handover = Field(
        default=_HANDOVER.mode,
        description="Their app is offered an ordinary call, it is made without asking, or only "
        "on request",
    )
    below_mos: Annotated[float, Field(ge=1, le=4.5, description="ITU-T G.107, over a window")] = (
        _HANDOVER.below_mos
    )
    above_mos: Annotated[
        float, Field(ge=1, le=4.5, description="Well again; more than `below_mos`")
    ] = _HANDOVER.above_mos


class PoolIn(In):
    """The rules of a pool; what is left out gets its default."""

    cool_down_s: CoolDown = 604_800
    language: Language = Field(default=Language.RU, description="Of the announcements")
    ring_s: Ring = 40
    max_call_s: MaxCall = 7200
    numbers: NumberRulesIn = Field(default_factory=NumberRulesIn)
    strangers: StrangerRulesIn = Field(default_factory=StrangerRulesIn)
    listings: ListingRulesIn = Field(default_factory=ListingRulesIn)
    ending: EndingRulesIn = Field(default_factory=EndingRulesIn)
    hook: HookIn | None = None
    app: AppRulesIn = Field(default_factory=AppRulesIn)
    push: PushIn | None = None
    caps: CapRulesIn = Field(default_factory=CapRulesIn)
    handover: HandoverRulesIn = Field(default_factory=HandoverRulesIn)
    recording: RecordingRulesIn = Field(default_factory=RecordingRulesIn)


class NumberRulesOut(Out):
    """How the numbers of new sessions are chosen."""

    sticky: Sticky
    geo: bool
    areas: list[str]
    exhausted: Exhausted
    recycle_after_s: int
    extension_length: int
    max_sessions: int | None
    low_percent: int


class PinRulesOut(Out):
    """PINs typed by callers from phones that nobody knows."""

    length: int
    attempts: int
    lock_out_s: int
    enrol: bool


class StrangerRulesOut(Out):
    """What callers get who have no live lease on the number they dial."""

    unknown: Stranger
    withheld: Stranger
    late: Late
    pin: PinRulesOut
    static_set: bool = Field(description="Whether there is a static destination")


class ListingRulesOut(Out):
    """Numbers that are shown on listings."""

    shared: bool
    extension_length: int
    rotate_after_s: int | None
    rotate_after_callers: int | None
    rest_s: int
    link_s: int
    links_a_day: int


class EndingRulesOut(Out):
    """How calls and sessions draw to their end."""

    warn_before_s: int
    notice_s: int


class HookOut(Out):
    """The platform's `out_of_session` hook."""

    url: str
    deadline_ms: int
    on_failure: Literal["open", "closed"]
    secret_set: bool


class AppRulesOut(Out):
    """Calls that ring in an app."""

    ring_s: int


class PushOut(Out):
    """The hook by which the platform wakes an app."""

    url: str
    deadline_ms: int
    wake_s: int
    secret_set: bool


class CapRulesOut(Out):
    """How often somebody may call; 0: no limit."""

    unanswered_in_row: int
    pair_an_hour: int
    caller_an_hour: int


class HandoverRulesOut(Out):
    """When a side of a call that is up is offered another way."""

    mode: Handover
    below_mos: float
    above_mos: float


class PoolOut(Out):
    """A pool."""

    name: str
    cool_down_s: int
    language: Language
    ring_s: int
    max_call_s: int
    numbers: NumberRulesOut
    strangers: StrangerRulesOut
    listings: ListingRulesOut
    ending: EndingRulesOut
    hook: HookOut | None
    app: AppRulesOut
    push: PushOut | None
    caps: CapRulesOut
    handover: HandoverRulesOut
    recording: RecordingRulesOut
    numbers_active: int = Field(description="Numbers that new leases may get")
    numbers_draining: int
    numbers_reserved: int = Field(description="Numbers only for those who ask for them")


class PoolPage(Out):
    """Pools, by name."""

    items: list[PoolOut]
    next_cursor: str | None
