"""Addresses of the list of calls: one spelling, periods by the wall clock, phones as tokens."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console import phone_token
from api.console.calls_columns import ALWAYS, COLUMNS, USUAL, chosen
from api.console.calls_filter import Period, span, spelt, understood_text
from api.console.calls_form import as_phone, local, read
from api.console.phone_token import LASTS, PhoneForgotten
from api.errors import ValidationFailed
from masking.model import Phone
from tests.support.storage import ANNA, a_vault

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
MOSCOW, BERLIN = "Europe/Moscow", "Europe/Berlin"


def test_an_address_is_spelt_in_one_way() -> None:
    asked = understood_text(
        "mos_max=2.50&outcome=busy,missed,busy&from=2026-11-22T13:00:00%2B03:00"
    )
    assert asked.query == "from=2026-11-22T10:00:00Z&outcome=busy,missed&mos_max=2.5"
    assert understood_text(asked.query).query == asked.query


def test_what_is_kept_is_without_the_phone_and_the_place() -> None:
    asked = understood_text("phone=abc&cursor=xyz&tag=refund")
    assert (asked.query, asked.kept) == ("phone=abc&tag=refund", "tag=refund")


def test_each_chip_leads_to_the_address_without_it() -> None:
    asked = understood_text("outcome=missed&talk_min_s=1&talk_max_s=9&recorded=false")
    assert {chip.name: chip.without for chip in asked.chips} == {
        "outcome": "talk_min_s=1&talk_max_s=9&recorded=false",
        "talk": "outcome=missed&recorded=false",
        "recorded": "outcome=missed&talk_min_s=1&talk_max_s=9",
    }


@pytest.mark.parametrize("query", ["period=1y", "stars_min=9", "tag=a&tag=b", "x=1"])
def test_an_address_that_means_nothing_is_refused(query: str) -> None:
    with pytest.raises(ValidationFailed):
        understood_text(query)


@pytest.mark.parametrize(
    ("period", "since", "until"),
    [
        (Period.HOUR, "2026-11-22T08:30", None),
        (Period.DAY, "2026-11-21T09:30", None),
        (Period.TODAY, "2026-11-21T21:00", None),
        (Period.YESTERDAY, "2026-11-20T21:00", "2026-11-21T21:00"),
        (Period.NIGHT, "2026-11-21T17:00", "2026-11-22T05:00"),
        (Period.WEEK, "2026-11-15T09:30", None),
        (Period.MONTH, "2026-10-23T09:30", None),
    ],
)
def test_a_period_is_of_the_clock_on_their_wall(
    period: Period, since: str, until: str | None
) -> None:
    first, last = span(period, NOW, MOSCOW)
    assert f"{first.astimezone(UTC):%Y-%m-%dT%H:%M}" == since
    assert (last and f"{last.astimezone(UTC):%Y-%m-%dT%H:%M}") == until


def test_a_day_of_25_hours_is_a_day() -> None:
    after_the_change = datetime(2026, 10, 26, 9, tzinfo=UTC)
    first, last = span(Period.YESTERDAY, after_the_change, BERLIN)
    assert last is not None
    assert last.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=25)


def test_a_token_opens_for_its_owner_until_its_end_and_says_no_phone() -> None:
    vault = a_vault()
    token = phone_token.sealed(vault, ANNA, "stf_1", NOW)
    assert phone_token.opened(vault, token, "stf_1", NOW) == vault.index(ANNA)
    assert ANNA.lstrip("+") not in token
    for account, at in (("stf_2", NOW), ("stf_1", NOW + LASTS)):
        with pytest.raises(PhoneForgotten):
            phone_token.opened(vault, token, account, at)


@given(st.text(max_size=80))
def test_what_is_no_token_opens_nothing(text: str) -> None:
    with pytest.raises(PhoneForgotten):
        phone_token.opened(a_vault(), text, "stf_1", NOW)


def test_a_sealed_secret_of_something_else_is_no_token() -> None:
    sealed = urlsafe_b64encode(a_vault().seal_secret("a trunk's password")).decode()
    with pytest.raises(PhoneForgotten):
        phone_token.opened(a_vault(), sealed, "stf_1", NOW)


@pytest.mark.parametrize(
    ("typed", "phone"),
    [
        ("+7 916 123-45-67", "+79161234567"),
        ("8 (916) 123 45 67", "+79161234567"),
        ("79161234567", "+79161234567"),
        ("0049 30 901820", "+4930901820"),
        ("chat-81", None),
        ("123", None),
        ("", None),
    ],
)
def test_a_phone_is_read_as_people_type_it(typed: str, phone: Phone | None) -> None:
    assert as_phone(typed) == phone


@given(
    st.dictionaries(
        st.sampled_from(["from", "cause", "phone", "tag", "number", "mos_min", "user_id", "x"]),
        st.lists(st.text(max_size=40), max_size=3),
    )
)
def test_whatever_is_typed_leads_to_an_address_or_names_fields(form: dict[str, list[str]]) -> None:
    typed = read(form, MOSCOW)
    assert set(typed.wrong) <= {*form}
    if not typed.wrong:
        asked = understood_text(spelt(typed.pairs))
        assert understood_text(asked.query).query == asked.query
    assert repr(typed) == f"Typed(wrong={typed.wrong})"


def test_times_come_back_as_they_were_typed() -> None:
    typed = read({"from": ["2026-11-22T13:00"]}, MOSCOW)
    assert typed.pairs == [("from", "2026-11-22T10:00:00Z")]
    assert local(dict(typed.pairs)["from"], MOSCOW) == "2026-11-22T13:00"


def test_columns_are_known_ones_in_their_order() -> None:
    assert chosen(None) == USUAL
    assert chosen(["node", "lost", "outcome"]) == ("time", "outcome", "node")
    assert chosen([]) == ALWAYS
    assert len(set(COLUMNS)) == len(COLUMNS)
