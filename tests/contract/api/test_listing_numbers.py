"""Listing numbers over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from masking.rules import ListingRules
from storage import numbers
from tests.contract.api.house import SELLER, START, House
from tests.support.listings import a_pool

PATH = "/v1/listing-numbers"
NUMBERS = ("+74951110001", "+74951110002", "+74951110003")


def listing_number(**changes: object) -> dict[str, Any]:
    """A listing number as a platform asks for it."""
    return {
        "listing": {"id": "L-42", "title": "Lada Vesta 2019"},
        "seller": {"user_id": "u-2", "phone": SELLER, "name": "Petr", "rating": 4.7},
        "pool": "default",
        "ttl_s": 86_400,
    } | changes


def seller(**changes: object) -> dict[str, Any]:
    return {"seller": listing_number()["seller"] | changes}


async def create(house: House, **changes: object) -> dict[str, Any]:
    reply = await house.ask("POST", PATH, listing_number(**changes))
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.json()
    return made


async def test_a_listing_gets_a_number_to_show(house: House) -> None:
    await house.furnish(*NUMBERS)

    reply = await house.ask("POST", PATH, listing_number(), role="platform")

    made = reply.json()
    assert reply.status == 201
    assert reply.headers["Location"] == f"{PATH}/{made['id']}"
    assert made["number"] in NUMBERS
    assert made["extension"] is None
    assert (made["state"], made["callers"]) == ("live", 0)
    assert datetime.fromisoformat(made["expires_at"]) == START + timedelta(days=1)
    assert made["seller"] == {
        "role": "seller",
        "user_id": "u-2",
        "name": "Petr",
        "rating": 4.7,
        "facts": {},
    }
    assert made["rotate"] == {"after_s": None, "after_callers": None}
    assert (await house.ask("GET", f"{PATH}/{made['id']}")).json() == made


async def test_the_same_request_again_takes_no_second_number(house: House) -> None:
    await house.furnish(*NUMBERS)
    once = {"Idempotency-Key": "k-1"}

    first = await house.ask("POST", PATH, listing_number(), headers=once)
    again = await house.ask("POST", PATH, listing_number(), headers=once)

    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await house.ask("GET", PATH)).json()["items"]) == 1


async def test_a_pool_that_shares_adds_digits(house: House) -> None:
    await house.furnish(*NUMBERS[:1])
    sharing = a_pool(ListingRules(shared=True, extension_length=4))
    await house.db.write(lambda conn: numbers.put_pool(conn, sharing, START))

    made = [await create(house, listing={"id": f"L-{n}"}) for n in range(3)]

    assert {one["number"] for one in made} == {NUMBERS[0]}
    digits = [one["extension"] for one in made]
    assert len(set(digits)) == 3
    assert all(len(one) == 4 and one.isdigit() for one in digits)


async def test_they_are_listed_by_listing_and_by_seller(house: House) -> None:
    await house.furnish(*NUMBERS)
    one = await create(house)
    house.clock.advance(seconds=1)
    two = await create(house, listing={"id": "L-43"})
    house.clock.advance(seconds=1)
    other = await create(
        house, listing={"id": "L-44"}, **seller(user_id="u-9", phone="+79031112233")
    )

    async def listed(query: str) -> list[Any]:
        return list((await house.ask("GET", f"{PATH}?{query}")).json()["items"])

    assert await listed("user_id=u-2") == [two, one]
    assert await listed("listing_id=L-42") == [one]
    assert await listed("listing_id=L-42&user_id=u-9") == []
    page = (await house.ask("GET", f"{PATH}?limit=2")).json()
    rest = (await house.ask("GET", f"{PATH}?cursor={page['next_cursor']}")).json()
    assert page["items"] + rest["items"] == [other, two, one]


async def test_it_can_be_changed(house: House) -> None:
    await house.furnish(*NUMBERS)
    made = await create(house)
    path = f"{PATH}/{made['id']}"

    later = (await house.ask("PATCH", path, {"ttl_s": 172_800, "title": "Lada, sold soon"})).json()
    assert datetime.fromisoformat(later["expires_at"]) == START + timedelta(days=2)
    assert later["listing"]["title"] == "Lada, sold soon"
    assert later["number"] == made["number"]

    slow = (await house.ask("PATCH", path, {"rotate": {"after_s": 3600}})).json()
    assert slow["rotate"] == {"after_s": 3600, "after_callers": None}
    assert datetime.fromisoformat(slow["rotates_at"]) == START + timedelta(hours=1)
    assert (await house.ask("PATCH", path, {"rotate": {}})).json()["rotates_at"] is None

    until = (START + timedelta(hours=5)).isoformat()
    sooner = (await house.ask("PATCH", path, {"expires_at": until})).json()
    assert datetime.fromisoformat(sooner["expires_at"]) == START + timedelta(hours=5)


async def test_another_number_can_be_shown_at_once(house: House) -> None:
    await house.furnish(*NUMBERS[:2])
    made = await create(house)
    house.clock.advance(seconds=5)

    after = (await house.ask("PATCH", f"{PATH}/{made['id']}", {"rotate_now": True})).json()

    assert {made["number"], after["number"]} == set(NUMBERS[:2])
    assert datetime.fromisoformat(after["shown_at"]) == START + timedelta(seconds=5)


async def test_closing_takes_the_number_off_the_listing_once(house: House) -> None:
    await house.furnish(*NUMBERS)
    path = f"{PATH}/{(await create(house))['id']}"

    closed = (await house.ask("DELETE", path)).json()
    house.clock.advance(seconds=5)

    assert (closed["state"], closed["number"], closed["shown_at"]) == ("closed", None, None)
    assert (await house.ask("DELETE", path)).json() == closed
    refused = await house.ask("PATCH", path, {"rotate_now": True})
    assert (refused.status, refused.error_id) == (409, "listing_number_over")


async def test_an_expired_one_says_so_and_shows_nothing(house: House) -> None:
    await house.furnish(*NUMBERS)
    made = await create(house)
    house.clock.advance(days=1)

    found = (await house.ask("GET", f"{PATH}/{made['id']}")).json()

    assert (found["state"], found["number"]) == ("expired", None)


async def test_a_pool_with_nothing_left_to_show_says_what_to_do(house: House) -> None:
    await house.furnish(*NUMBERS[:1])
    made = await create(house)

    refused = await house.ask("POST", PATH, listing_number(listing={"id": "L-43"}))
    assert (refused.status, refused.error_id) == (503, "pool_exhausted")
    assert "share" in refused.json()["detail"]
    rotate = await house.ask("PATCH", f"{PATH}/{made['id']}", {"rotate_now": True})
    assert (rotate.status, rotate.error_id) == (503, "pool_exhausted")
    assert (await house.ask("GET", f"{PATH}/{made['id']}")).json() == made


async def test_a_number_that_is_shown_cannot_be_deleted(house: House) -> None:
    await house.furnish(*NUMBERS[:1])
    made = await create(house)

    refused = await house.ask("DELETE", f"/v1/numbers/{made['number']}")

    assert (refused.status, refused.error_id) == (409, "number_in_use")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"listing": {"id": "L 42"}}, "listing.id"),
        ({"listing": {"id": "L", "title": f"call {SELLER}"}}, "listing.title"),
        ({"listing": None}, "listing"),
        (seller(phone=None), "seller.phone"),
        (seller(phone="+7"), "seller.phone"),
        (seller(name=f"Petr {SELLER[2:]}"), "seller.name"),
        (seller(facts={"tel": SELLER}), "seller.facts"),
        (seller(role="thief"), "seller.role"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": 365 * 86_400 + 1}, "ttl_s"),
        ({"rotate": {"after_s": 59}}, "rotate.after_s"),
        ({"rotate": {"after_callers": 0}}, "rotate.after_callers"),
        ({"channel_policy": "pigeon"}, "channel_policy"),
    ],
)
async def test_what_is_wrong_is_named(lite: House, changes: dict[str, Any], field: str) -> None:
    await lite.furnish()

    refused = await lite.ask("POST", PATH, listing_number(**changes))

    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert any(name.startswith(field) or field in text for name, text in refused.fields.items())
    assert (await lite.ask("GET", PATH)).json()["items"] == []


async def test_our_own_number_is_no_sellers_phone(house: House) -> None:
    await house.furnish(*NUMBERS)

    refused = await house.ask("POST", PATH, listing_number(**seller(phone=NUMBERS[1])))
    house.memory.phones.discard(NUMBERS[1])  # ours: it may be shown

    assert refused.status == 422
    assert list(refused.fields) == ["seller.phone"]


@pytest.mark.parametrize(
    "body", [{}, {"ttl_s": 60, "expires_at": "2026-12-01T00:00:00Z"}, {"rotate_now": False}]
)
async def test_a_change_says_one_thing_at_least(lite: House, body: dict[str, Any]) -> None:
    await lite.furnish()
    made = await create(lite)

    refused = await lite.ask("PATCH", f"{PATH}/{made['id']}", body)

    assert (refused.status, refused.error_id) == (422, "validation_failed")


async def test_what_is_not_there_is_not_found(lite: House) -> None:
    for path in (f"{PATH}/lst_00000000000000000000000000", f"{PATH}/L-42"):
        for method in ("GET", "DELETE"):
            refused = await lite.ask(method, path)
            assert (refused.status, refused.error_id) == (404, "listing_number_not_found")
    refused = await lite.ask("POST", PATH, listing_number(pool="nowhere"))
    assert (refused.status, refused.error_id) == (404, "pool_not_found")
