"""Before, during and after a call: preflight, click to call, handover, rating."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from masking.live import CannotNow
from masking.outcome import Outcome
from masking.plan import Channel
from tests.contract.api.house import PROXY, SELLER, START, House, LiveCallDouble, participants
from tests.contract.api.recorded import keep, record

LIVE = LiveCallDouble("cal_5g8s1t2v3w4x5y6z7a8b9c0d1e", START)
GOOD: dict[str, Any] = {"user_id": "u-1", "rtt_ms": 40, "jitter_ms": 3, "loss": 0.0}
POOR: dict[str, Any] = {"user_id": "u-1", "rtt_ms": 60, "jitter_ms": 5, "loss": 0.3}


async def a_session(house: House, **changes: object) -> str:
    await house.furnish()
    made: str = (await house.open_session(**changes))["id"]
    return made


async def preflight(house: House, session_id: str, body: object, **headers: str) -> dict[str, Any]:
    path = f"/v1/sessions/{session_id}/preflight"
    reply = await house.ask("POST", path, body, role="platform", headers=headers)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def test_a_good_network_carries_the_call_in_the_app(house: House) -> None:
    session_id = await a_session(house)

    told = await preflight(house, session_id, GOOD)

    assert (told["channel"], told["reason"]) == ("app", "good")
    assert told["dial"] == f"sip:{session_id}@sip.test"
    assert told["tel"] == PROXY
    assert 4 < told["mos"] <= 4.5
    assert (told["callable"], told["callable_reason"]) == (True, None)


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        ({"loss": 0.3}, "loss"),
        ({"rtt_ms": 1800}, "delay"),
        ({"jitter_ms": 400}, "jitter"),
    ],
)
async def test_a_poor_network_leads_to_the_number_and_says_what_is_to_blame(
    lite: House, measured: dict[str, float], reason: str
) -> None:
    session_id = await a_session(lite)

    told = await preflight(lite, session_id, GOOD | measured)

    assert (told["channel"], told["reason"], told["dial"]) == ("gsm", reason, PROXY)
    assert told["mos"] < 3.1


async def test_the_reason_is_told_in_the_readers_language(lite: House) -> None:
    session_id = await a_session(lite)

    async def text(accept: str) -> str:
        told = await preflight(lite, session_id, POOR, **{"Accept-Language": accept})
        return str(told["reason_text"])

    assert "ordinary call" in await text("en-GB,en;q=0.8,ru;q=0.2")
    assert "обычным звонком" in await text("ru")
    assert "обычным звонком" in await text("de, fr;q=0.5")


async def test_whoever_has_no_number_is_left_with_the_app(lite: House) -> None:
    session_id = await a_session(lite, participants=participants(phone=None))

    told = await preflight(lite, session_id, POOR)

    assert (told["channel"], told["reason"]) == ("app", "only_way")
    assert told["tel"] is None


async def test_a_call_that_would_be_refused_is_known_before(house: House) -> None:
    session_id = await a_session(house)

    async def why() -> object:
        return (await preflight(house, session_id, GOOD))["callable_reason"]

    quiet = {"quiet_hours": [{"from": "10:00", "until": "11:00"}], "timezone": "UTC"}
    await house.ask("PUT", "/v1/users/u-2/reachability", quiet)
    assert await why() == "quiet_hours"
    assert (await preflight(house, session_id, GOOD | {"user_id": "u-2"}))["callable"] is True
    await house.ask("POST", "/v1/blocks", {"user_id": "u-2", "blocked_user_id": "u-1"})
    assert await why() == "blocked"
    await house.ask("DELETE", f"/v1/sessions/{session_id}")
    assert await why() == "session_closed"


async def test_only_participants_of_a_session_there_is_get_advice(house: House) -> None:
    session_id = await a_session(house)
    nobody = GOOD | {"user_id": "u-9"}

    stranger = await house.ask("POST", f"/v1/sessions/{session_id}/preflight", nobody)
    nowhere = await house.ask("POST", f"/v1/sessions/ses_{'0' * 26}/preflight", GOOD)

    assert (stranger.status, stranger.error_id) == (404, "participant_not_found")
    assert (nowhere.status, nowhere.error_id) == (404, "session_not_found")


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.5}, {"rtt_ms": -1}, {"jitter_ms": "3"}, {"codec": "mp3"}]
)
async def test_figures_that_none_can_have_measured_are_refused(
    lite: House, wrong: dict[str, object]
) -> None:
    refused = await lite.ask("POST", f"/v1/sessions/ses_{'0' * 26}/preflight", GOOD | wrong)

    assert refused.error_id == "validation_failed"
    assert list(refused.fields) == list(wrong)


async def test_a_click_begins_one_call_however_often_it_is_sent(house: House) -> None:
    session_id = await a_session(house)
    path, again = f"/v1/sessions/{session_id}/calls", {"Idempotency-Key": "click-1"}

    first = await house.ask("POST", path, {"from": "u-2"}, headers=again)
    second = await house.ask("POST", path, {"from": "u-2"}, headers=again)

    assert (first.status, second.status) == (202, 202)
    assert second.json() == first.json()
    assert house.node.clicked == [(session_id, "u-2")]


async def test_a_click_that_failed_may_be_sent_again(house: House) -> None:
    session_id = await a_session(house)
    path, again = f"/v1/sessions/{session_id}/calls", {"Idempotency-Key": "click-1"}
    house.node.away = True
    refused = await house.ask("POST", path, {"from": "u-1"}, headers=again)
    house.node.away = False

    begun = await house.ask("POST", path, {"from": "u-1"}, headers=again)

    assert (refused.status, refused.error_id) == (503, "node_unavailable")
    assert begun.status == 202
    assert "Idempotency-Replayed" not in begun.headers


async def test_a_click_says_why_it_is_refused(house: House) -> None:
    session_id = await a_session(house)
    path = f"/v1/sessions/{session_id}/calls"

    house.node.refuses = CannotNow.NO_PHONE
    no_phone = await house.ask("POST", path, {"from": "u-1"})
    stranger = await house.ask("POST", path, {"from": "u-9"})
    await house.ask("DELETE", f"/v1/sessions/{session_id}")
    closed = await house.ask("POST", path, {"from": "u-1"})

    assert (no_phone.status, no_phone.error_id) == (409, "cannot_now")
    assert no_phone.json()["reason"] == "no_phone"
    assert (stranger.status, stranger.error_id) == (404, "participant_not_found")
    assert (closed.status, closed.error_id) == (409, "session_closed")
    assert house.node.clicked == []


async def test_a_handover_is_begun_on_the_node(house: House) -> None:
    house.node.calls[LIVE.call_id] = LIVE
    path = f"/v1/calls/{LIVE.call_id}/handover"

    begun = await house.ask("POST", path, {"user_id": "u-1", "to": "gsm"})

    assert (begun.status, begun.json()) == (202, {"call_id": LIVE.call_id, "to": "gsm"})
    assert house.node.handed_over == [(LIVE.call_id, "u-1", Channel.GSM)]


async def test_a_handover_that_cannot_be_is_refused(house: House) -> None:
    path, wish = f"/v1/calls/{LIVE.call_id}/handover", {"user_id": "u-1", "to": "gsm"}

    over = await house.ask("POST", path, wish)
    house.node.calls[LIVE.call_id] = LIVE
    house.node.refuses = CannotNow.ALREADY_THERE
    there = await house.ask("POST", path, wish)
    house.node.away = True
    away = await house.ask("POST", path, wish)

    assert (over.status, over.error_id) == (404, "live_call_not_found")
    assert (there.status, there.json()["reason"]) == (409, "already_there")
    assert (away.status, away.error_id) == (503, "node_unavailable")


async def test_a_rating_is_kept_with_the_call_and_shown_in_the_raters_log(house: House) -> None:
    session_id = await a_session(house)
    call = record(1, session_id, Outcome.ANSWERED)
    await keep(house, call)
    path = f"/v1/calls/{call.call_id}/rating"

    first = await house.ask(
        "POST", path, {"user_id": "u-1", "stars": 2, "issues": ["echo", "echo"]}
    )
    house.clock.advance(minutes=1)
    later = await house.ask("POST", path, {"user_id": "u-1", "stars": 4, "issues": ["delay"]})
    other = await house.ask("POST", path, {"user_id": "u-2", "stars": 5})

    assert [one.status for one in (first, later, other)] == [200, 200, 200]
    assert first.json()["issues"] == ["echo"]
    shown = (await house.ask("GET", f"/v1/calls/{call.call_id}")).json()["ratings"]
    assert [(one["user_id"], one["stars"], one["issues"]) for one in shown] == [
        ("u-1", 4, ["delay"]),
        ("u-2", 5, []),
    ]
    listed = (await house.ask("GET", "/v1/calls")).json()["items"][0]
    assert listed["ratings"] == shown
    log = (await house.ask("GET", "/v1/users/u-1/call-log")).json()["items"][0]
    assert log["rating"] == {"stars": 4, "issues": ["delay"]}


async def test_only_who_took_part_may_rate(house: House) -> None:
    call = record(1, await a_session(house), Outcome.ANSWERED)
    await keep(house, call)
    path = f"/v1/calls/{call.call_id}/rating"

    stranger = await house.ask("POST", path, {"user_id": "u-9", "stars": 1})
    stars = await house.ask("POST", path, {"user_id": "u-1", "stars": 6})
    issue = await house.ask("POST", path, {"user_id": "u-1", "stars": 1, "issues": ["smell"]})

    assert (stranger.status, stranger.error_id) == (404, "call_not_found")
    assert list(stars.fields) == ["stars"]
    assert list(issue.fields) == ["issues[0]"]


async def test_the_log_says_how_to_call_back_while_the_session_lasts(house: House) -> None:
    session_id = await a_session(house)
    await keep(house, record(1, session_id, Outcome.MISSED))

    async def back(user_id: str) -> object:
        log = await house.ask("GET", f"/v1/users/{user_id}/call-log")
        assert SELLER.encode() not in log.body
        return log.json()["items"][0]["call_back"]

    way = {
        "session_id": session_id,
        "app": f"sip:{session_id}@sip.test",
        "gsm": PROXY,
        "extension": None,
        "tel": PROXY,
    }
    assert await back("u-2") == way
    assert await back("u-1") == way
    house.clock.now = START + timedelta(days=1)
    assert await back("u-2") is None
