"""Listens to how legs sound: asks the node for their RTCP figures, tells when an app turns poor.

A call with an app is asked after every two seconds, for another way may have to be offered; one
between two phones every five, as often as there is anything new, and every second while it sounds
bad; all of them spread over the seconds. A call of a few seconds is never asked after: setting one
up costs nothing here. Only app legs are judged; what came to us through the other leg already lost
or uneven is not their fault. A leg's summary is kept on its channel, see `quality_ear`. Never
changes a call; what follows from a poor leg is for others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn, Protocol

from masking.model import Role
from masking.plan import Channel
from masking.quality import Codec
from masking.quality_ways import ways_of
from masking.quality_window import Change, Sample, Sound, WindowRules
from telephony.ami import Action, AmiError, NodeLink
from telephony.live import Leg, LiveCall, LiveState, Side
from telephony.quality_ear import CODEC, FIGURES, KEPT, Ear, read_sample

__all__ = ["Heard", "QualityWatch"]

EVERY_S: Final = 2.0
PHONES_EVERY_S: Final = 5.0
SLICES: Final = 5  # of the calls between phones, asked after in turn
ANSWER_S: Final = 2.0
KEPT_EVERY: Final = 2  # samples between two summaries on the channel of an app
MOST_CALLS: Final = 1000  # asked after in one round; of more, these take turns
MOST_OF_SLICE: Final = 400  # the same of calls between phones: 800 legs a second
MOST_FALLING: Final = 50  # of those that sound bad, asked after every second besides
BATCH: Final = 50  # calls that are asked after at once
TURN: Final = 5  # of those, that are scored before others have a turn: somebody may be calling
_OLD_MS: Final = 20_000  # who is met so late may have been listened to by another before us
_PHONE_RULES: Final = WindowRules(window_s=PHONES_EVERY_S - 1, report_s=PHONES_EVERY_S)


class AppCalls(Protocol):
    """The calls of a node; the controller."""

    @property
    def link(self) -> NodeLink:
        """The way to the node."""
        ...

    def live_calls(self) -> tuple[LiveCall, ...]:
        """All there are."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What an app leg's sound has become worth."""

    call: LiveCall
    side: Side
    role: Role | None
    change: Change


@dataclass(slots=True)
class QualityCounters:
    """Running totals, for metrics."""

    samples: int = 0
    unread: int = 0  # answers that held no figures
    poor: int = 0  # times a leg turned poor
    failed: int = 0  # rounds that the node did not answer


class QualityWatch:
    """One node's. `run` must be somebody's task."""

    def __init__(
        self,
        calls: AppCalls,
        *,
        heard: Callable[[Heard], None],
        rules: Callable[[LiveCall], WindowRules] = lambda _: WindowRules(),
        clock_s: Callable[[], float],
        wall_ms: Callable[[], int],
        every_s: float = EVERY_S,
    ) -> None:
        """`heard` is called once for every change; `clock_s` must not be set back.

        `wall_ms`: since 1970, for records.
        """
        self._calls = calls
        self._heard = heard
        self._rules = rules
        self._clock_s = clock_s
        self._wall_ms = wall_ms
        self._every_s = every_s
        self._ears: dict[str, Ear] = {}  # by the leg's uniqueid
        self._met: set[str] = set()  # calls with apps that were up in the last round
        self._slots: dict[str, int] = {}  # calls between phones, and from when they have their turn
        self._slot = 0
        self._turn = 0
        self.counters = QualityCounters()

    async def run(self) -> NoReturn:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._every_s, self.listen), name="how apps sound")
            of_slice_s = self._every_s * PHONES_EVERY_S / EVERY_S / SLICES
            tasks.create_task(self._again(of_slice_s, self.listen_to_phones), name="and phones")
        raise asyncio.CancelledError

    async def _again(self, every_s: float, work: Callable[[], Awaitable[None]]) -> NoReturn:
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()
            except AmiError:
                self.counters.failed += 1

    def offered(self, heard: Heard) -> None:
        """Another way was offered because of it."""
        leg = heard.call.leg(heard.side)
        ear = None if leg is None else self._ears.get(leg.unique_id)
        if leg is not None and ear is not None:
            ear.offered += 1
            with contextlib.suppress(AmiError):
                self._calls.link.post((ear.kept(heard.call, heard.side, leg),))

    async def listen(self) -> None:
        """One round over all calls with apps. Raises AmiError."""
        up = [call for call in self._calls.live_calls() if call.state is LiveState.UP]
        self._forget_others(up)
        calls = [call for call in up if _has_app(call)]
        # A call's first seconds say nothing: it is asked after from the second round on.
        met, self._met = self._met, {call.call_id for call in calls}
        calls = [call for call in calls if call.call_id in met]
        if len(calls) > MOST_CALLS:
            self._turn = (self._turn + MOST_CALLS) % len(calls)
            calls = (calls[self._turn :] + calls[: self._turn])[:MOST_CALLS]
        await self._ask_all(calls)

    async def listen_to_phones(self) -> None:
        """One slice of the calls between phones. Raises AmiError."""
        calls = [
            call
            for call in self._calls.live_calls()
            if call.state is LiveState.UP and not _has_app(call)
        ]
        self._slot = now = self._slot + 1
        known, new = self._slots, 0
        self._slots = {}
        # Of too many each waits longer; who is met together is spread.
        turns = max(SLICES, -(-len(calls) // MOST_OF_SLICE))
        due: list[LiveCall] = []
        falling: list[LiveCall] = []
        for call in calls:
            if (slot := known.get(call.call_id)) is None:
                slot = now + new // MOST_OF_SLICE
                new += 1
            elif now > slot and (now - slot) % turns == 0:
                due.append(call)
            elif len(falling) < MOST_FALLING and self._falls(call):
                falling.append(call)
            self._slots[call.call_id] = slot
        await self._ask_all(due)
        await self._ask_all(falling, between=True)

    def _falls(self, call: LiveCall) -> bool:
        ears = (self._ears.get(leg.unique_id) for leg in _legs(call))
        return any(ear is not None and ear.ways.falling for ear in ears)

    def _forget_others(self, up: Iterable[LiveCall]) -> None:
        legs = {leg.unique_id for call in up for leg in _legs(call)}
        for gone in self._ears.keys() - legs:
            del self._ears[gone]

    async def _ask_all(self, calls: Sequence[LiveCall], *, between: bool = False) -> None:
        for at in range(0, len(calls), BATCH):
            await self._ask(calls[at : at + BATCH], between=between)

    async def _ask(self, calls: Sequence[LiveCall], *, between: bool) -> None:
        """`between`: beside their turn, for their course alone."""
        legs = {leg.unique_id: leg for call in calls for leg in _legs(call)}
        await self._meet(calls)
        questions = [_get(leg, FIGURES) for leg in legs.values()]
        answers = await self._calls.link.actions(questions, deadline_s=ANSWER_S)
        at_s = self._clock_s()
        samples = {
            one.unique_id: read_sample(answer.get("Value") or "", at_s, _codec(ear.codec, one.kind))
            for one, answer in zip(legs.values(), answers, strict=True)
            if answer.ok and (ear := self._ears.get(one.unique_id)) is not None
        }
        kept: list[Action] = []
        for number, call in enumerate(calls, 1):
            if number % TURN == 0:
                await asyncio.sleep(0)
            for side in Side:
                if (leg := call.leg(side)) is None:
                    continue
                if between:
                    self._follow(leg, samples)
                else:
                    kept += self._take(call, side, leg, samples)
        if kept:
            self._calls.link.post(kept)

    async def _meet(self, calls: Sequence[LiveCall]) -> None:
        """Learn the codec of each new leg, and of old ones what somebody kept before us."""
        old_ms = self._wall_ms() - _OLD_MS
        new: list[tuple[Leg, bool]] = []
        for call in calls:
            old = call.up_since is not None and _ms(call.up_since) < old_ms
            new += [(leg, old) for leg in _legs(call) if leg.unique_id not in self._ears]
        if not new:
            return
        questions = [_get(leg, CODEC) for leg, _ in new]
        questions += [_get(leg, KEPT) for leg, old in new if old]
        values = [
            answer.get("Value") or ""
            for answer in await self._calls.link.actions(questions, deadline_s=ANSWER_S)
        ]
        kept = iter(values[len(new) :])
        for (leg, old), codec in zip(new, values[: len(new)], strict=True):
            self._ears[leg.unique_id] = Ear.resumed(codec, next(kept) if old else "")

    def _follow(self, leg: Leg, samples: Mapping[str, Sample | None]) -> None:
        ear, sample = self._ears.get(leg.unique_id), samples.get(leg.unique_id)
        if ear is not None and sample is not None:
            self.counters.samples += 1
            ear.ways = ways_of(ear.ways, sample, self._wall_ms())

    def _take(
        self, call: LiveCall, side: Side, leg: Leg, samples: Mapping[str, Sample | None]
    ) -> Iterator[Action]:
        ear, sample = self._ears.get(leg.unique_id), samples.get(leg.unique_id)
        if ear is None or sample is None:
            self.counters.unread += 1
            return
        self.counters.samples += 1
        judged, apps = leg.kind is Channel.APP, _has_app(call)
        rules = self._rules(call) if judged else WindowRules() if apps else _PHONE_RULES
        before = self._passed_on(leg, call.leg(side.other), samples)
        change = ear.hear(sample, self._wall_ms(), rules, before)
        ear.rounds += 1
        if change is not None and change.changed and judged:
            self.counters.poor += change.sound is Sound.POOR
            role = call.caller if side is Side.CALLER else call.callee
            self._heard(Heard(call, side, role, change))
        if change is not None and (change.changed or not apps or ear.rounds % KEPT_EVERY == 0):
            yield ear.kept(call, side, leg)

    def _passed_on(
        self, leg: Leg, other: Leg | None, samples: Mapping[str, Sample | None]
    ) -> Sample | None:
        """The other leg, if what comes from it is passed on packet by packet.

        What is transcoded is sent without a gap, whatever was lost.
        """
        mine = self._ears.get(leg.unique_id)
        theirs = None if other is None else self._ears.get(other.unique_id)
        if other is None or mine is None or theirs is None or mine.codec != theirs.codec:
            return None
        return samples.get(other.unique_id)


def _legs(call: LiveCall) -> list[Leg]:
    return [leg for leg in (call.caller_leg, call.callee_leg) if leg is not None]


def _has_app(call: LiveCall) -> bool:
    return any(leg.kind is Channel.APP for leg in _legs(call))


def _get(leg: Leg, variable: str) -> Action:
    return Action("Getvar", (("Channel", leg.channel), ("Variable", variable)))


def _ms(moment: datetime) -> int:
    return round((moment - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000)


def _codec(name: str, kind: Channel) -> Codec:
    """The most usual one of its kind where it is none that we know."""
    try:
        return Codec(name)
    except ValueError:
        return Codec.OPUS if kind is Channel.APP else Codec.ALAW
