"""What the controller knows of a call's legs, in the words of its dialogs. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from masking.plan import Channel, Plan
from telephony.hep.dialogs import Dialogs, Leg
from telephony.offers import Heard
from telephony.originate import Ring

__all__ = ["LadderNews"]


class LadderNews:
    """Tells `dialogs`, if there are any."""

    def __init__(self, dialogs: Dialogs | None, clock: Callable[[], datetime]) -> None:
        self._dialogs = dialogs
        self._now = clock

    def offered(self, heard: Heard) -> None:
        """A leg has come in."""
        offer = heard.offer
        if self._dialogs is None or heard.turn or offer.clicked is not None:
            return  # it is a leg that is known
        if offer.app is not None:
            leg = Leg(offer.call_id, Channel.APP)
            self._dialogs.offered(leg, self._us(), session=offer.called, device=offer.app)
        elif heard.tag:
            leg = Leg(offer.call_id, Channel.GSM, offer.trunk)
            self._dialogs.offered(leg, self._us(), tag=heard.tag)

    def planned(self, call_id: str, plan: Plan) -> None:
        """These attempts may be made for a call."""
        if self._dialogs is None:
            return
        now_us, step = self._us(), 0
        for attempt in plan.attempts:
            if attempt.channel is Channel.APP:
                self._dialogs.rings(Leg(call_id, Channel.APP), now_us)
            for one in attempt.steps:
                leg = Leg(call_id, Channel.GSM, one.trunk)
                self._dialogs.dials(leg, now_us, dial=one.dial, shown=one.caller_id, step=step)
                step += 1

    def ringing(self, call_id: str, rings: Iterable[Ring]) -> None:
        """These legs are about to be rung by ourselves."""
        if self._dialogs is None:
            return
        for ring in rings:
            leg = Leg(call_id, ring.kind, ring.via if ring.kind is Channel.GSM else None)
            if ring.kind is Channel.GSM:
                self._dialogs.dials(leg, self._us(), dial=ring.dial, shown=ring.shown)
            else:
                self._dialogs.rings(leg, self._us())

    def over(self, call_id: str) -> None:
        """The call is over."""
        if self._dialogs is not None:
            self._dialogs.over(call_id, self._us())

    def _us(self) -> int:
        return int(self._now().timestamp() * 1_000_000)
