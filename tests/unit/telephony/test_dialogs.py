"""Messages are told apart by call, by what the controller knows; others' are forgotten."""

from __future__ import annotations

import base64
import json

from masking.plan import Channel
from telephony.hep import dialogs as module
from telephony.hep.codec import Endpoint, Packet
from telephony.hep.dialogs import Dialogs, Exchange, Leg
from tests.support.hep import CARRIER, NODE, invite, request, response

PHONE, PROXY = "+79161234567", "+74951110001"
SESSION, DEVICE = "ses_" + "0" * 26, "app_" + "1" * 26
S = 1_000_000
FAR = Endpoint(bytes((127, 0, 0, 90)), 5080)


def gsm(call_id: str = "cal_1", trunk: str = "carrier-a") -> Leg:
    return Leg(call_id, Channel.GSM, trunk)


def came(ladder: Dialogs, at_us: int, payload: bytes, source: Endpoint = CARRIER) -> None:
    ladder.heard(Packet(at_us, source, NODE, payload))


def went(ladder: Dialogs, at_us: int, payload: bytes, target: Endpoint = CARRIER) -> None:
    ladder.heard(Packet(at_us, NODE, target, payload))


def written(ladder: Dialogs, now_us: int) -> list[Exchange]:
    return list(ladder.due(now_us))


def test_an_incoming_leg_is_known_by_its_tag_even_where_its_offer_is_heard_later() -> None:
    ladder = Dialogs()
    came(ladder, S, invite("a", PROXY, PHONE, "tag-1"))
    went(ladder, S + 900, response("100 Trying", "a"))
    assert written(ladder, 4 * S) == []

    ladder.offered(gsm(), 2 * S, tag="tag-1")

    [one] = written(ladder, 4 * S)
    assert (one.leg, one.place, one.ours, one.theirs) == (gsm(), 0, NODE, CARRIER)
    assert [message.sent for message in one.messages] == [False, True]
    assert written(ladder, 9 * S) == [], "each message is given once"


def test_a_leg_of_ours_is_known_by_the_phone_and_the_number_that_it_shows() -> None:
    ladder = Dialogs()
    ladder.dials(gsm("cal_other"), S, dial=PHONE, shown="+74951110009")
    ladder.dials(gsm(), S, dial=PHONE, shown=PROXY)
    went(ladder, 2 * S, invite("b", PHONE, PROXY), FAR)
    came(ladder, 2 * S + 5, response("486 Busy Here", "b"), FAR)

    [one] = written(ladder, 9 * S)
    assert (one.leg, one.ours, one.theirs) == (gsm(), NODE, FAR)
    assert [message.sent for message in one.messages] == [True, False]


def test_calls_of_one_pair_after_each_other_are_told_apart_though_a_trunk_was_left_untried() -> (
    None
):
    ladder = Dialogs()
    for number in (1, 2):
        call, at_us = f"cal_{number}", number * 10 * S
        for step, trunk in enumerate(("carrier-a", "carrier-b")):
            ladder.dials(gsm(call, trunk), at_us, dial=PHONE, shown=PROXY, step=step)
        went(ladder, at_us + 50, invite(f"leg-{number}", PHONE, PROXY))
        ladder.over(call, at_us + 5 * S)
    assert [(one.call_id, one.leg.call_id) for one in written(ladder, 60 * S)] == [
        (b"leg-1", "cal_1"),
        (b"leg-2", "cal_2"),
    ]


def test_a_second_trunk_is_another_leg_of_the_call() -> None:
    ladder = Dialogs()
    ladder.offered(gsm(), S, tag="in")
    for step, trunk in enumerate(("carrier-a", "carrier-b")):
        ladder.dials(gsm("cal_1", trunk), S, dial=PHONE, shown=PROXY, step=step)
    went(ladder, 2 * S, invite("one", PHONE, PROXY))
    went(ladder, 3 * S, invite("two", PHONE, PROXY))
    came(ladder, 4 * S, invite("zero", PROXY, PHONE, "in"))
    found = {one.call_id: (one.place, one.leg.trunk) for one in written(ladder, 9 * S)}
    assert found == {b"zero": (0, "carrier-a"), b"one": (1, "carrier-a"), b"two": (2, "carrier-b")}


def test_an_app_is_rung_with_a_card_that_names_the_call() -> None:
    ladder = Dialogs()
    ladder.rings(Leg("cal_7", Channel.APP), S)
    card = base64.urlsafe_b64encode(json.dumps({"call_id": "cal_7"}).encode()).rstrip(b"=").decode()
    went(ladder, 2 * S, invite("c", "x0y1", SESSION, "t", f"X-Maskline-Card: {card}"))
    went(ladder, 2 * S, invite("d", "x0y1", SESSION, "t", "X-Maskline-Card: bm8"))
    assert [(one.leg.call_id, one.leg.channel) for one in written(ladder, 9 * S)] == [
        ("cal_7", Channel.APP)
    ]


def test_an_app_that_calls_is_known_by_who_it_has_proved_to_be() -> None:
    ladder = Dialogs()
    came(ladder, S, invite("e", SESSION, "anybody"))
    went(ladder, S, response("401 Unauthorized", "e"))
    proof = f'Authorization: Digest realm="maskline", username="{DEVICE}", response="0"'
    came(ladder, S + 9, invite("e", SESSION, "anybody", "t", proof))
    ladder.offered(Leg("cal_8", Channel.APP), S, session=SESSION, device=DEVICE)
    [one] = written(ladder, 9 * S)
    assert one.leg.call_id == "cal_8"
    assert len(one.messages) == 3, "what was said before it proved itself as well"


def test_what_belongs_to_no_call_is_forgotten() -> None:
    ladder = Dialogs()
    came(ladder, S, invite("scan", PROXY, PHONE))
    came(ladder, S, request("OPTIONS", "ping"))
    came(ladder, S, request("BYE", "never-seen"))
    came(ladder, S, b"\r\n\r\n")
    came(ladder, S, b"")
    assert len(ladder) == 1
    assert written(ladder, S + module.UNCLAIMED_US + 1) == []
    assert len(ladder) == 0
    assert ladder.counters.unclaimed == 2


def test_a_dialog_is_over_some_seconds_after_its_call_and_not_before() -> None:
    ladder = Dialogs()
    ladder.offered(gsm(), S, tag="in")
    came(ladder, 2 * S, invite("a", PROXY, PHONE, "in"))
    assert written(ladder, 5 * S)
    ladder.tidy(3_600 * S)
    assert len(ladder) == 1, "a talk may be long"
    ladder.over("cal_1", 3_600 * S)
    came(ladder, 3_601 * S, request("BYE", "a"))
    assert [len(one.messages) for one in written(ladder, 3_605 * S)] == [1]
    ladder.tidy(3_601 * S + module.AFTER_US + 1)
    assert len(ladder) == 0


def test_a_flood_in_one_dialog_is_cut_and_counted() -> None:
    ladder = Dialogs()
    ladder.offered(gsm(), S, tag="in")
    came(ladder, S, invite("a", PROXY, PHONE, "in"))
    for number in range(module.MOST_MESSAGES + 20):
        came(ladder, 2 * S + number, request("INFO", "a"))
    kept = written(ladder, 9 * S)
    assert sum(len(one.messages) for one in kept) == module.MOST_MESSAGES
    assert max(len(one.messages) for one in kept) == module.AT_ONCE
    assert ladder.counters.dropped == 21


def test_typed_digits_and_keys_of_media_are_not_kept() -> None:
    ladder = Dialogs()
    ladder.offered(gsm(), S, tag="in")
    came(ladder, S, invite("a", PROXY, PHONE, "in"))
    digits = request("INFO", "a", "Content-Type: application/dtmf-relay") + b"Signal=5"
    media = request("UPDATE", "a", "Content-Type: application/sdp")
    came(ladder, S, digits)
    came(ladder, S, media + b"a=crypto:1 AES inline:SECRET|2^20\r\na=ice-pwd:HIDDEN\r\na=x")
    [one] = written(ladder, 9 * S)
    said = b"".join(message.payload for message in one.messages)
    assert all(word not in said for word in (b"Signal=5", b"SECRET", b"HIDDEN"))
    assert b"a=x" in said


def test_what_asterisk_received_is_put_in_its_place_though_its_microseconds_are_cut() -> None:
    ladder = Dialogs()
    ladder.dials(gsm(), S, dial=PHONE, shown=PROXY)
    went(ladder, 2 * S + 700, invite("a", PHONE, PROXY))
    came(ladder, 2 * S, response("100 Trying", "a"))
    [one] = written(ladder, 9 * S)
    assert [message.at_us for message in one.messages] == [2 * S + 700, 2 * S + 700]
