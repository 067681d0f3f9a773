"""The examples of the outward contract, word for word."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.contract.api.house import PROXY, START, House, LiveCallDouble

TRUNK = b"""{"name":"carrier-a","host":"127.0.0.2","port":5080,"transport":"udp",
                      "auth":{"type":"ip"},"number_format":"e164","codecs":["alaw","ulaw"],
                      "max_channels":100,"max_cps":30}"""
NUMBERS = b"""{"pool":"default","trunk":"carrier-a","numbers":["+74951110001"]}"""
SESSION = b"""{"conversation_id":"chat-81",
                      "listing":{"id":"L-42","title":"Lada Vesta 2019"},
                      "participants":[
                        {"role":"buyer","user_id":"u-1","phone":"+79161234567","name":"Anna","rating":4.9},
                        {"role":"seller","user_id":"u-2","phone":"+79267654321","name":"Petr","rating":4.7}],
                      "pool":"default","ttl_s":86400,"channel_policy":"app_then_gsm"}"""
BLOCK = b"""{"user_id":"u-2","blocked_user_id":"u-1","reason":"spam"}"""


async def test_a_session_comes_about_as_the_contract_says(house: House) -> None:
    house.memory.phones |= {"+79161234567", "+79267654321"}

    trunk = await house.ask("POST", "/v1/trunks", raw=TRUNK, role="operator")
    numbers = await house.ask("POST", "/v1/numbers", raw=NUMBERS, role="operator")
    made = await house.ask("POST", "/v1/sessions", raw=SESSION, role="platform")

    assert trunk.status == 201
    assert numbers.status == 201
    assert numbers.json()["added"] == 1
    assert made.status == 201
    session = made.json()
    assert session["id"].startswith("ses_")
    assert session["state"] == "open"
    assert datetime.fromisoformat(session["expires_at"]) == START + timedelta(days=1)
    dial = {"gsm": "+74951110001", "app": f"sip:{session['id']}@sip.test"}
    sides = [(one["role"], one["user_id"], one["dial"]) for one in session["participants"]]
    assert [side[:2] for side in sides] == [("buyer", "u-1"), ("seller", "u-2")]
    for _, _, shown in sides:  # fields may be added
        assert shown.items() >= dial.items()


async def test_the_session_can_be_read_found_extended_and_closed(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    path = f"/v1/sessions/{made['id']}"

    assert (await house.ask("GET", path)).json() == made
    for query in (
        "conversation_id=&user_id=&state=",
        "conversation_id=chat-81",
        "user_id=u-2",
        "state=open",
        "user_id=u-1&state=open",
    ):
        found = (await house.ask("GET", f"/v1/sessions?{query}")).json()
        assert found == {"items": [made], "next_cursor": None}
    extended = (await house.ask("PATCH", path, {"ttl_s": 172800})).json()
    assert datetime.fromisoformat(extended["expires_at"]) == START + timedelta(days=2)
    assert (await house.ask("DELETE", path)).json()["state"] == "closed"
    assert (await house.ask("GET", path)).json()["state"] == "closed"


async def test_the_reading_side_answers_in_pages(house: House) -> None:
    for path in (
        "/v1/users/u-2/call-log",
        "/v1/conversations/chat-81/history",
        "/v1/calls",
        "/v1/calls?session_id=ses_1&conversation_id=chat-81&user_id=u-1&outcome=missed",
        "/v1/calls?from=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z",
    ):
        page = await house.ask("GET", path)
        assert page.status == 200
        assert page.json()["items"] == []
        assert page.json()["next_cursor"] is None


async def test_a_block_is_set(house: House) -> None:
    set_block = await house.ask("POST", "/v1/blocks", raw=BLOCK, role="platform")

    assert set_block.status == 201
    listed = (await house.ask("GET", "/v1/blocks?user_id=u-2")).json()["items"]
    assert [(one["user_id"], one["blocked_user_id"], one["reason"]) for one in listed] == [
        ("u-2", "u-1", "spam")
    ]


async def test_an_exhausted_pool_answers_503(house: House) -> None:
    await house.furnish(PROXY)
    await house.open_session()

    refused = await house.ask("POST", "/v1/sessions", raw=SESSION)

    assert refused.status == 503
    assert refused.error_id == "pool_exhausted"


async def test_an_app_gets_its_credential_and_its_user_is_reached_as_chosen(house: House) -> None:
    made = await house.ask("POST", "/v1/users/u-1/app-credentials", role="platform")  # no body
    chosen = await house.ask(
        "PUT",
        "/v1/users/u-1/reachability",
        {"in_app_calls": True, "quiet_hours": [], "timezone": "Europe/Moscow"},
        role="platform",
    )

    assert made.status == 201
    names = {"username", "password", "ws_url", "sip_uri", "ice_servers", "expires_at"}
    assert names <= made.json().keys()
    assert chosen.status == 200


async def test_a_call_is_prepared_begun_moved_and_rated_as_the_contract_says(house: House) -> None:
    await house.furnish()
    path = f"/v1/sessions/{(await house.open_session())['id']}"
    live = LiveCallDouble("cal_5g8s1t2v3w4x5y6z7a8b9c0d1e", START)
    house.node.calls[live.call_id] = live

    poor = {"user_id": "u-1", "rtt_ms": 900, "jitter_ms": 80, "loss": 0.2}
    advised = await house.ask("POST", f"{path}/preflight", poor, role="platform")
    begun = await house.ask("POST", f"{path}/calls", {"from": "u-1"}, role="platform")
    moved = await house.ask(
        "POST",
        f"/v1/calls/{live.call_id}/handover",
        {"user_id": "u-1", "to": "gsm"},
        role="platform",
    )
    rated = await house.ask(
        "POST",
        f"/v1/calls/{live.call_id}/rating",
        {"user_id": "u-1", "stars": 5, "issues": ["echo"]},
        role="platform",
    )

    assert advised.json().items() >= {"channel": "gsm", "dial": PROXY}.items()
    assert {"mos", "reason"} <= advised.json().keys()
    assert begun.status == 202
    assert begun.json()["call_id"].startswith("cal_")
    assert moved.status == 202
    assert (rated.status, rated.error_id) == (404, "call_not_found")  # it is not over yet


async def test_probes_and_description_need_no_key(lite: House) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert (await lite.ask("GET", path, role=None)).status == 200
