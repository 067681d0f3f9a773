"""Which numbers sessions get, over HTTP: asked for, shared, taken over, refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.contract.api.house import (
    BUYER,
    PROXY,
    SELLER,
    START,
    House,
    LiveCallDouble,
    participants,
    session,
)

SECOND, THIRD = "+74951110002", "+74951110003"


def meeting(n: int, **changes: object) -> dict[str, Any]:
    """The contract's seller with another buyer each time."""
    people = participants(phone=f"+7916{n:07}", user_id=f"b-{n}")
    return session(participants=people, conversation_id=f"c-{n}") | changes


async def rules(house: House, **changes: object) -> None:
    assert (await house.ask("PUT", "/v1/pools/default", changes)).status == 200


async def opened(house: House, body: dict[str, Any], role: str = "platform") -> dict[str, Any]:
    reply = await house.ask("POST", "/v1/sessions", body, role=role)
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.json()
    return made


async def refused(house: House, body: dict[str, Any]) -> tuple[int, str]:
    """How it is refused; nothing may be left of it."""
    before = (await house.ask("GET", "/v1/sessions?limit=200")).json()
    reply = await house.ask("POST", "/v1/sessions", body)
    assert (await house.ask("GET", "/v1/sessions?limit=200")).json() == before
    return reply.status, reply.error_id


def dial(made: dict[str, Any], side: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = made["participants"][side]["dial"]
    return found


async def test_reasons_are_for_operators_and_pins_for_who_may_open(house: House) -> None:
    await house.furnish()
    await rules(house, strangers={"unknown": "pin", "pin": {"length": 5}})

    made = await opened(house, session())
    path = f"/v1/sessions/{made['id']}"
    seen = {
        role: (await house.ask("GET", path, role=role)).json()
        for role in ("platform", "staff", "operator", "admin")
    }

    assert seen["platform"] == made
    pins = [one["dial"]["pin"] for one in made["participants"]]
    assert all(len(pin) == 5 and pin.isdigit() for pin in pins)
    assert [one["dial"]["pin"] for one in seen["admin"]["participants"]] == pins
    for role in ("staff", "operator"):
        assert [one["dial"]["pin"] for one in seen[role]["participants"]] == [None, None]
    for role, why in (
        ("platform", None),
        ("staff", None),
        ("operator", {"by": "rotation"}),
        ("admin", {"by": "rotation"}),
    ):
        assert seen[role]["participants"][0]["why"] == why
    listed = (await house.ask("GET", "/v1/sessions", role="operator")).json()["items"]
    assert listed == [seen["operator"]]
    assert not any(pin in line for pin in pins for line in house.memory.lines)


async def test_a_number_can_be_asked_for(house: House) -> None:
    await house.furnish(PROXY, SECOND)
    assert (await house.ask("PATCH", f"/v1/numbers/{SECOND}", {"state": "reserved"})).status == 200

    made = await opened(house, session(participants=participants(number=SECOND)))

    assert dial(made, 0)["gsm"] == dial(made, 0)["tel"] == SECOND
    assert dial(made, 1)["gsm"] == PROXY
    held = session(participants=participants(number=SECOND), conversation_id="d")
    assert await refused(house, held) == (409, "number_held")
    unknown = session(participants=participants(number=THIRD, phone="+79160000001"))
    assert await refused(house, unknown) == (409, "number_unavailable")
    counts = (await house.ask("GET", "/v1/pools/default")).json()
    assert (counts["numbers_active"], counts["numbers_reserved"]) == (1, 1)


async def test_somebodys_phone_in_the_place_of_a_number_is_not_repeated(house: House) -> None:
    await house.furnish()
    house.memory.phones.add("+79031112233")

    reply = await house.ask(
        "POST", "/v1/sessions", session(participants=participants(number="+79031112233"))
    )

    assert (reply.status, reply.error_id) == (409, "number_unavailable")
    assert list(reply.fields) == ["participants[0].number"]


async def test_pools_are_tried_in_order(house: House) -> None:
    await house.furnish(PROXY)
    west = {"pool": "west", "trunk": "carrier-a", "numbers": [SECOND]}
    assert (await house.ask("POST", "/v1/numbers", west)).status == 201
    body = {key: value for key, value in session().items() if key != "pool"}
    both = {"pools": ["default", "west"]}

    first = await opened(house, body | both)
    second = await opened(house, body | both)

    assert [first["pool"], second["pool"]] == ["default", "west"]
    assert dial(second)["gsm"] == SECOND
    assert await refused(house, body | both) == (503, "pool_exhausted")
    assert await refused(house, body | {"pools": ["west", "nowhere"]}) == (404, "pool_not_found")


async def test_a_team_is_known_by_one_number(house: House) -> None:
    await house.furnish(PROXY, SECOND, THIRD)
    deal = await opened(house, session())
    courier = {"role": "courier", "user_id": "u-9", "phone": "+79031112233"}
    seller = session()["participants"][1]

    trip = await opened(house, session(participants=[seller, courier], same_number_as=deal["id"]))

    assert trip["conversation_id"] == deal["conversation_id"]
    assert dial(trip, 1)["gsm"] == dial(deal, 0)["gsm"]
    assert dial(trip, 0)["gsm"] != dial(deal, 1)["gsm"]
    nowhere = session(same_number_as="ses_" + "0" * 26)
    assert await refused(house, nowhere) == (404, "session_not_found")
    both = session(same_number_as=deal["id"])
    assert await refused(house, both) == (422, "validation_failed")


async def test_numbers_are_shared_out_with_digits(house: House) -> None:
    await house.furnish(PROXY)
    await rules(house, numbers={"exhausted": "extension", "extension_length": 4})

    plain, digits = await opened(house, meeting(1)), await opened(house, meeting(2))

    assert (dial(plain)["extension"], dial(plain)["tel"]) == (None, PROXY)
    extension = dial(digits)["extension"]
    assert len(extension) == 4
    assert dial(digits)["gsm"] == PROXY
    assert dial(digits)["tel"] == f"{PROXY},,{extension}"
    assert dial(digits, 0)["extension"] is None


async def test_the_longest_idle_gives_way_unless_it_is_in_a_call(house: House) -> None:
    await house.furnish(PROXY, SECOND)
    await rules(house, numbers={"exhausted": "recycle_idle", "recycle_after_s": 10_800})
    old = await opened(house, meeting(1))
    house.clock.advance(minutes=1)
    young = await opened(house, meeting(2))
    assert await refused(house, meeting(3)) == (503, "pool_exhausted")
    house.clock.advance(hours=4)
    house.node.calls["cal_1"] = LiveCallDouble("cal_1", house.clock.now, old["id"])
    house.node.calls["cal_2"] = LiveCallDouble("cal_2", house.clock.now)

    headers = {"Idempotency-Key": "once"}
    made = await house.ask("POST", "/v1/sessions", meeting(3), headers=headers)
    again = await house.ask("POST", "/v1/sessions", meeting(3), headers=headers)

    assert made.status == 201
    assert again.json() == made.json()
    assert made.json()["participants"][1]["why"] == {"by": "recycled", "of": young["id"]}
    assert dial(made.json())["gsm"] == dial(young)["gsm"]
    states = {
        one["id"]: (one["state"], one["closed_why"])
        for one in (await house.ask("GET", "/v1/sessions")).json()["items"]
    }
    assert states[old["id"]] == ("open", None)
    assert states[young["id"]] == ("closed", "recycled")


async def test_a_limit_of_ones_own_and_strictness_are_refused_by_name(house: House) -> None:
    await house.furnish(PROXY, SECOND, THIRD)
    await rules(house, numbers={"max_sessions": 2, "sticky": "strict"})
    await opened(house, meeting(1))

    assert await refused(house, meeting(1)) == (409, "sticky_unavailable")
    await opened(house, meeting(2))
    assert await refused(house, meeting(3)) == (409, "session_limit")


async def test_calls_keep_a_session_alive_up_to_its_hard_end(house: House) -> None:
    await house.furnish()
    made = await opened(house, session(ttl_s=3600, ttl_from="last_call", hard_ttl_s=7200))
    path = f"/v1/sessions/{made['id']}"

    assert (made["ttl_from"], made["ttl_s"]) == ("last_call", 3600)
    assert datetime.fromisoformat(made["hard_expires_at"]) == START + timedelta(hours=2)
    beyond = await house.ask("PATCH", path, {"ttl_s": 7201})
    assert (beyond.status, beyond.error_id) == (409, "beyond_hard_expiry")
    changed = await house.ask("PATCH", path, {"ttl_from": "creation"})
    assert changed.json() == (await house.ask("GET", path)).json()
    assert changed.json()["ttl_from"] == "creation"
    assert changed.json()["expires_at"] == made["expires_at"]
    sooner = (await house.ask("PATCH", path, {"ttl_s": 1800})).json()
    assert sooner["ttl_s"] == 1800
    assert datetime.fromisoformat(sooner["expires_at"]) == START + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pools": ["default"]}, "(body)"),
        ({"hard_ttl_s": 3600}, "(body)"),
        ({"hard_ttl_s": 0}, "hard_ttl_s"),
        ({"ttl_from": "birth"}, "ttl_from"),
        ({"same_number_as": "ses_1"}, "same_number_as"),
        ({"participants": participants(number="8495")}, "participants[0].number"),
        ({"participants": participants(number=BUYER)}, None),
    ],
)
async def test_what_is_wrong_is_named(
    lite: House, changes: dict[str, Any], field: str | None
) -> None:
    await lite.furnish()

    reply = await lite.ask("POST", "/v1/sessions", session(**changes))

    if field is None:
        assert reply.error_id == "number_unavailable"
        return
    assert (reply.status, reply.error_id) == (422, "validation_failed")
    assert list(reply.fields) == [field]


async def test_a_pair_meets_again_by_its_numbers(house: House) -> None:
    await house.furnish(PROXY, SECOND, THIRD)
    await rules(house, cool_down_s=0)
    first = await opened(house, session())
    for n in range(2):
        await opened(house, meeting(n))
    await house.ask("DELETE", f"/v1/sessions/{first['id']}")

    again = await opened(house, session(conversation_id="later"))

    assert [dial(again, side)["gsm"] for side in (0, 1)] == [
        dial(first, side)["gsm"] for side in (0, 1)
    ]
    assert SELLER not in str(again)
