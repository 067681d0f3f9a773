"""A pool's rules as a form: every rule of the API has its place and its words; times are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console import pool_rules, spans
from api.console.look_fields import Wrong
from api.console.pool_rules import CHOICES, SEALED, SECTIONS, Kind, rules
from api.console.render import texts_of
from api.schemas.pools import PoolIn

NEW = pool_rules.values(None)


def form(language: str = "en", **changes: str) -> dict[str, list[str]]:
    """A new pool's form, sent as it stands, with `changes` (`__` for a point) typed into it."""
    sent = {
        name: pool_rules.spelt(rule, NEW[name], language)
        for name, rule in rules().items()
        if rule.kind not in {Kind.FLAG, *SEALED}
    }
    ticked = {name: "on" for name, one in rules().items() if one.kind is Kind.FLAG and NEW[name]}
    typed = {name.replace("__", "."): one for name, one in changes.items()}
    return {name: [value] for name, value in {**sent, **ticked, **typed}.items()}


def test_every_rule_of_the_api_has_its_place_once() -> None:
    placed = [name for names in SECTIONS.values() for name in names]

    assert sorted(placed) == sorted(rules())


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_rule_has_its_words(language: str) -> None:
    texts = texts_of()[language]
    for section in SECTIONS:
        assert texts(f"look.rules.{section}")
    for name, rule in rules().items():
        assert texts(f"look.rule.{name}")
        assert (rule.kind is Kind.CHOICE) is (name in CHOICES)
        for one in rule.choices:
            assert texts(f"{CHOICES[name]}{one}")
    for kind in Kind:
        assert texts(f"look.rule_wrong.{kind.value}", least="1", most="2")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_form_that_is_sent_as_it_stands_asks_for_what_the_api_takes_for_left_out(
    language: str,
) -> None:
    assert pool_rules.read(form(language)) == PoolIn()


def test_what_is_typed_is_what_the_api_is_sent() -> None:
    sent = pool_rules.read(
        form(
            cool_down_s="1 h 30 min",
            numbers__areas="+7495, RU +7812",
            numbers__max_sessions="12",
            handover__below_mos="2,75",
            strangers__static="8-800 is none",
        )
        | {"strangers.static": ["7 495 123-45-67"]}
    )

    assert sent.cool_down_s == 5400
    assert sent.numbers.areas == ["+7495", "RU", "+7812"]
    assert sent.numbers.max_sessions == 12
    assert sent.handover.below_mos == 2.75
    assert sent.strangers.static == "+74951234567"
    assert sent.hook is None


def test_what_is_kept_sealed_stays_unless_it_is_said() -> None:
    stays = pool_rules.read(form()).strangers
    taken = pool_rules.read(form(**{pool_rules.REMOVED + "strangers__static": "on"})).strangers

    assert "static" not in stays.model_fields_set
    assert "static" in taken.model_fields_set
    assert taken.static is None


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("cool_down_s", "7"),
        ("cool_down_s", "91 d"),
        ("ring_s", ""),
        ("ring_s", "4 s"),
        ("numbers.extension_length", "seven"),
        ("numbers.extension_length", "7"),
        ("numbers.areas", "+7495, nowhere"),
        ("numbers.exhausted", "panic"),
        ("handover.below_mos", "1.2.3"),
        ("strangers.static", "12"),
        ("strangers.pin.length", "3"),
        ("hook.url", "shop.example"),
        ("recording.retention_days", "-1"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(name: str, typed: str) -> None:
    with pytest.raises(Wrong) as wrong:
        pool_rules.read(form() | {name: [typed]})

    assert wrong.value.field == name
    assert not typed or typed not in str(wrong.value)


@given(st.integers(0, 10**9), st.sampled_from(["en", "ru"]))
def test_a_time_is_read_as_it_was_spelt(seconds: int, language: str) -> None:
    assert spans.read(spans.spelt(seconds, language)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 604_800), ("1 Ч 30 мин.", 5400), ("0 s", 0), ("90 s", 90), ("2 h 5 s", 7205)],
)
def test_a_time_is_read_as_people_write_it(text: str, seconds: int) -> None:
    assert spans.read(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "1 s 2 h", "5 weeks", "1.5 h", "-1 s", "3 dogs"])
def test_what_is_no_time_is_not_read(text: str) -> None:
    assert spans.read(text) is None
