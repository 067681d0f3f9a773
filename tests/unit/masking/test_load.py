"""Trunks are never given more calls than they take, and get back what was not used."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from masking.load import Gate, TrunkLoads, trunks_of
from masking.plan import Plan, Refusal
from masking.routing import decide
from masking.trunks import Trunk
from tests.unit.masking.given import NOW, a_session, an_offer, facts_for_buyer

SECOND = timedelta(seconds=1)
US = timedelta(microseconds=1)
SMALL = Trunk("small", "127.0.0.2", max_channels=2, max_cps=100)
SLOW = Trunk("slow", "127.0.0.3", max_channels=100, max_cps=3)


def test_an_unused_trunk_has_room_for_the_lesser_of_its_caps() -> None:
    loads = TrunkLoads()

    assert loads.room(SMALL, NOW) == 2
    assert loads.room(SLOW, NOW) == 3
    assert loads.room(replace(SMALL, max_channels=-1), NOW) == 0
    assert loads.in_use("small") == 0


def test_channels_are_taken_and_come_back_at_the_end_of_the_call() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["small"], NOW)
    loads.take("cal_2", ["small"], NOW)

    assert loads.in_use("small") == 2
    assert not loads.can_take(SMALL, NOW + SECOND)
    assert loads.calls() == {"cal_1", "cal_2"}

    loads.release("cal_1")
    loads.release("cal_1")

    assert loads.in_use("small") == 1
    assert loads.can_take(SMALL, NOW + SECOND)
    assert not loads.can_take(SMALL, NOW + SECOND, 2)
    assert loads.calls() == {"cal_2"}


def test_a_gate_admits_so_many_within_any_second_and_no_more() -> None:
    gate = Gate(2)

    assert gate.admit(NOW)
    assert gate.admit(NOW + SECOND / 2)
    assert not gate.admit(NOW + SECOND - US)
    assert gate.admit(NOW + SECOND)
    assert not gate.admit(NOW + SECOND * 1.5 - US)
    assert gate.admit(NOW + SECOND * 1.5)


def test_whoever_is_turned_away_at_a_gate_does_not_count() -> None:
    gate = Gate(1)
    gate.admit(NOW)

    assert not any(gate.admit(NOW + SECOND * n / 10) for n in range(1, 10))
    assert gate.admit(NOW + SECOND)


def test_a_gate_opens_though_the_clock_is_set_back() -> None:
    gate = Gate(1)
    gate.admit(NOW)

    assert gate.admit(NOW - SECOND)


def test_set_ups_count_for_one_second_whatever_becomes_of_the_call() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["slow"], NOW)
    loads.take("cal_2", ["slow", "slow"], NOW + SECOND / 2)
    for call in ("cal_1", "cal_2"):
        loads.release(call)

    assert loads.room(SLOW, NOW + SECOND / 2) == 0
    assert loads.room(SLOW, NOW + SECOND - US) == 0
    assert loads.room(SLOW, NOW + SECOND) == 1
    assert loads.room(SLOW, NOW + SECOND * 3 / 2) == 3


def test_a_clock_set_back_does_not_block_a_trunk() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["slow"] * 3, NOW + timedelta(hours=1))

    assert loads.room(SLOW, NOW) == 3


def test_a_trunk_without_room_still_counts_what_is_there() -> None:
    loads = TrunkLoads()
    for n in range(4):
        loads.take(f"cal_{n}", ["small"], NOW)

    assert loads.in_use("small") == 4
    assert loads.room(SMALL, NOW + SECOND) == 0

    loads.release("cal_0")

    assert loads.room(SMALL, NOW + SECOND) == 0


def test_an_offer_seen_twice_counts_once() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["small", "slow"], NOW)
    loads.take("cal_1", ["small"], NOW)

    assert (loads.in_use("small"), loads.in_use("slow")) == (1, 0)


def test_when_the_way_out_is_known_the_others_get_back_channel_and_set_up() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["small", "slow", "third"], NOW)
    loads.settle("cal_1", ["small", "third"])

    assert loads.in_use("small") == loads.in_use("third") == 1
    assert loads.in_use("slow") == 0
    assert loads.room(SLOW, NOW) == 3
    assert loads.room(replace(SMALL, max_cps=1), NOW) == 0


def test_a_trunk_that_was_tried_gets_back_its_channel_only() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["small", "slow"], NOW)
    loads.settle("cal_1", ["small"], tried=["slow"])

    assert loads.in_use("slow") == 0
    assert loads.room(SLOW, NOW) == 2


def test_a_call_that_goes_out_the_way_it_came_keeps_both_channels() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["slow", "slow", "small"], NOW)
    loads.settle("cal_1", ["slow", "slow"])

    assert loads.in_use("slow") == 2
    assert loads.room(SLOW, NOW) == 1

    loads.settle("cal_1", ["slow"])

    assert loads.in_use("slow") == 1
    assert loads.room(SLOW, NOW) == 2


def test_settling_takes_nothing_that_was_not_reserved() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["small"], NOW)
    loads.settle("cal_1", ["small", "slow"])
    loads.settle("cal_2", ["small"])

    assert (loads.in_use("small"), loads.in_use("slow")) == (1, 0)
    assert loads.calls() == {"cal_1"}


def test_a_set_up_that_has_passed_is_not_given_back_from_another_call() -> None:
    loads = TrunkLoads()
    loads.take("cal_1", ["slow"], NOW)
    loads.take("cal_2", ["slow"], NOW + SECOND)
    loads.settle("cal_1", [])

    assert loads.room(SLOW, NOW + SECOND) == 2


def test_calls_found_up_hold_channels_and_no_set_ups() -> None:
    loads = TrunkLoads()
    loads.adopt("cal_1", ["slow", "small"], NOW)
    loads.adopt("cal_1", ["slow", "small"], NOW)

    assert loads.in_use("slow") == 1
    assert loads.room(SLOW, NOW) == 3
    assert loads.room(SMALL, NOW) == 1

    loads.release("cal_1")

    assert loads.in_use("slow") == 0


def test_a_plan_needs_the_trunk_it_came_on_and_each_it_may_go_out_on() -> None:
    decision = decide(an_offer(), facts_for_buyer(a_session()), TrunkLoads(), NOW)
    assert isinstance(decision, Plan)
    twice = replace(decision, attempts=decision.attempts * 2)

    assert trunks_of(decision, "carrier-a") == ("carrier-a", "carrier-b", "carrier-a")
    assert trunks_of(twice, "carrier-z") == ("carrier-z", "carrier-b", "carrier-a")


def test_a_refusal_needs_the_trunk_it_came_on() -> None:
    decision = decide(an_offer("1"), facts_for_buyer(a_session()), TrunkLoads(), NOW)
    assert isinstance(decision, Refusal)

    assert trunks_of(decision, "carrier-a") == ("carrier-a",)


NAMES = ("a", "b", "c")
names = st.lists(st.sampled_from(NAMES), max_size=4)
calls = st.sampled_from([f"cal_{n}" for n in range(5)])


class Loads(RuleBasedStateMachine):
    """Channels in use are those of the calls that are on, and no window overflows its cap."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = TrunkLoads()
        self.now = NOW
        self.on: dict[str, list[str]] = {}

    @rule(call=calls, trunks=names)
    def take(self, call: str, trunks: list[str]) -> None:
        self.loads.take(call, trunks, self.now)
        self.on[call] = list(trunks)

    @rule(call=calls, trunks=names)
    def adopt(self, call: str, trunks: list[str]) -> None:
        self.loads.adopt(call, trunks, self.now)
        self.on[call] = list(trunks)

    @rule(call=calls, used=names, tried=names)
    def settle(self, call: str, used: list[str], tried: list[str]) -> None:
        self.loads.settle(call, used, tried=tried)
        left = list(used)
        kept = []
        for name in self.on.get(call, []):
            if name in left:
                left.remove(name)
                kept.append(name)
        if call in self.on:
            self.on[call] = kept

    @rule(call=calls)
    def release(self, call: str) -> None:
        self.loads.release(call)
        self.on.pop(call, None)

    @rule(ms=st.integers(-1500, 1500))
    def wait(self, ms: int) -> None:
        self.now += timedelta(milliseconds=ms)

    @invariant()
    def channels_are_those_of_the_calls(self) -> None:
        for name in NAMES:
            held = sum(trunks.count(name) for trunks in self.on.values())
            assert self.loads.in_use(name) == held
            room = self.loads.room(Trunk(name, "h", max_channels=4, max_cps=1000), self.now)
            assert room == max(0, 4 - held)
        assert self.loads.calls() == self.on.keys()

    @invariant()
    def after_a_second_all_set_ups_are_free(self) -> None:
        later = self.now + timedelta(days=1)
        for name in NAMES:
            if self.loads.in_use(name) == 0:
                assert self.loads.room(Trunk(name, "h", max_cps=7), later) == 7


TestLoads = Loads.TestCase
TestLoads.settings = settings(max_examples=50, stateful_step_count=30)
