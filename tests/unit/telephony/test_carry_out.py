"""What Asterisk is told of a decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masking.model import Language, Phone, Role
from masking.plan import Announcement, Attempt, Channel, Plan, Refusal, RefusalReason, Step
from telephony.ami import Action, encode_action
from telephony.carry_out import MAX_STEPS, actions_for, hang_up_actions, read_plan_row
from telephony.errors import PlanUnusable

CHANNEL = "PJSIP/carrier-a-00000001"


def step(trunk: str) -> Step:
    return Step(trunk, "+79267654321", "+74951110002")


def plan(*attempts: Attempt) -> Plan:
    return Plan(
        session_id="ses_1",
        caller=Role.BUYER,
        callee=Role.SELLER,
        number_in=Phone("+74951110001"),
        number_out=Phone("+74951110002"),
        attempts=attempts,
        language=Language.RU,
        max_call_s=3600,
    )


def variables(actions: tuple[Action, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for action in actions[:-1]:
        headers = dict(action.headers)
        names = headers["Variable"].removeprefix("ARRAY(").removesuffix(")").split(",")
        values = headers["Value"].split(",")
        assert len(names) == len(values)
        found.update(zip(names, values, strict=True))
    return found


def test_a_plan_becomes_variables_and_one_redirect() -> None:
    attempts = (
        Attempt(Channel.GSM, (step("a"), step("b")), 40),
        Attempt(Channel.GSM, (step("c"),), 20),
    )
    actions = actions_for(CHANNEL, plan(*attempts))

    assert [action.name for action in actions][-1] == "Redirect"
    assert dict(actions[-1].headers) == {
        "Channel": CHANNEL,
        "Context": "plan",
        "Exten": "s",
        "Priority": "1",
    }
    found = variables(actions)
    assert read_plan_row(found["M_PLAN"]) == {
        "session": "ses_1",
        "caller": "buyer",
        "callee": "seller",
        "lang": "ru",
        "in": "+74951110001",
        "out": "+74951110002",
    }
    assert [found[f"M_TR{n}"] for n in (1, 2, 3)] == ["a", "b", "c"]
    assert [found[f"M_RG{n}"] for n in (1, 2, 3)] == ["40", "40", "20"]
    # After a failed trunk the next step, or the next attempt; after an attempt's end the next one.
    assert [found.get(f"M_FO{n}") for n in (1, 2, 3)] == ["2", "3", None]
    assert [found.get(f"M_NX{n}") for n in (1, 2, 3)] == ["3", "3", None]
    assert (found["M_N"], found["M_MAX"], found["M_LANG"]) == ("1", "3600", "ru")
    assert found["CALLERID(num)"] == "+74951110002"


def test_the_longest_plan_fits_into_asterisks_lines() -> None:
    steps = tuple(step("t" * 32) for _ in range(MAX_STEPS))
    actions = actions_for(CHANNEL, plan(Attempt(Channel.GSM, steps, 180)))

    for action in actions:
        encode_action(action, "0123456789abcdef-1000000")
    assert len(variables(actions)) == 6 + 6 * MAX_STEPS - 1


def test_a_refusal_says_what_to_play_and_why() -> None:
    refusal = Refusal(
        RefusalReason.COOLING,
        Announcement.NO_LONGER_SERVES,
        22,
        Language.EN,
        session_id="ses_1",
        caller=Role.BUYER,
        number_in=Phone("+74951110001"),
    )
    actions = actions_for(CHANNEL, refusal)

    found = variables(actions)
    assert dict(actions[-1].headers)["Context"] == "refuse"
    assert found["M_SAY"] == "no-longer-serves"
    assert (found["M_CAUSE"], found["M_LANG"]) == ("22", "en")
    assert read_plan_row(found["M_REFUSE"]) == {
        "reason": "cooling",
        "cause": "22",
        "announce": "no-longer-serves",
        "session": "ses_1",
        "caller": "buyer",
        "in": "+74951110001",
    }


@pytest.mark.parametrize(
    "bad", ["${EVAL(1)}", "a,b", "a&b", "a b", "a\r\nb", 'a"b', "$[1]", "a)b", "é"]
)
def test_nothing_that_the_dialplan_would_read_as_more_is_sent(bad: str) -> None:
    good = step("a")
    for spoilt in (replace(good, trunk=bad), replace(good, dial=bad), replace(good, caller_id=bad)):
        with pytest.raises(PlanUnusable) as refused:
            actions_for(CHANNEL, plan(Attempt(Channel.GSM, (spoilt,), 40)))
        assert bad not in str(refused.value)
    with pytest.raises(PlanUnusable):
        actions_for(CHANNEL, replace(plan(Attempt(Channel.GSM, (good,), 40)), session_id=bad))


@pytest.mark.parametrize("count", [0, MAX_STEPS + 1])
def test_a_plan_has_some_steps_but_not_too_many(count: int) -> None:
    with pytest.raises(PlanUnusable):
        actions_for(CHANNEL, plan(Attempt(Channel.GSM, (step("a"),) * count, 40)))


def test_hanging_up_says_first_who_does_it() -> None:
    setvar, hangup = hang_up_actions(CHANNEL, 16)
    assert (setvar.name, dict(setvar.headers)["Variable"]) == ("Setvar", "M_BY")
    assert (hangup.name, dict(hangup.headers)["Cause"]) == ("Hangup", "16")
