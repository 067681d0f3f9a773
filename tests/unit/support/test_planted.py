"""The search for what must not be on the wire finds it, however it is spelt."""

from __future__ import annotations

import base64

import pytest

from tests.support.planted import Person, phone_spellings


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "spelling",
    [
        "+79161234567",
        "79161234567",
        "89161234567",
        "9161234567",
        "%2B79161234567",
        "%2B%37%39%31%36%31%32%33%34%35%36%37",
        "%252B%2537%2539%2531%2536%2531%2532%2533%2534%2535%2536%2537",
        "+7 916 123-45-67",
        "8 (916) 123-45-67",
        "7.916.123.45.67",
        b"+79161234567".hex(),
        base64_of("+79161234567"),
        base64_of("tel:+79161234567"),
        base64_of("a +79161234567 b"),
        "+79161234567".encode("utf-16-le").decode("latin-1"),
    ],
)
def test_the_search_finds_every_spelling_of_a_number(spelling: str) -> None:
    captured = f"SIP/2.0 200 OK\r\nX-Any: {spelling}>\r\n\r\n".encode("latin-1")

    assert list(phone_spellings("+79161234567", captured))
    assert not list(phone_spellings("+79031234568", captured))


def test_the_search_finds_all_else_that_names_a_person() -> None:
    person = Person("+79161234567", "Zinaida Kuznetsova", "127.9.9.9", (5081,), ("tag-of-hers",))
    for planted, found in (
        ("From: zinaida", "word Zinaida"),
        ("Via: SIP/2.0/UDP 127.9.9.9;rport", "address 127.9.9.9"),
        ("Contact: <sip:x@y:5081>", "port 5081"),
        (f"User-Agent: {person.device}", f"word {person.device}"),
        ("To: <sip:a@b>;tag=tag-of-hers", "word tag-of-hers"),
        ("\x7f\x09\x09\x09", "address 127.9.9.9, packed"),
    ):
        assert found in person.leaks(planted.encode("latin-1"))
    assert person.leaks(b"Via: SIP/2.0/UDP 127.9.9.99:50810;branch=1\r\n") == []
    headers = "\r\n".join(person.headers("calling")).encode()
    assert {"word Zinaida", "word Kuznetsova", f"word {person.domain}"} <= set(
        person.leaks(headers)
    )
