"""Of SIP nothing that could be a phone is searched or shown, however it is spelt."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.sip_text import Kind, could_be_a_phone, pieces, searchable, spellings

PHONE = "79161234567"
SPELT = (
    "+79161234567",
    "8 (916) 123-45-67",
    "7.916.123.4567",
    "%37%39%31%36%31%32%33%34%35%36%37",
    "+7%20916%20123%2045%2067",
    "%2B79161234567",
    "٧٩١٦١٢٣٤٥٦٧",  # Arabic-Indic digits
    "x79161234567y",
)
PLACES = (
    "X-Cli: {}",
    "Call-ID: {}@host",
    "P-Asserted-Identity: <sip:{}@carrier.example>",
    'From: "{}" <sip:anonymous@anonymous.invalid>;tag=1',
    "f: {} <sip:a@b>",
    'Reason: Q.850;cause=16;text="to {}"',
    "User-Agent: phone of {}",
    "X-Note: one\r\n {}",
    "Subject: {}",
    "Diversion: <tel:{}>;reason=busy",
)


def message(*headers: str, first: str = "INVITE sip:x@h SIP/2.0") -> str:
    return "\r\n".join((first, *headers)) + "\r\n\r\n"


def digits(text: str) -> str:
    plain = re.sub(r"%3(\d)", r"\1", text)
    return "".join(str(int(one)) for one in re.findall(r"\d", plain))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelt", SPELT)
def test_no_spelling_of_a_phone_is_left_anywhere(place: str, spelt: str) -> None:
    text = message(place.format(spelt))
    assert "9161234567" not in digits(searchable([text], person=False))
    shown = pieces(text, lambda _: False, person=False, node="")
    assert "9161234567" not in digits("".join(one.text for one in shown))


def test_a_phone_that_a_fold_cuts_in_two_is_one() -> None:
    text = message("X-Cli: +7 916\r\n 1234567")
    shown = "".join(one.text for one in pieces(text, lambda _: False, person=False, node=""))
    assert digits(shown.partition("X-Cli")[2]) == ""
    assert "916" not in searchable([text], person=False)


def test_a_status_line_and_a_request_line_hold_none_either() -> None:
    for first in (f"SIP/2.0 403 not {PHONE}", f"INVITE sip:{PHONE}@h SIP/2.0", PHONE):
        assert PHONE not in searchable([message(first=first)], person=False)


@given(st.text(alphabet=st.sampled_from('0123456789 ().-/+%:;<>@"ab\r\n'), max_size=60))
def test_seven_digits_together_never_come_through(noise: str) -> None:
    text = message(f"X-Any: {noise}{PHONE}{noise}")
    assert PHONE not in searchable([text], person=True)
    shown = "".join(one.text for one in pieces(text, lambda _: False, person=True, node=""))
    assert PHONE not in shown


def test_what_is_searched_is_methods_statuses_and_headers_each_once() -> None:
    found = searchable(
        [
            message("v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9", "k: timer", "CSeq: 1 INVITE"),
            message(
                "k: timer", 'Reason: Q.850;cause=17;text="Busy"', first="SIP/2.0 486 Busy Here"
            ),
        ],
        person=False,
    )
    assert found.split("\n") == [
        *("", ":request: invite", "via: sip/2.0/udp 192.0.2.1:5060", "supported: timer"),
        *(":status: 486 busy here", 'reason: q.850;cause=17;text="busy"', ""),
    ]


def test_names_secrets_cards_and_the_addresses_of_people_are_not_searched() -> None:
    text = message(
        'From: "Anna \\" Petrova" <sip:anna@h.example>;tag=x',
        "To: Anna <script> <sip:anna@h.example>",
        "Via: SIP/2.0/WSS 198.51.100.23:5060",
        "Contact: <sip:a@[2001:db8::17]:5060>",
        'Authorization: Digest username="app_1", response="secret"',
        "X-Maskline-Card: eyJuYW1lIjoiQW5uYSJ9",
        "X-Blob: KzdBTk5BMTIzNDU2Nzg5",
    )
    found = searchable([text], person=True)
    for one in ("anna", "198.51", "2001:db8", "app_1", "secret", "eyj", "kzdbtk"):
        assert one not in found
    assert "from: <sip:•@h.example>" in found


def test_a_number_of_ours_is_shown_and_everybody_elses_struck_out() -> None:
    text = message(f"P-Asserted-Identity: <sip:+74951110001@h>, <sip:+{PHONE}@h>")
    found = pieces(text, lambda one: one == "74951110001", person=False, node="")
    assert [one.text for one in found if one.kind is Kind.PROXY] == ["+74951110001"]
    assert [one.text for one in found if one.kind is Kind.STRUCK] == ["+•••••••••••"]
    assert spellings([text]) == {"74951110001", PHONE}


def test_nobody_s_name_is_shown_but_whose_number_it_would_be_stands_there() -> None:
    text = message('From: "Anna, <P>" <sip:+79161234567@h>;tag=1', "t: Petr <sip:+74951110001@h>")
    shown = pieces(text, lambda one: one == "74951110001", person=False, node="")
    assert "".join(one.text for one in shown).split("\n")[1:3] == [
        "From: •••••••• <sip:+•••••••••••@h>;tag=1",
        "t: •••••••• <sip:+74951110001@h>",
    ]


def test_media_stays_readable_but_for_the_addresses_of_people() -> None:
    media = "m=audio 20012 RTP/AVP 8 0 101 96 97 98\r\n"
    sdp = f"{media}c=IN IP4 198.51.100.23\r\no=- 1 2 IN IP4 10.0.0.1"
    text = message() + sdp
    carrier = "".join(one.text for one in pieces(text, lambda _: False, person=False, node=""))
    assert carrier == text.replace("\r\n", "\n")
    person = "".join(
        one.text for one in pieces(text, lambda _: False, person=True, node="10.0.0.1")
    )
    assert "198.51" not in person
    assert "10.0.0.1" in person
    assert "8 0 101 96 97 98" in person


def test_who_types_a_phone_is_told_so() -> None:
    assert all(could_be_a_phone(one) for one in SPELT)
    assert not any(could_be_a_phone(one) for one in ("192.0.2.17", "cause=16", "JsSIP 3.10", ""))
