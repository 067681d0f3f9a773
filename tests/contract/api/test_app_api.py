"""What an app asks with its token: all of it about its own user, nothing of it a phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.services import ApiSettings
from masking.model import Role
from masking.outcome import Outcome
from masking.plan import Channel
from tests.contract.api.conftest import run
from tests.contract.api.house import PROXY, START, House, LiveCallDouble
from tests.contract.api.recorded import keep, record

LIVE_ID = "cal_5g8s1t2v3w4x5y6z7a8b9c0d1e"
SHOP = "https://shop.example"
GOOD = {"rtt_ms": 40, "jitter_ms": 3, "loss": 0.0}


@pytest.fixture
async def open_to_shop(sqlite_url: str) -> AsyncIterator[House]:
    async for house in run(
        sqlite_url, ApiSettings(sip_host="sip.test", app_origins=(SHOP,), app_burst=5)
    ):
        yield house


async def two_apps(house: House) -> tuple[str, str, str]:
    """A session, the buyer's token and the seller's."""
    await house.furnish()
    made = await house.open_session()
    buyer, seller = await house.credential("u-1"), await house.credential("u-2")
    return made["id"], buyer["token"], seller["token"]


async def test_an_app_knows_whose_it_is(house: House) -> None:
    session_id, buyer, seller = await two_apps(house)
    await keep(house, record(1, session_id, Outcome.MISSED))

    mine = (await house.ask_app("GET", "/v1/app/me", token=buyer)).json()
    theirs = (await house.ask_app("GET", "/v1/app/me", token=seller)).json()

    assert (mine["user_id"], mine["unread_count"]) == ("u-1", 0)
    assert (theirs["user_id"], theirs["unread_count"]) == ("u-2", 1)
    assert (mine["account"], mine["in_app_calls"], mine["quiet_now"]) == ("private", None, False)


async def test_a_session_is_the_other_sides_card_and_what_to_dial(house: House) -> None:
    session_id, buyer, seller = await two_apps(house)
    path = f"/v1/app/sessions/{session_id}"

    seen = (await house.ask_app("GET", path, token=buyer)).json()
    other = (await house.ask_app("GET", path, token=seller)).json()

    assert seen["role"] == "buyer"
    assert seen["card"] == {"role": "seller", "name": "Petr", "rating": 4.7, "facts": {}}
    assert other["card"]["name"] == "Anna"
    assert seen["listing"] == {"id": "L-42", "title": "Lada Vesta 2019"}
    assert seen["dial"] == {
        "app": f"sip:{session_id}@sip.test",
        "gsm": PROXY,
        "extension": None,
        "tel": PROXY,
    }
    await house.ask("DELETE", f"/v1/sessions/{session_id}")
    over = (await house.ask_app("GET", path, token=buyer)).json()
    assert (over["state"], over["dial"]) == ("closed", None)


async def test_what_is_not_theirs_is_not_there(house: House) -> None:
    session_id, _, _ = await two_apps(house)
    call = record(1, session_id, Outcome.ANSWERED)
    await keep(house, call)
    house.node.calls[LIVE_ID] = LiveCallDouble(LIVE_ID, START, session_id)
    stranger = (await house.credential("u-9"))["token"]

    for method, path, body, error_id in (
        ("GET", f"/v1/app/sessions/{session_id}", None, "session_not_found"),
        ("POST", f"/v1/app/sessions/{session_id}/preflight", GOOD, "session_not_found"),
        ("POST", f"/v1/app/sessions/{session_id}/calls", None, "session_not_found"),
        ("POST", f"/v1/app/calls/{call.call_id}/rating", {"stars": 1}, "call_not_found"),
    ):
        reply = await house.ask_app(method, path, body, token=stranger)
        assert (reply.status, reply.error_id) == (404, error_id), path
    log = (await house.ask_app("GET", "/v1/app/call-log", token=stranger)).json()
    assert (log["items"], log["unread_count"]) == ([], 0)
    assert (await house.ask_app("GET", "/v1/app/calls", token=stranger)).json()["items"] == []
    assert house.node.clicked == []


async def test_the_callers_app_is_not_told_what_is_the_other_sides_business(house: House) -> None:
    session_id, buyer, _ = await two_apps(house)
    path = f"/v1/app/sessions/{session_id}/preflight"

    async def why() -> object:
        told = (await house.ask_app("POST", path, GOOD, token=buyer)).json()
        assert told["callable"] is (told["callable_reason"] is None)
        return told["callable_reason"]

    assert await why() is None
    quiet = {"quiet_hours": [{"from": "10:00", "until": "11:00"}], "timezone": "UTC"}
    await house.ask("PUT", "/v1/users/u-2/reachability", quiet)
    in_quiet_hours = await why()
    await house.ask("PUT", "/v1/users/u-2/reachability", {})
    await house.ask("POST", "/v1/blocks", {"user_id": "u-2", "blocked_user_id": "u-1"})
    assert await why() == in_quiet_hours == "not_now"
    await house.ask("DELETE", f"/v1/sessions/{session_id}")
    assert await why() == "session_closed"


async def test_an_app_sees_its_live_calls_and_moves_its_own_side(house: House) -> None:
    session_id, buyer, seller = await two_apps(house)
    house.node.calls[LIVE_ID] = LiveCallDouble(LIVE_ID, START, session_id, caller=Role.BUYER)
    strange = LIVE_ID.replace("5", "6")
    house.node.calls[strange] = LiveCallDouble(strange, START, f"ses_{'0' * 26}")

    async def calls(token: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            await house.ask_app("GET", "/v1/app/calls", token=token)
        ).json()["items"]
        return found

    assert [(one["call_id"], one["direction"]) for one in await calls(buyer)] == [(LIVE_ID, "out")]
    assert [(one["call_id"], one["direction"]) for one in await calls(seller)] == [(LIVE_ID, "in")]
    moved = await house.ask_app(
        "POST", f"/v1/app/calls/{LIVE_ID}/handover", {"to": "gsm"}, token=seller
    )
    assert moved.status == 202
    assert house.node.handed_over == [(LIVE_ID, "u-2", Channel.GSM)]


async def test_an_app_has_its_user_called_back_once(house: House) -> None:
    session_id, buyer, _ = await two_apps(house)
    path, again = f"/v1/app/sessions/{session_id}/calls", {"Idempotency-Key": "tap"}

    first = await house.ask_app("POST", path, token=buyer, headers=again)
    second = await house.ask_app("POST", path, token=buyer, headers=again)

    assert first.status == 202
    assert second.json() == first.json()
    assert house.node.clicked == [(session_id, "u-1")]


async def test_the_log_is_read_rated_and_marked(house: House) -> None:
    session_id, _, seller = await two_apps(house)
    calls = [record(n, session_id, Outcome.MISSED) for n in range(3)]
    await keep(house, *calls)

    page = (await house.ask_app("GET", "/v1/app/call-log?limit=2", token=seller)).json()
    assert page["unread_count"] == 3
    assert [one["call_id"] for one in page["items"]] == [calls[2].call_id, calls[1].call_id]
    assert page["items"][0]["call_back"]["session_id"] == session_id
    rest = (
        await house.ask_app(
            "GET", f"/v1/app/call-log?limit=2&cursor={page['next_cursor']}", token=seller
        )
    ).json()
    assert [one["call_id"] for one in rest["items"]] == [calls[0].call_id]

    until = {"until": page["items"][1]["at"]}
    seen = await house.ask_app("POST", "/v1/app/call-log/seen", until, token=seller)
    assert seen.json() == {"marked": 2}
    rated = await house.ask_app(
        "POST", f"/v1/app/calls/{calls[0].call_id}/rating", {"stars": 1}, token=seller
    )
    assert rated.json()["user_id"] == "u-2"
    unread = (await house.ask_app("GET", "/v1/app/call-log?unread=true", token=seller)).json()
    assert [one["call_id"] for one in unread["items"]] == [calls[2].call_id]


async def test_whoever_asks_too_often_is_told_to_wait(open_to_shop: House) -> None:
    house = open_to_shop
    mine, theirs = (
        (await house.credential("u-1"))["token"],
        (await house.credential("u-2"))["token"],
    )

    asked = [house.ask_app("GET", "/v1/app/me", token=mine) for _ in range(40)]
    replies = await asyncio.gather(*asked)

    assert {one.status for one in replies} == {200, 429}
    refused = next(one for one in replies if one.status == 429)
    assert refused.error_id == "rate_limited"
    assert refused.headers["Retry-After"] == "1"
    assert (await house.ask_app("GET", "/v1/app/me", token=theirs)).status == 200


async def test_a_web_app_of_a_named_origin_may_ask(open_to_shop: House) -> None:
    house = open_to_shop
    token = (await house.credential())["token"]
    wish = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }

    before = await house.ask("OPTIONS", "/v1/app/call-log/seen", role=None, headers=wish)
    asked = await house.ask_app("GET", "/v1/app/me", token=token, headers={"Origin": SHOP})
    refused = await house.ask_app("GET", "/v1/app/me", token="no", headers={"Origin": SHOP})

    assert (before.status, before.body) == (204, b"")
    assert "POST" in before.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in before.headers["Access-Control-Allow-Headers"]
    for reply in (before, asked, refused):
        assert reply.headers["Access-Control-Allow-Origin"] == SHOP
        assert reply.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in reply.headers
    assert (asked.status, refused.status) == (200, 401)


async def test_nobody_else_may_from_a_browser(open_to_shop: House) -> None:
    house = open_to_shop
    token = (await house.credential())["token"]

    for origin in ("https://shop.example.evil.test", "http://shop.example", "null"):
        reply = await house.ask_app("GET", "/v1/app/me", token=token, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in reply.headers, origin
    backend = await house.ask("GET", "/v1/sessions", headers={"Origin": SHOP})
    assert "Access-Control-Allow-Origin" not in backend.headers
    options = await house.ask("OPTIONS", "/v1/sessions", headers={"Origin": SHOP})
    assert options.status == 405


async def test_a_credential_that_ends_takes_its_requests_along(lite: House) -> None:
    token = (await lite.credential(ttl_s=60))["token"]
    async with asyncio.timeout(5):
        assert (await lite.ask_app("GET", "/v1/app/calls", token=token)).status == 200
    lite.clock.advance(seconds=61)
    assert (await lite.ask_app("GET", "/v1/app/calls", token=token)).status == 401
