"""Records corrected over HTTP: a new version with a reason, and the one before for all to see."""

from __future__ import annotations

from masking.outcome import Outcome
from tests.contract.api.house import House
from tests.contract.api.recorded import keep, record


async def test_a_correction_is_a_version_with_a_reason(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    kept = record(1, made["id"], Outcome.ANSWERED)
    await keep(house, kept)
    path = f"/v1/calls/{kept.call_id}"

    sent = {"version": 1, "why": "a machine took it, not +7 916 123-45-67", "outcome": "missed"}
    told = await house.ask("POST", f"{path}/corrections", sent, role="operator")

    assert told.status == 200
    assert (told.json()["version"], told.json()["outcome"]) == (2, "missed")
    assert told.json()["corrected_why"] == "a machine took it, not [digits struck out]"
    assert told.json()["corrected_by"].startswith("key_")
    assert told.json()["ledger"]["seq"] == 1
    shown = (await house.ask("GET", path)).json()
    assert (shown["outcome"], shown["version"], shown["talk_s"]) == ("missed", 2, 61.5)
    versions = (await house.ask("GET", f"{path}/versions")).json()["items"]
    assert [(one["version"], one["outcome"]) for one in versions] == [
        (1, "answered"),
        (2, "missed"),
    ]
    assert versions[0]["ledger"] is None  # put there by hand
    history = (await house.ask("GET", "/v1/conversations/chat-81/history")).json()["items"]
    assert [one["outcome"] for one in history] == ["missed"]
    log = (await house.ask("GET", "/v1/users/u-2/call-log")).json()
    assert ([one["outcome"] for one in log["items"]], log["unread_count"]) == (["missed"], 1)
    audit = (await house.ask("GET", "/v1/audit?action=record.corrected", role="operator")).json()
    assert [one["object_id"] for one in audit["items"]] == [kept.call_id]


async def test_who_comes_second_is_told(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    kept = record(1, made["id"], Outcome.MISSED)
    await keep(house, kept)
    path = f"/v1/calls/{kept.call_id}/corrections"

    async def refusal(**sent: object) -> str:
        told = await house.ask("POST", path, {"why": "because", **sent}, role="operator")
        assert told.status == 409
        return str(told.json()["error_id"])

    assert await refusal(version=2, outcome="busy") == "version_moved"
    assert await refusal(version=1, outcome="missed") == "nothing_to_correct"
    assert await refusal(version=1) == "nothing_to_correct"
    assert await refusal(version=1, outcome="answered") == "correction_refused"
    for unknown in ("/corrections", "/versions"):
        method, body = ("POST", {"version": 1, "why": "why"}) if "cor" in unknown else ("GET", None)
        missing = f"/v1/calls/cal_00000000000000000000000000{unknown}"
        told = await house.ask(method, missing, body, role="operator")
        assert (told.status, told.json()["error_id"]) == (404, "call_not_found")


async def test_a_correction_sent_twice_is_made_once(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    kept = record(1, made["id"], Outcome.MISSED)
    await keep(house, kept)
    sent = {"version": 1, "why": "they were on the phone", "outcome": "busy"}
    path, key = f"/v1/calls/{kept.call_id}/corrections", {"Idempotency-Key": "one"}
    first = await house.ask("POST", path, sent, role="operator", headers=key)
    again = await house.ask("POST", path, sent, role="operator", headers=key)
    assert first.json() == again.json()
    items = (await house.ask("GET", f"/v1/calls/{kept.call_id}/versions")).json()["items"]
    assert len(items) == 2
