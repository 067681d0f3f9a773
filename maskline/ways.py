"""How a participant of a session can be rung by us: for a handover, and first of all in a click.

Reads what is stored and registered, and lets the domain decide; rings nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection

from masking.known import Callee
from masking.live import CannotNow, LiveRefused
from masking.load import TrunkLoads
from masking.model import ChannelPolicy, LeaseState, Role
from masking.plan import Attempt, CallerCard, Channel, Offer, Refusal, RefusalReason
from masking.reaching import Side, Way, attempts, card_of
from masking.rules import Handover
from masking.switches import takes_app_calls
from masking.trunks import Trunk
from maskline.routes import StoredRoutes, TrunkBook
from storage import participation, reaching
from storage.database import Database
from storage.reaching import InSession
from storage.vault import Vault
from telephony.click import Starts
from telephony.handover import Reach
from telephony.originate import Ring, rings

__all__ = ["StoredWays"]

_REFUSED: Final = MappingProxyType(
    {
        RefusalReason.BLOCKED: CannotNow.BLOCKED,
        RefusalReason.SESSION_CLOSED: CannotNow.SESSION_OVER,
        RefusalReason.SESSION_EXPIRED: CannotNow.SESSION_OVER,
        RefusalReason.QUIET_HOURS: CannotNow.QUIET_HOURS,
        RefusalReason.UNANSWERED_IN_ROW: CannotNow.TOO_MANY_CALLS,
        RefusalReason.PAIR_AN_HOUR: CannotNow.TOO_MANY_CALLS,
        RefusalReason.CALLER_AN_HOUR: CannotNow.TOO_MANY_CALLS,
        RefusalReason.IN_APP_OFF: CannotNow.SWITCHED_OFF,
        RefusalReason.TRUNK_FULL: CannotNow.NO_TRUNK,
        RefusalReason.NO_TRUNK: CannotNow.NO_TRUNK,
    }
)


class StoredWays:
    """See `telephony.handover.Ways` and `telephony.click.FirstLegs`."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        book: TrunkBook,
        routes: StoredRoutes,
        clock: Callable[[], datetime],
        *,
        node: str,
        devices: Callable[[str], tuple[str, ...]],
    ) -> None:
        """`devices`: user names of a user's devices that are registered now, newest first."""
        self._db = db
        self._vault = vault
        self._book = book
        self._routes = routes
        self._clock = clock
        self._node = node
        self._devices = devices

    async def role_of(self, session_id: str, user_id: str) -> Role:
        """As whom the user takes part. Raises LookupError."""
        found = await self._db.read(lambda conn: participation.stand(conn, session_id, user_id))
        if found is None:
            raise LookupError(session_id)
        return found.me.role

    async def reach(
        self, session_id: str, role: Role, to: Channel, call_id: str, load: TrunkLoads
    ) -> Reach:
        """See `Ways`. Raises LiveRefused, LookupError."""
        one, trunks = await self._in_session(session_id, role)
        if one.pool.rules.handover.mode is Handover.OFF:
            raise LiveRefused(CannotNow.SWITCHED_OFF)
        attempt, card = self._attempt(one, to, trunks, call_id, load)
        legs = rings(attempt, session_id, card)
        return Reach((legs,) if to is Channel.APP else tuple((leg,) for leg in legs))

    async def start(self, session_id: str, role: Role, call_id: str, load: TrunkLoads) -> Starts:
        """See `FirstLegs`. Raises LiveRefused, LookupError."""
        offer = Offer(
            call_id, self._node, "", "", session_id, caller=None, at=self._clock(), clicked=role
        )
        decision = await self._routes.decide(offer, load)
        if isinstance(decision, Refusal):
            raise LiveRefused(_REFUSED.get(decision.reason, CannotNow.UNREACHABLE))
        one, trunks = await self._in_session(session_id, role)
        legs: list[Ring] = []
        last: LiveRefused | None = None
        for channel in (Channel.APP, Channel.GSM):
            try:
                attempt, card = self._attempt(one, channel, trunks, call_id, load)
            except LiveRefused as error:
                last = error
            else:
                legs.extend(rings(attempt, session_id, card))
        if not legs:
            raise last or LiveRefused(CannotNow.NO_PHONE)
        return Starts(tuple(legs), one.session.other(role).role)

    async def _in_session(self, wanted: str, role: Role) -> tuple[InSession, tuple[Trunk, ...]]:
        def look(conn: Connection) -> tuple[tuple[InSession, ...], tuple[Trunk, ...]]:
            return reaching.in_session(conn, self._vault, wanted), self._book.known(conn)

        both, trunks = await self._db.look_up(look)
        for one in both:
            if one.callee.role is role:
                return replace(one, callee=self._with_devices(one)), trunks
        raise LookupError(wanted)

    def _with_devices(self, one: InSession) -> Callee:
        return replace(one.callee, devices=self._devices(one.callee.user_id))

    def _attempt(
        self,
        one: InSession,
        to: Channel,
        trunks: tuple[Trunk, ...],
        call_id: str,
        load: TrunkLoads,
    ) -> tuple[Attempt, CallerCard | None]:
        """How to ring that participant through `to`. Raises LiveRefused."""
        side = Side(one.session, one.session.other(one.callee.role).role, one.blocked)
        way = Way(None, None, trunks, one.pool, load, self._clock())
        found = attempts(way, side, one.callee)
        if not isinstance(found, RefusalReason):
            for attempt in found:
                if attempt.channel is to and (attempt.steps or attempt.devices):
                    return attempt, card_of(side, call_id) if to is Channel.APP else None
        raise LiveRefused(self._why_not(one, to))

    def _why_not(self, one: InSession, to: Channel) -> CannotNow:
        session, callee = one.session, one.callee
        if to is Channel.APP:
            allowed = session.channel_policy is not ChannelPolicy.GSM_ONLY and takes_app_calls(
                callee.switches, listing_opted_in=callee.opted_in
            )
            return CannotNow.NO_APP if allowed else CannotNow.SWITCHED_OFF
        if session.channel_policy is ChannelPolicy.APP_ONLY:
            return CannotNow.SWITCHED_OFF
        if session.participant(callee.role).phone is None:
            return CannotNow.NO_PHONE
        lease = session.lease(callee.role)
        if lease is None or lease.state(self._clock()) is not LeaseState.LIVE:
            return CannotNow.NO_NUMBER
        return CannotNow.NO_TRUNK
