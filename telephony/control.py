"""What a controller is given and what it counts. Values only, and the one question it asks.

`controller` works by them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from masking.load import TrunkLoads
from masking.model import Language
from masking.plan import Decision, Offer, Refusal, RefusalReason
from masking.routing import REFUSALS

__all__ = ["ControllerCounters", "ControllerLimits", "Routes"]


class Routes(Protocol):
    """Decides offers. Wired to the domain and to storage."""

    def decide_at_once(self, offer: Offer, load: TrunkLoads) -> Decision | None:
        """Decide `offer` here and now; None where it takes waiting, and `decide` is to be asked.

        A task, a deadline and a turn of the loop cost a caller more than the decision itself.
        """

    async def decide(self, offer: Offer, load: TrunkLoads) -> Decision:
        """Decide `offer`; what the decision uses is taken from `load` by the controller.

        The last look at `load` and the return must have no await between them.
        """


@dataclass(frozen=True, slots=True)
class ControllerLimits:
    """Bounds of a controller. `route_timeout_s` is the dialplan's; see `NodeSettings`."""

    route_timeout_s: float = 3.0
    margin_s: float = 0.3  # before the time-out an answer must be on its way
    deciding: int = 500  # offers that are decided at once; more are left to the time-out
    begun_a_second: int = 1_000  # calls; more are turned away at once
    answer_s: float = 2.0  # for actions whose answer is awaited
    stock_s: float = 20.0
    reconcile_s: float = 300.0  # how often calls whose end was not heard are looked for

    def left_s(self, offered_at_s: float, now: datetime) -> float:
        """How long an answer to an offer of that time (since 1970) is still worth something."""
        age_s = now.timestamp() - offered_at_s
        return self.route_timeout_s - self.margin_s - max(age_s, 0.0)


@dataclass(slots=True)
class ControllerCounters:
    """Running totals, for metrics."""

    offers: int = 0
    plans: int = 0
    refusals: dict[str, int] = field(default_factory=dict)  # by reason
    prompts: int = 0  # questions put to callers
    repeated: int = 0  # offers heard again while they were being decided or after
    malformed: int = 0  # offers that were not whole
    late: int = 0  # not decided within the time-out
    overload: int = 0  # left to the time-out because too many were being decided
    failed: int = 0  # the decision raised, or could not be sent
    abandoned: int = 0  # the caller had gone before the answer
    stocks: int = 0  # times the node's channels were counted
    decide_s: float = 0.0  # time spent from hearing an offer to its answer, in all


def _turned_away(reason: RefusalReason) -> Refusal:
    """Without an announcement, which would cost more than the call itself."""
    return Refusal(reason, announcement=None, cause=REFUSALS[reason][1], language=Language.EN)


OVERLOADED = _turned_away(RefusalReason.OVERLOADED)
DISK_FULL = _turned_away(RefusalReason.DISK_FULL)
