"""Errors tell what to do, and never a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import errors
from masking.errors import MaskingError, PoolExhausted, SamePhone, UnknownPool, UnknownTrunk
from masking.live import LiveRefused
from masking.model import Role

PHONE = re.compile(r"[0-9](?:[ .()-]*[0-9]){6}")


def family(root: type[MaskingError]) -> Iterator[type[MaskingError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


# But for the one that always says which of `CannotNow` it is, and stands with them.
EVERY = tuple(one for one in family(MaskingError) if one is not LiveRefused)


def test_every_error_has_an_id_of_its_own() -> None:
    ids = [one.error_id for one in family(MaskingError)]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", one) for one in ids)


@pytest.mark.parametrize("error", EVERY, ids=lambda one: one.__name__)
def test_every_error_can_be_raised_bare_and_says_one_line_with_what_to_do(
    error: type[MaskingError],
) -> None:
    text = str(error())

    assert "\n" not in text
    assert len(text) > 20
    assert re.search(r"[:;] ", text) or error is MaskingError


def test_the_module_shows_all_of_them() -> None:
    assert {one.__name__ for one in EVERY} <= set(vars(errors))


def test_a_text_of_its_own_replaces_the_usual_one_and_the_field_is_named() -> None:
    error = SamePhone("not this time", field="participants")

    assert str(error) == "not this time"
    assert error.field == "participants"


def test_without_docstrings_the_id_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SamePhone, "__doc__", None)

    assert str(SamePhone()) == "same_phone"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnknownPool("east"), "pool east does not exist: add numbers to it first"),
        (UnknownPool(), "the pool does not exist: add numbers to it first"),
        (UnknownTrunk("carrier-a"), "trunk carrier-a does not exist: add it with POST /v1/trunks"),
        (UnknownTrunk("+79161234567"), "the trunk does not exist: add it"),
        (UnknownTrunk("carrier\na"), "the trunk does not exist: add it"),
        (UnknownPool("79161234567"), "the pool does not exist: add"),
        (UnknownPool("a123456"), "pool a123456 does not exist: add"),
        (UnknownPool("a1234567"), "the pool does not exist: add"),
        (PoolExhausted("east", Role.SELLER), "pool east: it has no number that the seller does"),
        (PoolExhausted("east"), "pool east: it has no number that the participant does not hold"),
        (PoolExhausted(), "the pool: it has no number that the participant does not hold"),
    ],
)
def test_names_are_told_unless_they_could_be_phones(error: MaskingError, text: str) -> None:
    assert str(error).startswith(text)


def test_a_name_at_fault_points_to_its_field() -> None:
    assert UnknownPool("east").field == "pool"
    assert UnknownTrunk("east").field == "trunk"


def test_an_exhausted_pool_tells_which_and_for_whom() -> None:
    error = PoolExhausted("east", Role.BUYER)

    assert (error.pool, error.role) == ("east", Role.BUYER)


@given(st.from_regex(r"\+?[a-z]{0,3}[0-9]([ _-]?[0-9]){6,14}", fullmatch=True))
def test_whatever_looks_like_a_phone_is_never_told(name: str) -> None:
    for error in (UnknownPool(name), UnknownTrunk(name), PoolExhausted(name)):
        assert not PHONE.search(str(error))
        assert name not in str(error)
