"""Through what the other side of a session is reached, and what forbids to reach it.

Values in, attempts out. Whether a switch, a quiet hour or a cap is right is not asked here: only
what it means for this call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from masking.caps import capped
from masking.e164 import spell
from masking.known import Callee
from masking.model import (
    ChannelPolicy,
    LeaseState,
    Participant,
    Phone,
    Pool,
    ProxyNumber,
    Role,
    Session,
)
from masking.plan import Attempt, CallerCard, Channel, RefusalReason, Step
from masking.switches import is_quiet, takes_app_calls
from masking.trunks import Trunk

__all__ = [
    "MAX_DEVICES",
    "MAX_STEPS",
    "WAKEABLE",
    "Loads",
    "Side",
    "Way",
    "attempts",
    "card_of",
    "forbids",
    "gsm",
    "wakeable",
]

MAX_STEPS: Final = 6  # of an attempt over GSM
MAX_DEVICES: Final = 8  # of one user that ring at once
WAKEABLE: Final = timedelta(days=90)
"""So long after its last credential expired an app is still woken: it fetches a new one then."""


class Loads(Protocol):
    """What is asked about the load of trunks; `masking.load.TrunkLoads` is one."""

    def can_take(self, trunk: Trunk, now: datetime, channels: int = 1) -> bool:
        """Whether `trunk` has room for so many more channels at `now`."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """How the caller came, and what there is to go on with."""

    caller: Phone | None = field(repr=False)  # None: withheld, or from an app
    trunk_in: Trunk | None  # None: from an app
    trunks: tuple[Trunk, ...]
    pool: Pool
    loads: Loads
    now: datetime

    def ways_out(self, shown: ProxyNumber) -> tuple[RefusalReason, list[Trunk]]:
        """The trunks with room, in order; and why there are none, where there are none."""
        if not self.room_in:
            return RefusalReason.TRUNK_FULL, []
        usable = tuple(_outbound(shown, self.trunks))
        free = [
            trunk
            for trunk in usable
            if self.loads.can_take(trunk, self.now, 1 + (trunk == self.trunk_in))
        ]
        return (RefusalReason.TRUNK_FULL if usable else RefusalReason.NO_TRUNK), free

    @property
    def room_in(self) -> bool:
        """Whether the trunk that brought the call may bring another."""
        return self.trunk_in is None or self.loads.can_take(self.trunk_in, self.now)


@dataclass(frozen=True, slots=True)
class Side:
    """As whom somebody calls in a session."""

    session: Session
    role: Role
    blocked: bool = False  # one of the two has blocked the other

    @property
    def callee(self) -> Participant:
        """Who is to be reached."""
        return self.session.other(self.role)


def wakeable(app_until: datetime | None, now: datetime) -> bool:
    """Whether a user whose last credential ends or ended then has an app that may be woken."""
    return app_until is not None and now < app_until + WAKEABLE


def forbids(callee: Callee, pool: Pool, now: datetime) -> RefusalReason | None:
    """Why the callee is not to be rung at all, through whatever."""
    if is_quiet(callee.switches.quiet_hours, callee.zone, now):
        return RefusalReason.QUIET_HOURS
    return capped(pool.rules.caps, callee.taken)


def attempts(way: Way, side: Side, callee: Callee) -> tuple[Attempt, ...] | RefusalReason:
    """The attempts in their order, or why there is none."""
    policy = side.session.channel_policy
    found: list[Attempt] = []
    reason = RefusalReason.CALLEE_UNREACHABLE
    if policy is not ChannelPolicy.GSM_ONLY:
        if takes_app_calls(callee.switches, listing_opted_in=callee.opted_in):
            found.extend(_app(way, callee))
        else:
            reason = RefusalReason.IN_APP_OFF
    if policy is not ChannelPolicy.APP_ONLY:
        out = side.session.lease(side.callee.role)
        phone = side.callee.phone
        if (
            phone is not None
            and phone != way.caller
            and out is not None
            and out.state(way.now) is LeaseState.LIVE
        ):
            reason, free = way.ways_out(out.number)
            if free:
                found.append(gsm(phone, out.number, free, way.pool))
    return tuple(found) or reason


def gsm(phone: Phone, shown: ProxyNumber, trunks: list[Trunk], pool: Pool) -> Attempt:
    """To a phone, which sees the number `shown`."""
    steps = tuple(
        Step(trunk.name, spell(phone, trunk), spell(shown.e164, trunk))
        for trunk in trunks[:MAX_STEPS]
    )
    return Attempt(Channel.GSM, steps, pool.ring_s)


def card_of(side: Side, call_id: str) -> CallerCard:
    """What the callee's app shows."""
    session, caller = side.session, side.session.participant(side.role)
    return CallerCard(
        call_id=call_id,
        session_id=session.id,
        conversation_id=None if session.conversation_held else session.conversation_id,
        role=caller.role,
        card=caller.card,
        listing=session.listing,
    )


def _app(way: Way, callee: Callee) -> Iterator[Attempt]:
    rules = way.pool.rules
    push = rules.push if wakeable(callee.app_until, way.now) else None
    wake_s = 0 if push is None else push.wake_s
    if callee.devices or wake_s:
        devices = callee.devices[:MAX_DEVICES]
        yield Attempt(Channel.APP, (), rules.app.ring_s, devices, wake_s)


def _outbound(shown: ProxyNumber, trunks: tuple[Trunk, ...]) -> Iterator[Trunk]:
    """The trunks that may carry the call out, in order.

    First the one that the shown number belongs to: its carrier knows the number as ours; others may
    refuse a caller ID that is not theirs.
    """
    usable = (trunk for trunk in trunks if trunk.enabled and trunk.outbound)
    yield from sorted(usable, key=lambda t: (t.name != shown.trunk, t.priority, t.name))
