"""The card as an app gets it: whole where it fits, and readable however long its parts are."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from masking.app_card import LONGEST, encode, plain
from masking.model import Card, Listing, Role
from masking.plan import CallerCard

CARD = CallerCard(
    "cal_1",
    "ses_1",
    "chat-1",
    Role.BUYER,
    Card("Анна", 4.8, (("с нами", "5 лет"),)),
    Listing("L-1", "Лада"),
)


def read(text: str) -> Any:  # noqa: ANN401
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_it_says_who_calls_and_about_what() -> None:
    assert (
        read(encode(CARD))
        == plain(CARD)
        == {
            "v": 1,
            "call_id": "cal_1",
            "session_id": "ses_1",
            "conversation_id": "chat-1",
            "role": "buyer",
            "name": "Анна",
            "rating": 4.8,
            "listing": {"id": "L-1", "title": "Лада"},
            "facts": {"с нами": "5 лет"},
        }
    )


def a_card(name: str, title: str, facts: tuple[tuple[str, str], ...] = ()) -> CallerCard:
    return CallerCard(
        "cal_" + "0" * 26,
        "ses_" + "0" * 26,
        "c" * 128,
        Role.BUYER,
        Card(name, 5.0, facts),
        Listing("l" * 128, title),
    )


def test_facts_go_first_then_the_end_of_the_title() -> None:
    much = tuple((f"f{n}", "ж" * 80) for n in range(8))

    without_facts = read(encode(a_card("Анна", "Лада", much), 1400))
    assert (without_facts["facts"], without_facts["listing"]["title"]) == ({}, "Лада")
    cut = read(encode(a_card("Анна", "ж" * 200), 900))
    assert cut["listing"]["title"] == "ж" * 40 + "…"
    bare = read(encode(a_card("Анна", "ж" * 200), 660))
    assert (bare["listing"]["title"], bare["name"]) == (None, "Анна")


@given(
    name=st.text(min_size=1, max_size=80),
    title=st.text(min_size=1, max_size=200),
    facts=st.lists(st.tuples(st.text(max_size=80), st.text(max_size=200)), max_size=8),
)
def test_it_fits_whatever_the_platform_says(
    name: str, title: str, facts: list[tuple[str, str]]
) -> None:
    text = encode(a_card(name, title, tuple(facts)))

    assert len(text) <= LONGEST
    assert read(text)["session_id"] == "ses_" + "0" * 26
