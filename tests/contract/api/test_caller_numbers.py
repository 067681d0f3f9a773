"""Caller numbers over HTTP: “I will call from this phone”."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api.house import BUYER, PROXY, House

OFFICE = "+79031112233"


async def a_session(house: House) -> Any:  # noqa: ANN401 (JSON)
    await house.furnish(PROXY)
    return await house.open_session()


def caller_number(**changes: object) -> dict[str, object]:
    return {"user_id": "u-1", "phone": OFFICE} | changes


async def test_a_phone_is_declared_listed_and_withdrawn(house: House) -> None:
    session = await a_session(house)
    path = f"/v1/sessions/{session['id']}/caller-numbers"

    made = await house.ask("POST", path, caller_number(ttl_s=60))

    assert made.status == 201
    sent = made.json()
    assert (sent["user_id"], sent["number"], sent["once"]) == ("u-1", PROXY, True)
    assert OFFICE[1:] not in made.body.decode()
    assert (await house.ask("GET", path, role="staff")).json()["items"] == [sent]
    assert (await house.ask("DELETE", f"{path}/{sent['id']}")).status == 204
    again = await house.ask("DELETE", f"{path}/{sent['id']}")
    assert (again.status, again.error_id) == (404, "caller_number_not_found")
    assert (await house.ask("GET", path)).json()["items"] == []


async def test_its_time_passes(house: House) -> None:
    session = await a_session(house)
    path = f"/v1/sessions/{session['id']}/caller-numbers"
    await house.ask("POST", path, caller_number(ttl_s=60))

    house.clock.advance(seconds=60)

    assert (await house.ask("GET", path)).json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "status", "error_id"),
    [
        ({"user_id": "u-9"}, 404, "participant_not_found"),
        ({"phone": BUYER}, 422, "validation_failed"),
        ({"phone": "12"}, 422, "validation_failed"),
        ({"ttl_s": 29}, 422, "validation_failed"),
        ({"ttl_s": 86_401}, 422, "validation_failed"),
    ],
)
async def test_what_cannot_be_declared_is_said(
    house: House, changes: dict[str, object], status: int, error_id: str
) -> None:
    session = await a_session(house)

    told = await house.ask(
        "POST", f"/v1/sessions/{session['id']}/caller-numbers", caller_number(**changes)
    )

    assert (told.status, told.error_id) == (status, error_id)


async def test_a_session_that_is_over_or_unknown_has_none(house: House) -> None:
    session = await a_session(house)
    await house.ask("DELETE", f"/v1/sessions/{session['id']}")
    unknown = f"/v1/sessions/ses_{'0' * 26}/caller-numbers"

    over = await house.ask("POST", f"/v1/sessions/{session['id']}/caller-numbers", caller_number())
    assert (over.status, over.error_id) == (409, "session_closed")
    for method in ("GET", "POST"):
        body = caller_number() if method == "POST" else None
        told = await house.ask(method, unknown, body)
        assert (told.status, told.error_id) == (404, "session_not_found")
