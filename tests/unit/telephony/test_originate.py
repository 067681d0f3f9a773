"""A new leg as Asterisk is asked for it: nothing in it is taken on trust."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masking import app_card
from masking.model import Card, Role
from masking.plan import Attempt, CallerCard, Channel, Step
from telephony.errors import PlanUnusable
from telephony.originate import NewLeg, Ring, hang_up_leg, originate, rings

SESSION = "ses_" + "0" * 26
DEVICE = "app_" + "a" * 26
CARD = CallerCard("cal_1", SESSION, "chat-1", Role.BUYER, Card("Anna", 4.9))
PHONE = Ring(Channel.GSM, "carrier-a", 20, "+74951110001", "+79161234567")
APP = Ring(Channel.APP, DEVICE, 25, SESSION, card=CARD)
LEG = NewLeg("n1-1700000000.h0", PHONE, "handover", "unanswered", (("M_SIDE", "caller"),))


def headers(leg: NewLeg) -> list[tuple[str, str]]:
    return list(originate(leg).headers)


def test_a_phone_is_rung_and_shown_a_number_of_ours_and_no_name() -> None:
    asked = headers(LEG)
    assert asked == [
        ("Channel", "PJSIP/+79161234567@carrier-a"),
        ("Context", "handover"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", "20000"),
        ("CallerID", '"" <+74951110001>'),
        ("Async", "true"),
        ("ChannelId", "n1-1700000000.h0"),
        ("Variable", r"CHANNEL(hangup_handler_push)=unanswered\,s\,1"),
        ("Variable", "M_SIDE=caller"),
    ]
    assert "79161234567" not in repr(PHONE)
    assert "79161234567" not in repr(originate(LEG))


def test_an_app_is_rung_with_the_card() -> None:
    asked = headers(replace(LEG, ring=APP))
    assert ("Channel", f"PJSIP/{DEVICE}") in asked
    assert ("CallerID", f'"Anna" <{SESSION}>') in asked
    [card] = [value for _, value in asked if "X-Maskline-Card" in value]
    assert card == rf"PJSIP_HEADER(add\,X-Maskline-Card)={app_card.encode(CARD)}"


@pytest.mark.parametrize("name", ['An"na', "Anna\r\nAction: Logoff", "<Anna>", "a\\b", "x" * 500])
def test_a_name_cannot_say_more_than_a_name(name: str) -> None:
    card = replace(CARD, card=Card(name, None))
    asked = dict(headers(replace(LEG, ring=replace(APP, card=card))))
    shown = asked["CallerID"]
    inner = shown.removesuffix(f" <{SESSION}>")[1:-1]
    assert not set(inner) & set('"\r\n<>\\')
    assert len(inner) <= 80


def test_a_long_card_fits_into_a_line() -> None:
    facts = tuple((f"fact {n}", "x" * 200) for n in range(20))
    card = replace(CARD, card=Card("Anna", 4.9, facts))
    asked = headers(replace(LEG, ring=replace(APP, card=card)))
    assert all(len(f"{name}: {value}".encode()) <= 1022 for name, value in asked)


@pytest.mark.parametrize(
    "leg",
    [
        replace(LEG, ring=replace(PHONE, dial="79161234567@evil")),
        replace(LEG, ring=replace(PHONE, dial="")),
        replace(LEG, ring=replace(PHONE, via="carrier/../x")),
        replace(LEG, ring=replace(PHONE, shown=SESSION)),
        replace(LEG, ring=replace(APP, via="carrier-a")),
        replace(LEG, ring=replace(APP, shown="+79161234567")),
        replace(LEG, unique_id="n1\r\nAction: x"),
        replace(LEG, variables=(("M_HAND", "a,M_BY=system"),)),
        replace(LEG, variables=(("M_HAND", "${SHELL(ls)}"),)),
    ],
)
def test_what_the_dialplan_would_read_as_more_is_not_sent(leg: NewLeg) -> None:
    with pytest.raises(PlanUnusable):
        originate(leg)


def test_trunks_come_one_after_another_and_devices_with_the_card() -> None:
    steps = tuple(Step(name, "+79161234567", "+74951110001") for name in ("a", "b"))
    by_phone = rings(Attempt(Channel.GSM, steps, 30), SESSION, None)
    assert [(one.via, one.ring_s, one.card, one.last) for one in by_phone] == [
        ("a", 30, None, False),
        ("b", 30, None, True),
    ]
    to = [dict(headers(replace(LEG, ring=one)))["Channel"] for one in by_phone]
    assert to == ["PJSIP/+79161234567@a", "PJSIP/+79161234567@b/b_unasked"]
    in_app = rings(Attempt(Channel.APP, (), 25, (DEVICE,)), SESSION, CARD)
    assert in_app == (APP,)


def test_a_leg_is_ended_by_its_uniqueid() -> None:
    action = hang_up_leg("n1-1700000000.h0")
    assert (action.name, dict(action.headers)["Channel"]) == ("Hangup", "n1-1700000000.h0")
