"""From what pydantic finds wrong to fields and advice."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import MalformedJson, ValidationFailed
from api.schemas.call_filter import CallsQuery
from api.schemas.common import PageQuery
from api.schemas.sessions import SessionIn
from api.schemas.trunks import TrunkIn
from api.validation import parse_body, parse_query


def refusal(raw: object) -> ValidationFailed:
    with pytest.raises(ValidationFailed) as caught:
        parse_body(SessionIn, json.dumps(raw).encode())
    return caught.value


def test_a_field_deep_inside_is_named_with_its_path() -> None:
    found = refusal({"conversation_id": "c", "participants": [{"role": "buyer"}, {}]})

    fields = [error.field for error in found.errors]
    assert fields == ["participants[0].user_id", "participants[1].role", "participants[1].user_id"]


def test_the_member_of_a_union_is_no_part_of_the_path() -> None:
    raw = b'{"name":"a","host":"b","auth":{"type":"digest","username":"u","password":" "}}'

    with pytest.raises(ValidationFailed) as caught:
        parse_body(TrunkIn, raw)

    assert [error.field for error in caught.value.errors] == ["auth.password"]


@given(st.text(alphabet=string.digits + "+- ()", min_size=7, max_size=20))
def test_nothing_of_an_unknown_name_made_of_digits_is_repeated(name: str) -> None:
    found = refusal({name: 1})

    assert name not in str([(error.field, error.detail) for error in found.errors])


@given(st.text(min_size=4, max_size=60))
def test_no_value_is_repeated(value: str) -> None:
    raw = {
        "conversation_id": f"\n{value}",
        "pool": f"\n{value}",
        "channel_policy": f"\n{value}",
        "participants": f"\n{value}",
        "ttl_s": f"\n{value}",
    }

    said = str([error.detail for error in refusal(raw).errors])

    assert f"\n{value}" not in said


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_refused_in_our_own_words(raw: bytes) -> None:
    with pytest.raises((MalformedJson, ValidationFailed)):
        parse_body(SessionIn, raw)


def test_a_parameter_without_a_value_is_as_good_as_none() -> None:
    assert parse_query(PageQuery, [("limit", ""), ("cursor", "")]).limit == 50


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_query(PageQuery, [("limit", "1"), ("limit", "1")])

    assert [error.field for error in caught.value.errors] == ["limit"]


def test_bounds_are_told_in_our_own_words() -> None:
    found = refusal({"conversation_id": "c", "participants": [], "pools": ["p"] * 99})
    said = {error.field: error.detail for error in found.errors}
    assert said["participants"] == "must have 2 or more items"
    assert said["pools"].startswith("must have at most ")

    person = {"role": "buyer", "user_id": "u", "phone": "+79161234567"}
    found = refusal(
        {
            "conversation_id": "c",
            "participants": [{**person, "name": ""}, {**person, "name": "n" * 99}],
        }
    )
    said = {error.field: error.detail for error in found.errors}
    assert said["participants[0].name"] == "must have 1 or more characters"
    assert said["participants[1].name"] == "must have at most 80 characters"

    with pytest.raises(ValidationFailed) as caught:
        parse_body(TrunkIn, b'{"name":"a","host":"b","auth":{"type":"x"}}')
    assert [(one.field, one.detail) for one in caught.value.errors] == [
        ("auth", "its 'type' must be one of 'ip', 'digest'")
    ]


@pytest.mark.parametrize("offset", ["+03:00", " 03:00"])
def test_a_plus_before_an_offset_may_stay_as_it_is_in_an_address(offset: str) -> None:
    """The server has made a blank of it."""
    found = parse_query(CallsQuery, [("from", f"2026-11-22T13:00:00{offset}")])
    assert found.from_ == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("moment", ["2026-02-30T10:00:00Z", "2026-11-22T23:59:61Z"])
def test_a_moment_that_there_is_not_is_said_to_be_none(moment: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_query(CallsQuery, [("from", moment)])
    assert caught.value.errors[0].detail.startswith("is no moment that there is")
