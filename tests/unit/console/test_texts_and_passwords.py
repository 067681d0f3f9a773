"""Texts have every language and form; passwords are kept as dearly as they should be."""

from pathlib import Path

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type
from hypothesis import given
from hypothesis import strategies as st

from api.console import passwords, texts
from api.console.texts import Texts, TextsBroken


@pytest.mark.parametrize(
    ("n", "wanted"),
    [(1, "one"), (21, "one"), (11, "many"), (2, "few"), (14, "many"), (104, "few"), (0, "many")],
)
def test_russian_has_three_forms(n: int, wanted: str) -> None:
    assert texts.form("ru", n) == wanted


@given(st.integers(0, 10**6))
def test_english_has_two(n: int) -> None:
    assert texts.form("en", n) == ("one" if n == 1 else "other")


@pytest.mark.parametrize(
    "wrong",
    [
        '[a]\nb = { en = "x" }',
        '[a]\nb = { en = "x", ru = "" }',
        '[a]\nb = { en = { one = "x", other = "y" }, ru = { one = "x", many = "y" } }',
        '[a]\nb = "x"',
        "[a",
    ],
)
def test_a_text_that_lacks_something_is_an_error(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "a.toml").write_text(wrong)
    with pytest.raises(TextsBroken):
        texts.load(tmp_path)


def test_a_key_stands_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text('[a]\nb = { en = "x", ru = "y" }')
    with pytest.raises(TextsBroken, match="twice"):
        texts.load(tmp_path)


def test_a_plural_is_chosen_by_its_number() -> None:
    said = Texts("en", {"calls": {"one": "{n} call", "other": "{n} calls"}})
    assert [said("calls", n=n) for n in (1, 3)] == ["1 call", "3 calls"]


def test_passwords_cost_as_much_as_the_second_recommendation_of_rfc_9106() -> None:
    found = extract_parameters(passwords.hash_password("x"))
    assert found.type is Type.ID
    assert (found.memory_cost, found.time_cost, found.parallelism) == (65_536, 3, 4)
    assert not passwords.outdated(passwords.hash_password("x"))


def test_nobodys_hash_costs_the_same_and_fits_nothing() -> None:
    assert extract_parameters(passwords._NOBODY) == extract_parameters(passwords.hash_password("x"))
    assert not passwords.check(None, "")
    assert passwords.check(passwords.hash_password("right"), "right")
    assert not passwords.check(passwords.hash_password("right"), "wrong")


@pytest.mark.parametrize(
    ("password", "wrong"),
    [
        ("short", "password.too_short"),
        ("x" * 201, "password.too_long"),
        ("vera-is-here-1", "password.guessed"),
        ("Password2026!", "password.guessed"),
        ("1234567890", "password.guessed"),
        ("aaaaaaaaaaaa", "password.guessed"),
        ("maskline2026", "password.guessed"),
        ("correct horse battery", None),
        ("очень тихая выпь", None),
    ],
)
def test_what_is_guessed_first_is_no_password(password: str, wrong: str | None) -> None:
    assert passwords.weakness(password, "vera") == wrong
