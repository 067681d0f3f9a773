"""Blocks over HTTP."""

from __future__ import annotations

import pytest

from tests.contract.api.house import House


def block(**changes: object) -> dict[str, object]:
    return {"user_id": "u-2", "blocked_user_id": "u-1", "reason": "spam"} | changes


async def test_a_block_is_set_listed_and_lifted(house: House) -> None:
    made = await house.ask("POST", "/v1/blocks", block(), role="staff")
    assert made.status == 201
    assert made.headers["Location"] == "/v1/blocks/u-2/u-1"
    await house.ask("POST", "/v1/blocks", block(user_id="u-3"))

    of_one = (await house.ask("GET", "/v1/blocks?user_id=u-2")).json()["items"]
    assert of_one == [made.json()]
    assert len((await house.ask("GET", "/v1/blocks")).json()["items"]) == 2

    assert (await house.ask("DELETE", made.headers["Location"])).status == 204
    again = await house.ask("DELETE", made.headers["Location"])
    assert (again.status, again.error_id) == (404, "block_not_found")


async def test_setting_it_again_changes_the_reason(house: House) -> None:
    await house.ask("POST", "/v1/blocks", block())
    again = await house.ask("POST", "/v1/blocks", block(reason=None))

    assert (again.status, again.json()["reason"]) == (201, None)
    assert len((await house.ask("GET", "/v1/blocks")).json()["items"]) == 1


async def test_ids_with_unusual_characters_make_the_whole_round(house: House) -> None:
    made = await house.ask("POST", "/v1/blocks", block(user_id="a@b:c~d|e=f+g.h_i-j"))

    assert (await house.ask("DELETE", made.headers["Location"])).status == 204


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user_id": "u-1"}, "(body)"),
        ({"user_id": "a/b"}, "user_id"),
        ({"blocked_user_id": ""}, "blocked_user_id"),
        ({"reason": ""}, "reason"),
        ({"reason": "r" * 201}, "reason"),
        ({"reason": "calls from 8 (916) 123-45-67"}, "reason"),
        ({"until": "2027"}, "until"),
    ],
)
async def test_what_is_wrong_is_named(lite: House, changes: dict[str, object], field: str) -> None:
    refused = await lite.ask("POST", "/v1/blocks", block(**changes))

    assert refused.status == 422
    assert list(refused.fields) == [field]
