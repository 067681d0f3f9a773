"""Whom a number reaches for a caller: now, before, and why; and never a phone in the answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api.house import BUYER, PROXY, SELLER, START, House, session

STRANGER = "+79031112233"


async def ask(
    house: House, caller: str | None = BUYER, number: str = PROXY, **more: object
) -> dict[str, Any]:
    if caller is not None:
        house.memory.phones.add(caller)
    body = {"number": number, "caller": caller} | more
    reply = await house.ask("POST", "/v1/inspections", body, role="operator")
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def test_it_says_whom_a_caller_reaches(house: House) -> None:
    await house.furnish()
    made = await house.open_session()

    found = await ask(house)

    assert (found["decision"], found["session_id"]) == ("reach", made["id"])
    assert found["caller"] == {"role": "buyer", "user_id": "u-1"}
    assert found["callee"] == {"role": "seller", "user_id": "u-2"}
    assert found["shown"] == PROXY
    assert found["lease"]["state"] == "live"
    assert found["lease"]["enrolled"] is False
    assert found["sentence"] == f"the buyer u-1 reaches the seller u-2, who sees {PROXY}"
    assert found["as_of"]["now"] == []

    back = await ask(house, SELLER)
    assert back["sentence"] == f"the seller u-2 reaches the buyer u-1, who sees {PROXY}"


async def test_a_stranger_reaches_nobody(house: House) -> None:
    await house.furnish()
    await house.open_session()

    found = await ask(house, STRANGER)

    assert (found["decision"], found["reason"]) == ("refuse", "unknown_caller")
    assert found["announcement"] == "not-in-service"
    assert found["session_id"] is None
    assert (await ask(house, None))["reason"] == "withheld_caller"


async def test_the_past_is_what_it_was(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    house.clock.advance(hours=1)
    assert (await house.ask("DELETE", f"/v1/sessions/{made['id']}")).status in {200, 204}
    house.clock.advance(days=10)

    def hour(n: float) -> str:
        return START.replace(hour=10 + int(n), minute=int(n % 1 * 60)).isoformat()

    before = await ask(house, at="2026-11-22T09:59:59Z")
    during = await ask(house, at=hour(0.5))
    late = await ask(house, at=hour(2))
    today = await ask(house)

    assert (before["decision"], before["reason"]) == ("refuse", "unknown_caller")
    assert (during["decision"], during["lease"]["state"]) == ("reach", "live")
    assert during["as_of"]["now"] == ["blocks", "pool rules", "trunks", "wrong PINs"]
    assert (late["reason"], late["lease"]["state"]) == ("cooling", "cooling")
    assert (today["reason"], today["lease"]["state"]) == ("session_closed", "free")
    assert today["sentence"] == (
        "nobody is rung, for the caller's last session on the number was closed; "
        "the caller hears no-longer-serves"
    )


async def test_what_is_to_come_is_not_known(lite: House) -> None:
    body = {"number": PROXY, "caller": BUYER, "at": "2026-11-22T10:00:01Z"}

    reply = await lite.ask("POST", "/v1/inspections", body, role="staff")

    assert (reply.status, [*reply.fields]) == (422, ["at"])


async def test_a_number_that_is_none_of_ours_is_not_repeated(lite: House) -> None:
    await lite.furnish()
    lite.memory.phones.add(STRANGER)

    found = await ask(lite, BUYER, STRANGER)

    assert (found["number"], found["reason"]) == (None, "unknown_number")


@pytest.mark.parametrize(("role", "status"), [("platform", 403), ("staff", 200), ("operator", 200)])
async def test_only_those_who_run_it_may_inspect(lite: House, role: str, status: int) -> None:
    await lite.furnish()
    body = {"number": PROXY, "caller": None}

    assert (await lite.ask("POST", "/v1/inspections", body, role=role)).status == status


async def test_who_inspected_what_is_logged_without_the_caller(lite: House) -> None:
    await lite.furnish()
    await lite.open_session()

    await ask(lite)

    logged = [line for line in lite.memory.lines if line.startswith("maskline.audit")]
    assert len(logged) == 1
    assert f"(operator) inspected {PROXY} at 2026-11-22T10:00:00.000+00:00" in logged[0]


async def test_nothing_happens_because_of_it(house: House) -> None:
    await house.furnish()
    made = await house.open_session()

    await ask(house)
    await ask(house, STRANGER, digits=["123456"])

    assert (await house.ask("GET", f"/v1/sessions/{made['id']}")).json() == made


async def test_a_block_is_seen(house: House) -> None:
    await house.furnish()
    await house.open_session()
    await house.ask("POST", "/v1/blocks", {"user_id": "u-2", "blocked_user_id": "u-1"})

    assert (await ask(house))["reason"] == "blocked"


async def test_a_repeated_request_gets_the_same_answer(lite: House) -> None:
    await lite.furnish()
    await lite.ask("POST", "/v1/sessions", session())
    body = {"number": PROXY, "caller": None}
    headers = {"Idempotency-Key": "i-1"}

    first = await lite.ask("POST", "/v1/inspections", body, headers=headers)
    lite.clock.advance(minutes=5)
    again = await lite.ask("POST", "/v1/inspections", body, headers=headers)

    assert first.json() == again.json()
