"""The controller against an Asterisk manager that does what a test tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from masking.ids import call_id
from masking.model import Role
from telephony.errors import UnknownCall
from telephony.live import LiveState
from tests.unit.ami.fake import (
    SYSTEMNAME,
    fake_asterisk,
    until,
)
from tests.unit.telephony.stage import PLAN, REFUSAL, Scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with fake_asterisk() as fake:
        yield Scene(fake)


async def test_of_an_offer_it_is_told_which_app_calls_and_once(scene: Scene) -> None:
    app, session = f"app_{'0' * 26}", f"ses_{'0' * 26}"
    async with scene.controller():
        scene.offer(App=app, Called=session)
        scene.offer(App=app, Called=session)  # heard again
        scene.offer(2)
        await until(lambda: len(scene.sent("Redirect")) == 2)
        assert scene.called == [app]


async def test_an_offer_is_answered_once_with_setvar_and_redirect(scene: Scene) -> None:
    async with scene.controller() as controller:
        unique_id = scene.offer()
        await until(lambda: len(scene.sent("Redirect")) == 1)
        assert scene.fake.names()[-2:] == ["Setvar", "Redirect"]
        assert scene.sent("Redirect")[0]["Context"] == "plan"
        (offer,) = scene.routes.offers
        assert (offer.caller, offer.trunk) == ("+79161234567", "carrier-a")

        scene.offer()  # heard again
        scene.offer(2)
        await until(lambda: len(scene.sent("Redirect")) == 2)
        assert len(scene.routes.offers) == 2
        assert controller.counters.repeated == 1
        assert controller.counters.plans == 2
        assert {call.linked_id for call in controller.live_calls()} >= {unique_id}


async def test_calls_beyond_what_a_node_may_begin_are_turned_away_unasked(scene: Scene) -> None:
    async with scene.controller(begun_a_second=2) as controller:
        for number in (1, 2, 3):
            scene.offer(number, age_s=0.1)
        await until(lambda: len(scene.sent("Redirect")) == 3)

        contexts = sorted(sent["Context"] for sent in scene.sent("Redirect"))
        assert contexts == ["plan", "plan", "refuse-unsaid"]
        assert controller.counters.refusals == {"overloaded": 1}
        assert len(scene.routes.offers) == 2


async def test_behind_a_closed_door_no_call_begins_and_those_inside_go_on(scene: Scene) -> None:
    async with scene.controller() as controller:
        scene.offer()
        await until(lambda: len(scene.sent("Redirect")) == 1)
        controller.close_door()
        scene.offer(2)
        scene.offer(Asked="ask-pin:1:::", Digits="1234")
        await until(lambda: len(scene.sent("Redirect")) == 3)

        contexts = [sent["Context"] for sent in scene.sent("Redirect")]
        assert contexts == ["plan", "refuse-unsaid", "plan"]


async def test_what_was_asked_before_is_no_new_call(scene: Scene) -> None:
    async with scene.controller(begun_a_second=1):
        scene.offer()
        scene.offer(Asked="ask-pin:1:::", Digits="1234")
        await until(lambda: len(scene.sent("Redirect")) == 2)

        assert [sent["Context"] for sent in scene.sent("Redirect")] == ["plan", "plan"]


async def test_a_refusal_is_carried_out_and_counted_by_reason(scene: Scene) -> None:
    scene.routes.decision = REFUSAL
    async with scene.controller() as controller:
        scene.offer()
        await until(lambda: len(scene.sent("Redirect")) == 1)
        assert scene.sent("Redirect")[0]["Context"] == "refuse"
        assert controller.counters.refusals == {"blocked": 1}


async def test_a_live_call_is_followed_from_offer_to_end(scene: Scene) -> None:
    async with scene.controller() as controller:

        def state() -> list[LiveState]:
            return [call.state for call in controller.live_calls()]

        unique_id = scene.offer()
        await until(lambda: len(scene.sent("Redirect")) == 1)
        assert state() == [LiveState.RINGING]
        loads = controller.loads
        assert [loads.in_use(f"carrier-{x}") for x in "abc"] == [1, 1, 1]  # all it may need
        scene.dial_end(unique_id, "CONGESTION", "carrier-c")
        scene.dial_end(unique_id, "ANSWER")
        await until(lambda: state() == [LiveState.UP])
        assert [loads.in_use(f"carrier-{x}") for x in "abc"] == [1, 1, 0]  # what it uses
        (call,) = controller.live_calls()
        assert call.call_id == call_id(SYSTEMNAME, unique_id)
        assert (call.session_id, call.caller, call.callee) == ("ses_1", Role.BUYER, Role.SELLER)
        assert (call.trunk_in, call.trunk_out) == ("carrier-a", "carrier-b")
        scene.hang_up(unique_id)
        await until(lambda: state() == [])
        assert [loads.in_use(f"carrier-{x}") for x in "abc"] == [0, 0, 0]


async def test_an_offer_that_can_be_decided_at_once_takes_no_task(scene: Scene) -> None:
    scene.routes.at_once = True
    scene.routes.gate.clear()  # whoever asks for the long way waits for ever
    async with scene.controller() as controller:
        scene.offer()
        await until(lambda: len(scene.sent("Redirect")) == 1)
        scene.offer(2, age_s=60)
        await until(lambda: controller.counters.late == 1)
        scene.routes.decision = RuntimeError("the database is gone")
        scene.offer(3)
        await until(lambda: controller.counters.failed == 1)
        scene.routes.decision = REFUSAL
        scene.offer(4)
        await until(lambda: len(scene.sent("Redirect")) == 2)
        assert (controller.counters.plans, controller.counters.refusals) == (1, {"blocked": 1})
        assert len(scene.errors) == 1


async def test_a_caller_who_left_is_not_answered(scene: Scene) -> None:
    scene.routes.gate.clear()
    async with scene.controller() as controller:
        unique_id = scene.offer()
        await until(lambda: len(scene.routes.offers) == 1)
        scene.hang_up(unique_id)
        await until(lambda: controller.live_calls() == ())
        scene.routes.gate.set()
        await until(lambda: controller.counters.abandoned == 1)
        assert scene.sent("Redirect") == []
        assert controller.loads.in_use("carrier-a") == 0


async def test_a_decision_that_takes_too_long_is_not_sent(scene: Scene) -> None:
    scene.routes.gate.clear()
    async with scene.controller(route_timeout_s=0.3, margin_s=0.1) as controller:
        scene.offer()
        await until(lambda: controller.counters.late == 1)
        scene.routes.gate.set()
        scene.offer(2, age_s=0.25)  # was under way for too long already
        await until(lambda: controller.counters.late == 2)
        assert scene.sent("Redirect") == []
        assert len(scene.routes.offers) == 1


async def test_routes_that_raise_cost_one_offer(scene: Scene) -> None:
    scene.routes.decision = RuntimeError("the database is gone")
    async with scene.controller() as controller:
        scene.offer()
        await until(lambda: controller.counters.failed == 1)
        scene.routes.decision = PLAN
        scene.offer(2)
        await until(lambda: len(scene.sent("Redirect")) == 1)
        assert len(scene.errors) == 1


async def test_too_many_offers_at_once_are_left_to_the_time_out(scene: Scene) -> None:
    scene.routes.gate.clear()
    async with scene.controller(deciding=2) as controller:
        for number in range(5):
            scene.offer(number)
        await until(lambda: controller.counters.overload == 3)
        assert controller.deciding == 2
        scene.routes.gate.set()
        await until(lambda: controller.counters.plans == 2)


async def test_an_offer_that_is_not_whole_is_left_to_the_time_out(scene: Scene) -> None:
    async with scene.controller() as controller:
        scene.offer(Complete="")
        await until(lambda: controller.counters.malformed == 1)
        assert scene.routes.offers == []


def status(number: int, *, linked: int | None = None, **more: str) -> dict[str, str]:
    side = "a" if linked is None else "b"
    return {
        "Channel": f"PJSIP/carrier-{side}-{number:08x}",
        "ChannelStateDesc": "Up",
        "Uniqueid": f"{SYSTEMNAME}-1700000000.{number}",
        "Linkedid": f"{SYSTEMNAME}-1700000000.{number if linked is None else linked}",
        "Context": "plan",
        **more,
    }


async def test_stock_is_taken_of_what_is_up_when_it_comes(scene: Scene) -> None:
    row = "session=ses_9;caller=seller;callee=buyer;in=+7;out=+7;lang=ru"
    caller = status(1, Variable=f"MASKLINE_TRUNK=carrier-a\r\nVariable: M_PLAN={row}")
    callee = status(2, linked=1, Context="from-trunk", Variable="MASKLINE_TRUNK=carrier-b")
    scene.statuses = [callee, caller]
    async with scene.controller() as controller:
        (call,) = controller.live_calls()
        assert call.state is LiveState.UP
        assert (call.session_id, call.caller, call.callee) == ("ses_9", Role.SELLER, Role.BUYER)
        assert (call.trunk_in, call.trunk_out) == ("carrier-a", "carrier-b")
        assert call.since.timestamp() == 1_700_000_000
        assert [controller.loads.in_use(f"carrier-{x}") for x in "ab"] == [1, 1]

        await controller.hang_up(call.call_id)
        assert scene.fake.names()[-2:] == ["Setvar", "Hangup"]
        scene.hang_up(call.linked_id)
        await until(lambda: controller.live_calls() == ())
        with pytest.raises(UnknownCall):
            await controller.hang_up(call.call_id)


async def test_offers_found_waiting_are_asked_for_again(scene: Scene) -> None:
    scene.statuses = [status(1, ChannelStateDesc="Ring", Context="offer")]
    async with scene.controller() as controller:
        await until(lambda: len(scene.sent("Redirect")) == 1)
        again = scene.sent("Redirect")[0]
        assert (again["Context"], again["Priority"]) == ("offer", "ask")
        scene.offer(1)
        await until(lambda: len(scene.sent("Redirect")) == 2)
        assert scene.sent("Redirect")[1]["Context"] == "plan"
        assert controller.counters.plans == 1


async def test_after_a_lost_connection_calls_are_counted_anew(scene: Scene) -> None:
    async with scene.controller() as controller:
        for number in (1, 2):
            scene.offer(number)
        await until(lambda: controller.counters.plans == 2)
        scene.statuses = [status(2), status(3)]
        scene.fake.peers[-1].cut()
        await until(lambda: controller.counters.stocks == 2)
        assert [call.linked_id[-1] for call in controller.live_calls()] == ["2", "3"]
        assert controller.loads.in_use("carrier-c") == 0


async def test_a_call_whose_end_was_not_heard_is_found_out(scene: Scene) -> None:
    async with scene.controller(reconcile_s=0.05) as controller:
        scene.offer(1)
        await until(lambda: controller.counters.plans == 1)
        await until(lambda: controller.live_calls() == ())
        assert controller.loads.in_use("carrier-a") == 0
