"""Who calls, read out of headers that may say anything."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.ids import call_id
from telephony.ami import Event
from telephony.offers import caller_of, read_offer

NODE = "n0123456789ab"
UNIQUE = f"{NODE}-1700000000.7"


def caller(
    sender: str = "", identity: str = "", privacy: str = "", *, trusted: bool = True
) -> str | None:
    return caller_of(sender=sender, identity=identity, privacy=privacy, trusted=trusted)


@pytest.mark.parametrize(
    ("header", "number"),
    [
        ("<sip:+79161234567@10.0.0.1>;tag=x", "+79161234567"),
        ("sip:+79161234567@10.0.0.1;tag=x", "+79161234567"),
        ("sips:89161234567@carrier.example", "89161234567"),
        ('"Ivanov, Petr <sip:1@x>" <sip:+79161234567@h>', "+79161234567"),
        (r'"a \" <sip:+10000000@h>" <sip:+79161234567@h>', "+79161234567"),
        ("Petr Ivanov <sip:+79161234567@h;user=phone>", "+79161234567"),
        ("<sip:+79161234567;npdi;rn=+79990000000@h>", "+79161234567"),
        ("<sip:%2B79161234567@h>", "+79161234567"),
        ("tel:+7-916-123(45)67;phone-context=x", "+79161234567"),
        ("<tel:+79161234567>, <sip:+79990000000@h>", "+79161234567"),
        ("<sip:anonymous@anonymous.invalid>", None),
        ("<sip:Anna@h>", None),
        ("<sip:h>", None),
        ("<sip:@h>", None),
        ("<sip:+7916%0d%0aX@h>", None),
        ("<sip:+79161234567,1@h>", None),
        ("<sip:${EVAL(1)}@h>", None),
        ("<sip:+79161234567@h@x>", None),
        ("<sip:+1234567890123456@h>", None),
        ("<mailto:79161234567@h>", None),
        ("", None),
    ],
)
def test_the_caller_is_one_plain_number_or_withheld(header: str, number: str | None) -> None:
    assert caller(sender=header) == number


def test_a_trusted_trunk_says_who_calls_in_its_own_header() -> None:
    sender, identity = "<sip:+79990000000@h>", "<sip:+79161234567@h>"
    assert caller(sender, identity) == "+79161234567"
    assert caller(sender, identity, trusted=False) == "+79990000000"
    assert caller(sender, "<sip:anonymous@h>") is None
    assert caller(sender, "") == "+79990000000"


@pytest.mark.parametrize(("privacy", "hidden"), [("id", True), ("user; ID", True), ("none", False)])
def test_privacy_hides_the_caller_even_where_the_carrier_names_them(
    privacy: str, hidden: bool
) -> None:
    assert (caller("<sip:+79161234567@h>", "<sip:+79161234567@h>", privacy) is None) is hidden


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=60), st.booleans())
def test_whatever_headers_say_the_answer_is_a_number_or_none(
    sender: str, identity: str, privacy: str, trusted: bool
) -> None:
    found = caller(sender, identity, privacy, trusted=trusted)
    assert found is None or re.fullmatch(r"\+?[0-9]{3,15}", found)


def wrapped(header: str, unique_id: str = UNIQUE) -> str:
    return base64.b64encode(f"{header} {unique_id}".encode()).decode()


def offered(**changed: str | None) -> Event:
    headers: dict[str, str | None] = {
        "Channel": "PJSIP/carrier-a-00000001",
        "Uniqueid": UNIQUE,
        "Linkedid": UNIQUE,
        "UserEvent": "CallOffered",
        "Trunk": "carrier-a",
        "Trusted": "yes",
        "Called": "+74951110001",
        "From": wrapped("<sip:+79161234567@h>;tag=1"),
        "Identity": wrapped(""),
        "Privacy": wrapped(""),
        "Complete": "yes",
    }
    headers.update(changed)
    head = "Event: UserEvent\r\nPrivilege: user,all\r\nTimestamp: 1700000000.500000"
    head += f"\r\nSystemName: {NODE}"
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return Event.unsolicited("\r\n".join([head, *lines]).encode())


def test_an_offer_is_read_whole() -> None:
    heard = read_offer(offered(), NODE)

    assert heard is not None
    assert heard.unique_id == UNIQUE
    assert heard.offered_at_s == 1_700_000_000.5
    assert heard.offer.call_id == call_id(NODE, UNIQUE)
    assert (heard.offer.trunk, heard.offer.called) == ("carrier-a", "+74951110001")
    assert heard.offer.caller == "+79161234567"
    assert "79161234567" not in repr(heard)


@pytest.mark.parametrize(
    "changed",
    [
        {"UserEvent": "Other"},
        {"Complete": None},  # cut off by a limit of Asterisk's
        {"Called": "s"},
        {"Called": "+7495\u06611110001"},
        {"Trunk": None},
        {"Uniqueid": None},
        {"Trunk": "carrier-a\r\nTrunk: carrier-b"},  # smuggled in
    ],
)
def test_an_offer_that_is_not_whole_is_none(changed: dict[str, str | None]) -> None:
    assert read_offer(offered(**changed), NODE) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"From": base64.b64encode(b"<sip:+79161234567@h>").decode()},  # cut itself off
        {"From": wrapped("<sip:+79161234567@h>", "another")},
        {"From": "not base64!"},
        {"Privacy": None},
    ],
)
def test_a_header_whose_end_is_lost_hides_the_caller(changed: dict[str, str | None]) -> None:
    heard = read_offer(offered(**changed), NODE)
    assert heard is not None
    assert heard.offer.caller is None


# -- of an app --------------------------------------------------------------------------------

DEVICE, SESSION = "app_" + "1" * 26, "ses_" + "2" * 26


def app_offer(**spoilt: str) -> Event:
    headers = {
        "Privilege": "user,all",
        "Timestamp": "1700000000.000000",
        "SystemName": NODE,
        "Channel": f"PJSIP/{DEVICE}-00000001",
        "Uniqueid": UNIQUE,
        "Linkedid": UNIQUE,
        "UserEvent": "CallOffered",
        "App": DEVICE,
        "Called": SESSION,
        "Complete": "yes",
    } | spoilt
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Event.unsolicited(f"Event: UserEvent\r\n{lines}\r\n".encode())


def test_an_app_offers_a_session_and_says_nothing_of_a_caller() -> None:
    heard = read_offer(app_offer(), NODE)

    assert heard is not None
    offer = heard.offer
    assert (offer.app, offer.called, offer.caller, offer.trunk) == (DEVICE, SESSION, None, "")
    assert offer.call_id == call_id(NODE, UNIQUE)


def test_dashes_that_asterisk_passes_over_are_passed_over() -> None:
    heard = read_offer(app_offer(Called="ses_2-2" + "2" * 24), NODE)

    assert heard is not None
    assert heard.offer.called == SESSION


@pytest.mark.parametrize(
    "spoilt",
    [
        {"App": ""},
        {"App": "carrier"},
        {"App": DEVICE + "0"},
        {"Called": ""},
        {"Called": "+79161234567"},
        {"Called": SESSION + "0"},
        {"Channel": ""},
        {"Uniqueid": ""},
        {"Complete": ""},
    ],
    ids=str,
)
def test_an_app_offer_that_is_not_whole_is_none(spoilt: dict[str, str]) -> None:
    assert read_offer(app_offer(**spoilt), NODE) is None
