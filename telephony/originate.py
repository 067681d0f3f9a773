"""Makes a new leg of ours: one Originate, always asynchronous, into a context of handover.conf.

Every value is checked against one narrow alphabet here, whatever was checked before. Never waits
for the leg, and never names an application: what follows an answer stands in the dialplan.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

from masking import app_card
from masking.plan import Attempt, CallerCard, Channel
from telephony.alphabet import CARD_PIECE, DEVICE, DIAL, NAME_LENGTH, SAFE, SESSION
from telephony.ami import Action
from telephony.errors import PlanUnusable
from telephony.trunks import called_over

__all__ = ["CardText", "NewLeg", "Ring", "hang_up_leg", "originate", "rings"]

_TRUNK: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NOT_IN_A_NAME: Final = re.compile(r"[\x00-\x1f\x7f\"<>\\;,]")


@dataclass(frozen=True, slots=True)
class CardText:
    """A card as it stands on the caller's channel."""

    header: str  # the whole value
    name: str  # base64 of UTF-8


@dataclass(frozen=True, slots=True)
class Ring:
    """Whom to ring, and what they see."""

    kind: Channel
    via: str  # the trunk, or the device
    ring_s: int
    shown: str  # the caller id: a proxy number of ours; to an app the session's id
    dial: str = field(default="", repr=False)  # the phone, as the trunk spells it
    card: CallerCard | CardText | None = None
    last: bool = False  # no trunk is left after this one


def rings(attempt: Attempt, session_id: str, card: CallerCard | None) -> tuple[Ring, ...]:
    """The legs that an attempt may ring: trunks one after another, devices all at once."""
    match attempt.channel:
        case Channel.GSM:
            return tuple(
                Ring(
                    Channel.GSM,
                    step.trunk,
                    attempt.ring_s,
                    step.caller_id,
                    step.dial,
                    last=step is attempt.steps[-1],
                )
                for step in attempt.steps
            )
        case Channel.APP:
            return tuple(
                Ring(Channel.APP, device, attempt.ring_s, session_id, card=card)
                for device in attempt.devices
            )


@dataclass(frozen=True, slots=True)
class NewLeg:
    """A leg to make."""

    unique_id: str
    ring: Ring
    context: str
    at_the_end: str  # the context of its hangup handler
    variables: tuple[tuple[str, str], ...]
    codecs: tuple[str, ...] = ()  # in this order; none: as Asterisk has them


def originate(leg: NewLeg) -> Action:
    """Return the action that rings `leg`. Raises PlanUnusable."""
    return Action("Originate", tuple(_headers(leg)))


def hang_up_leg(unique_id: str, cause: int = 26) -> Action:
    """Return the action that ends a leg, rung or answered; by default another one has answered."""
    return Action("Hangup", (("Channel", unique_id), ("Cause", str(cause))))


def _headers(leg: NewLeg) -> Iterator[tuple[str, str]]:
    ring = leg.ring
    yield "Channel", _target(ring)
    yield "Context", leg.context
    yield "Exten", "s"
    yield "Priority", "1"
    yield "Timeout", str(ring.ring_s * 1000)
    yield "CallerID", f'"{_name(ring)}" <{_shown(ring)}>'
    yield "Async", "true"
    yield "ChannelId", _safe("ChannelId", leg.unique_id)
    yield "Variable", f"CHANNEL(hangup_handler_push)={leg.at_the_end}\\,s\\,1"
    if leg.codecs:
        yield "Codecs", ",".join(_safe("codecs", one) for one in leg.codecs)
    if text := _card(ring.card):
        yield "Variable", rf"PJSIP_HEADER(add\,{app_card.HEADER})={_safe('card', text)}"
    for name, value in leg.variables:
        yield "Variable", f"{name}={_safe(name, value)}"


def _target(ring: Ring) -> str:
    match ring.kind:
        case Channel.GSM:
            if not (DIAL.fullmatch(ring.dial) and _TRUNK.fullmatch(ring.via)):
                raise PlanUnusable("a phone is made of digits, and a trunk has a name")
            return f"PJSIP/{called_over(ring.via, ring.dial, last=ring.last)}"
        case Channel.APP:
            if not DEVICE.fullmatch(ring.via):
                raise PlanUnusable("a device's name is none of ours")
            return f"PJSIP/{ring.via}"


def _shown(ring: Ring) -> str:
    pattern = DIAL if ring.kind is Channel.GSM else SESSION
    if not pattern.fullmatch(ring.shown):
        raise PlanUnusable("what a phone shows is a number of ours, what an app shows a session")
    return ring.shown


def _card(card: CallerCard | CardText | None) -> str:
    """The header's value, in a length that one line of an action holds. Raises PlanUnusable."""
    match card:
        case None:
            return ""
        case CallerCard():
            return app_card.encode(card, CARD_PIECE)
        case CardText():
            try:
                return app_card.shortened(card.header, CARD_PIECE)
            except ValueError:
                raise PlanUnusable("the card that stands on a channel is none of ours") from None
        case never:
            assert_never(never)


def _name(ring: Ring) -> str:
    """A phone is never shown a name."""
    match ring.card:
        case None:
            name = None
        case CallerCard():
            name = ring.card.card.name
        case CardText():
            name = base64.b64decode(ring.card.name).decode("utf-8", "replace")
        case never:
            assert_never(never)
    return _NOT_IN_A_NAME.sub("", name or "")[:NAME_LENGTH]


def _safe(name: str, value: str) -> str:
    if not SAFE.fullmatch(value):
        raise PlanUnusable(f"the value of {name} holds what the dialplan must not see")
    return value
