"""What Asterisk is told of a decision."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from masking import app_card
from masking.model import Card, Language, Listing, Phone, Role
from masking.plan import (
    Announcement,
    Attempt,
    CallerCard,
    Channel,
    Plan,
    Refusal,
    RefusalReason,
    Step,
)
from masking.recording import NotRecorded, Taping
from masking.rules import RecordingMode, RecordingNotice
from telephony.ami import Action, encode_action
from telephony.carry_out import (
    MAX_STEPS,
    actions_for,
    dial_now,
    hang_up_actions,
    read_plan_row,
)
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
    # Over the last trunk of an attempt a call is tried though it may have left OPTIONS unanswered.
    told = [found[f"M_TO{n}"].partition("@")[2] for n in (1, 2, 3)]
    assert told == ["a", "b/b_unasked", "c/c_unasked"]
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


def test_a_recorded_call_is_told_what_to_play_and_how_to_name_the_file() -> None:
    whole = plan(Attempt(Channel.GSM, (step("a"),), 40))
    taping = Taping(RecordingMode.ALWAYS, RecordingNotice.PLAIN)
    found = variables(actions_for(CHANNEL, replace(whole, call_id="cal_1", taping=taping)))
    assert (found["M_NOTICE"], found["M_TAPE"]) == ("recorded", "cal_1")
    assert read_plan_row(found["M_PLAN"])["record"] == "always"
    assert "unrecorded" not in read_plan_row(found["M_PLAN"])


def test_a_call_that_may_not_be_recorded_is_told_no_more_than_why() -> None:
    whole = plan(Attempt(Channel.GSM, (step("a"),), 40))
    taping = Taping(RecordingMode.CONSENT, RecordingNotice.PLAIN, NotRecorded.NO_CONSENT)
    found = variables(actions_for(CHANNEL, replace(whole, call_id="cal_1", taping=taping)))
    assert {"M_NOTICE", "M_TAPE"}.isdisjoint(found)
    row = read_plan_row(found["M_PLAN"])
    assert (row["record"], row["unrecorded"]) == ("consent", "no_consent")


@pytest.mark.parametrize("bad", ["", "../cal", "cal-1", "cal_1)", "cal_1,D,rm"])
def test_a_recording_is_named_by_a_calls_id_and_by_nothing_else(bad: str) -> None:
    whole = plan(Attempt(Channel.GSM, (step("a"),), 40))
    taping = Taping(RecordingMode.ALWAYS, RecordingNotice.PLAIN)
    with pytest.raises(PlanUnusable):
        actions_for(CHANNEL, replace(whole, call_id=bad, taping=taping))


PHONE, TABLET = "app_" + "1" * 26, "app_" + "2" * 26
CARD = CallerCard("cal_1", "ses_1", "chat-1", Role.BUYER, Card("Анна"), Listing("L-1", "Лада" * 50))


def app_plan(*attempts: Attempt) -> Plan:
    return replace(plan(*attempts), number_in=None, card=CARD)


def test_devices_are_dialled_together_then_woken_then_the_phone() -> None:
    app = Attempt(Channel.APP, (), 25, (PHONE, TABLET), 20)
    actions = actions_for(CHANNEL, app_plan(app, Attempt(Channel.GSM, (step("a"),), 40)))

    found = variables(actions)
    assert dict(actions[-1].headers)["Context"] == "plan"
    assert (found["M_TO1"], found["M_AP1"]) == (f"{PHONE}&PJSIP/{TABLET}", "2")
    assert found["M_RG1"] == "25^5", "so long it rings, and so long it may be silent"
    assert (found["M_WK2"], found.get("M_TO2"), found.get("M_AP2")) == ("20", None, None)
    assert found["M_TO3"] == "+79267654321@a/a_unasked"
    # Nobody rang: it is woken. Somebody rang and was not answered: the phone.
    assert [found.get(f"M_FO{n}") for n in (1, 2, 3)] == ["2", "3", None]
    assert [found.get(f"M_NX{n}") for n in (1, 2, 3)] == ["3", "3", None]
    assert [found[f"M_ID{n}"] for n in (1, 2, 3)] == ["ses_1", "ses_1", "+74951110002"]


def test_a_plan_that_begins_with_waiting_waits() -> None:
    actions = actions_for(CHANNEL, app_plan(Attempt(Channel.APP, (), 25, (), 20)))

    assert dict(actions[-1].headers)["Context"] == "wake"
    assert variables(actions)["M_WK1"] == "20"


def test_the_card_goes_in_pieces_that_fit_into_lines() -> None:
    actions = actions_for(CHANNEL, app_plan(Attempt(Channel.APP, (), 25, (PHONE,))))

    found = variables(actions)
    whole = "".join(found.get(f"M_CARD{n}", "") for n in (1, 2, 3))
    assert whole == app_card.encode(CARD)
    assert base64.b64decode(found["M_CARDNAME"]).decode() == "Анна"
    for action in actions:
        encode_action(action, "0123456789abcdef-1000000")


def test_a_name_is_one_line_of_what_can_be_shown() -> None:
    named = replace(CARD, card=Card("An\r\nna\x00\u202e" + "x" * 200))
    call = replace(app_plan(Attempt(Channel.APP, (), 25, (PHONE,))), card=named)

    shown = base64.b64decode(variables(actions_for(CHANNEL, call))["M_CARDNAME"]).decode()
    assert shown == "Anna" + "x" * 76


@pytest.mark.parametrize(
    "devices", [("carrier-a",), (PHONE + "&x",), ("app_1",), (PHONE,) * 9], ids=len
)
def test_only_devices_of_ours_are_dialled(devices: tuple[str, ...]) -> None:
    with pytest.raises(PlanUnusable):
        actions_for(CHANNEL, app_plan(Attempt(Channel.APP, (), 25, devices)))
    with pytest.raises(PlanUnusable):
        dial_now(CHANNEL, 1, devices, 100)


def test_an_app_that_is_refused_is_told_by_the_status_alone() -> None:
    actions = actions_for(CHANNEL, Refusal(RefusalReason.BLOCKED, None, 21, Language.RU))

    assert dict(actions[-1].headers)["Context"] == "refuse-unsaid"
    assert variables(actions)["M_CAUSE"] == "21"


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
