"""How much a trunk can still take: channels in use, and call set-ups in the last second.

`TrunkLoads` is the one thing of the domain that changes in place: it is a set of counters with one
owner, the controller of a node, changed several times with every call; copies would only let two
of them disagree. It holds names and times, never a number, and reads no clock.

The owner decides and reserves without giving way to another task in between (``decide`` and then
`take`), and so never oversells. A plan reserves every trunk that it may use; `settle` gives back
what was not used as soon as that is known, `release` the rest at the end of the call.

Set-ups are counted over a sliding second, not with a token bucket: a full bucket lets twice its
rate pass within one second, which is what carriers punish.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from masking.plan import Decision, Plan, Prompt, Refusal
from masking.trunks import Trunk

_WINDOW = timedelta(seconds=1)


def trunks_of(decision: Decision, trunk_in: str) -> tuple[str, ...]:
    """What a call has to reserve: the trunk it came from, and each that it may go out on.

    `trunk_in` is empty for a call that came from an app.
    """
    match decision:
        case Plan():
            out = (step.trunk for attempt in decision.attempts for step in attempt.steps)
            return *_named(trunk_in), *dict.fromkeys(out)
        case Refusal() | Prompt():
            return _named(trunk_in)


def _named(trunk_in: str) -> tuple[str, ...]:
    return (trunk_in,) if trunk_in else ()


@dataclass(slots=True)
class _Load:
    channels: int = 0
    set_ups: deque[datetime] = field(default_factory=deque)  # not more than a second of them

    def forget(self, now: datetime) -> None:
        while self.set_ups and not now - _WINDOW < self.set_ups[0] <= now:
            self.set_ups.popleft()  # over a second old, or from before the clock was set back


class Gate:
    """How many calls a node begins within any second. Beyond it, it would begin none in time.

    A node that takes more than it can carry answers all of them late; one that turns the surplus
    away at once serves the rest as ever.
    """

    __slots__ = ("_begun", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = _Load()

    def admit(self, now: datetime) -> bool:
        """Whether one more may begin at `now`; it counts from then on."""
        begun = self._begun
        begun.forget(now)
        if len(begun.set_ups) >= self._most:
            return False
        begun.set_ups.append(now)
        return True


@dataclass(slots=True)
class _Held:
    at: datetime
    channels: Counter[str]


class TrunkLoads:
    """What every trunk of a node carries at this moment, by call."""

    __slots__ = ("_calls", "_loads")

    def __init__(self) -> None:
        self._calls: dict[str, _Held] = {}
        self._loads: dict[str, _Load] = {}

    def room(self, trunk: Trunk, now: datetime) -> int:
        """How many more calls `trunk` can take at `now` by its own caps; never negative."""
        load = self._loads.get(trunk.name)
        if load is None:
            return max(0, min(trunk.max_channels, trunk.max_cps))
        load.forget(now)
        return max(0, min(trunk.max_channels - load.channels, trunk.max_cps - len(load.set_ups)))

    def can_take(self, trunk: Trunk, now: datetime, channels: int = 1) -> bool:
        """Whether `trunk` has room for so many channels."""
        return self.room(trunk, now) >= channels

    def take(self, call_id: str, trunks: Iterable[str], now: datetime) -> None:
        """Reserve a channel and a set-up for every name in `trunks`; two where it is named twice.

        Never refuses: the leg that came in is there, whatever the caps say. A call that holds
        something already has it replaced, so that an offer seen twice counts once.
        """
        self.release(call_id)
        held = _Held(now, Counter(trunks))
        self._calls[call_id] = held
        for name, channels in held.channels.items():
            load = self._loads.setdefault(name, _Load())
            load.forget(now)
            load.channels += channels
            load.set_ups.extend([now] * channels)

    def adopt(self, call_id: str, trunks: Iterable[str], now: datetime) -> None:
        """Count the channels of a call that was found up: its set-ups are long past."""
        self.release(call_id)
        held = _Held(now, Counter(trunks))
        self._calls[call_id] = held
        for name, channels in held.channels.items():
            self._loads.setdefault(name, _Load()).channels += channels

    def settle(self, call_id: str, used: Iterable[str], *, tried: Iterable[str] = ()) -> None:
        """Keep only what is in use: the call goes through `used` and no other trunk from now on.

        The channels of all others become free, and their set-ups too, except of those `tried`.
        An unknown call, and a trunk that the call did not reserve, change nothing.
        """
        held = self._calls.get(call_id)
        if held is None:
            return
        keep = held.channels & Counter(used)
        unused = held.channels - keep
        self._free(unused)
        for name in unused.keys() - set(tried):
            for _ in range(unused[name]):
                self._give_back(name, held.at)
        held.channels = keep

    def release(self, call_id: str) -> None:
        """The call is over. Its set-ups count until their second has passed. Twice does no harm."""
        held = self._calls.pop(call_id, None)
        if held is not None:
            self._free(held.channels)

    def in_use(self, trunk: str) -> int:
        """Channels in use or reserved on the trunk of that name."""
        load = self._loads.get(trunk)
        return 0 if load is None else load.channels

    def calls(self) -> frozenset[str]:
        """The ids of the calls that hold anything."""
        return frozenset(self._calls)

    def _free(self, channels: Mapping[str, int]) -> None:
        for name, count in channels.items():
            self._loads[name].channels -= count

    def _give_back(self, name: str, at: datetime) -> None:
        set_ups = self._loads[name].set_ups
        if at in set_ups:  # at most a second's worth to look through
            set_ups.remove(at)
