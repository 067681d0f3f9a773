"""Pools and proxy numbers over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api.house import PROXY, House, trunk

OTHER = "+74951110002"


def numbers(**changes: object) -> dict[str, Any]:
    return {"pool": "default", "trunk": "carrier-a", "numbers": [PROXY]} | changes


async def test_numbers_make_their_pool(house: House) -> None:
    await house.ask("POST", "/v1/trunks", trunk())

    first = await house.ask("POST", "/v1/numbers", numbers(pool="moscow"))
    second = await house.ask("POST", "/v1/numbers", numbers(pool="moscow", numbers=[PROXY, OTHER]))

    assert first.status == second.status == 201
    common = {"pool": "moscow", "trunk": "carrier-a"}
    assert first.json() == common | {"added": 1, "already": 0, "pool_created": True}
    assert second.json() == common | {"added": 1, "already": 1, "pool_created": False}
    pool = (await house.ask("GET", "/v1/pools/moscow")).json()
    assert pool["name"] == "moscow"
    assert (pool["cool_down_s"], pool["ring_s"], pool["max_call_s"]) == (604800, 40, 7200)
    counts = [pool[f"numbers_{state}"] for state in ("active", "draining", "reserved")]
    assert counts == [2, 0, 0]


async def test_numbers_need_their_trunk(house: House) -> None:
    refused = await house.ask("POST", "/v1/numbers", numbers())

    assert (refused.status, refused.error_id) == (404, "trunk_not_found")
    assert list(refused.fields) == ["trunk"]
    assert (await house.ask("GET", "/v1/pools")).json()["items"] == []


async def test_a_number_belongs_to_one_pool(house: House) -> None:
    await house.furnish()

    refused = await house.ask("POST", "/v1/numbers", numbers(pool="b", numbers=[OTHER, PROXY]))

    assert (refused.status, refused.error_id) == (409, "number_taken")
    listed = (await house.ask("GET", "/v1/numbers")).json()["items"]
    assert [one["number"] for one in listed] == [PROXY]


async def test_a_draining_number_goes_to_no_new_session(house: House) -> None:
    await house.furnish(PROXY, OTHER)
    drained = await house.ask("PATCH", f"/v1/numbers/{PROXY}", {"state": "draining"})
    assert (drained.status, drained.json()["state"]) == (200, "draining")

    made = await house.open_session()
    assert {one["dial"]["gsm"] for one in made["participants"]} == {OTHER}

    await house.ask("PATCH", f"/v1/numbers/{PROXY}", {"state": "active"})
    made = await house.open_session(conversation_id="b")
    assert {one["dial"]["gsm"] for one in made["participants"]} == {PROXY}


async def test_a_number_is_removed_once_nobody_holds_it(house: House) -> None:
    await house.furnish(PROXY, OTHER)
    await house.ask("PUT", "/v1/pools/default", {"cool_down_s": 3600})
    made = await house.open_session()
    number = made["participants"][0]["dial"]["gsm"]

    live = await house.ask("DELETE", f"/v1/numbers/{number}")
    await house.ask("DELETE", f"/v1/sessions/{made['id']}")
    cooling = await house.ask("DELETE", f"/v1/numbers/{number}")
    house.clock.advance(hours=1)
    free = await house.ask("DELETE", f"/v1/numbers/{number}")

    assert (live.status, live.error_id) == (409, "number_in_use")
    assert (cooling.status, cooling.error_id) == (409, "number_in_use")
    assert free.status == 204
    assert (await house.ask("GET", f"/v1/numbers/{number}")).error_id == "number_not_found"
    assert (await house.ask("DELETE", f"/v1/numbers/{number}")).error_id == "number_not_found"
    later = await house.open_session(conversation_id="b")
    assert {one["dial"]["gsm"] for one in later["participants"]} == {PROXY, OTHER} - {number}


async def test_pages_and_filters(house: House) -> None:
    await house.furnish(*(f"+7495111{n:04}" for n in range(5)))
    await house.ask("POST", "/v1/numbers", numbers(pool="b", numbers=["+74952220000"]))

    first = (await house.ask("GET", "/v1/numbers?pool=default&limit=3")).json()
    cursor = first["next_cursor"]
    rest = (await house.ask("GET", f"/v1/numbers?pool=default&limit=3&cursor={cursor}")).json()

    seen = [one["number"] for one in first["items"] + rest["items"]]
    assert seen == [f"+7495111{n:04}" for n in range(5)]
    assert rest["next_cursor"] is None
    assert len((await house.ask("GET", "/v1/numbers?trunk=carrier-a")).json()["items"]) == 6
    assert (await house.ask("GET", "/v1/numbers?state=draining")).json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"numbers": []}, "numbers"),
        ({"numbers": [PROXY, "84951110002"]}, "numbers[1]"),
        ({"numbers": [[PROXY]]}, "numbers[0]"),
        ({"numbers": PROXY}, "numbers"),
        ({"numbers": [PROXY + "\x00"]}, "numbers[0]"),
        ({"pool": "a/b"}, "pool"),
        ({"trunk": None}, "trunk"),
        ({"numbers": [f"+7495{n:07}" for n in range(10_001)]}, "numbers"),
    ],
)
async def test_what_is_wrong_is_named(lite: House, changes: dict[str, Any], field: str) -> None:
    refused = await lite.ask("POST", "/v1/numbers", numbers(**changes))

    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert list(refused.fields) == [field]


async def test_ten_thousand_numbers_fit_into_one_request(house: House) -> None:
    await house.ask("POST", "/v1/trunks", trunk())
    many = [f"+7495{n:07}" for n in range(10_000)]

    added = await house.ask("POST", "/v1/numbers", numbers(numbers=many))

    assert (added.status, added.json()["added"]) == (201, 10_000)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"cool_down_s": -1}, "cool_down_s"),
        ({"cool_down_s": 90 * 86400 + 1}, "cool_down_s"),
        ({"ring_s": 4}, "ring_s"),
        ({"max_call_s": 59}, "max_call_s"),
        ({"language": "la"}, "language"),
        ({"name": "x"}, "name"),
    ],
)
async def test_an_impossible_rule_is_named(lite: House, rules: dict[str, Any], field: str) -> None:
    refused = await lite.ask("PUT", "/v1/pools/default", rules)

    assert refused.status == 422
    assert list(refused.fields) == [field]
