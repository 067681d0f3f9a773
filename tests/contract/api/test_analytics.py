"""Funnel, lift and traffic over HTTP, and the impressions that begin them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cdr.ledger import public_name
from cdr.model import CameBy
from masking.outcome import Outcome
from tests.contract.api.house import PROXY, START, House, session
from tests.contract.api.recorded import NODE, keep, record

SPAN = {"from": "2026-11-22T00:00:00Z", "until": "2026-11-23T00:00:00Z"}


async def opened(house: House, n: int, **changes: Any) -> str:  # noqa: ANN401 (JSON)
    """A session of its own pair, about a car."""
    body = session(conversation_id=f"chat-{n}", **changes)
    body["listing"] = {"id": f"L-{n}", "category": "cars"}
    body["participants"][0] |= {"user_id": f"b-{n}", "phone": f"+7916000{n:04}"}
    reply = await house.ask("POST", "/v1/sessions", body)
    assert reply.status == 201, reply.body
    return str(reply.json()["id"])


async def shown(house: House, *told: dict[str, Any], key: str | None = None) -> Any:  # noqa: ANN401 (JSON)
    headers = {} if key is None else {"Idempotency-Key": key}
    return await house.ask("POST", "/v1/impressions", {"impressions": list(told)}, headers=headers)


async def funnel(house: House, group_by: str = "day", **more: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in (SPAN | more).items())
    reply = await house.ask("GET", f"/v1/analytics/funnel?group_by={group_by}&{query}")
    assert reply.status == 200, reply.body
    return list(reply.json()["items"])


def steps(called: int, rang: int, answered: int, talked: int) -> dict[str, int]:
    return {"called": called, "rang": rang, "answered": answered, "talked": talked}


async def test_the_funnel_from_what_is_shown_to_who_talked(house: House) -> None:
    await house.furnish(PROXY, "+74951110002")
    one, other = await opened(house, 1), await opened(house, 2)
    await shown(
        house,
        {"kind": "number_shown", "category": "cars", "count": 20},
        {"kind": "call_pressed", "category": "cars", "count": 10},
        {"kind": "call_pressed", "category": "flats"},
    )
    await keep(
        house,
        record(1, one, Outcome.MISSED, came_by=CameBy.GSM),
        record(2, one, Outcome.ANSWERED, came_by=CameBy.GSM),
        record(3, other, Outcome.CANCELLED, came_by=CameBy.APP, rang_at=None),
        record(4, None, Outcome.FAILED, came_by=CameBy.GSM),
    )

    [day] = await funnel(house)
    assert day["day"] == "2026-11-22"
    assert (day["number_shown"], day["call_pressed"]) == (20, 11)
    assert day["contacts"] == steps(2, 1, 1, 1)
    assert day["calls"] == steps(3, 2, 1, 1)
    assert day["talk_s"] == 61.5

    app, gsm = await funnel(house, "channel", category="cars")
    assert (app["channel"], app["number_shown"], app["call_pressed"]) == ("app", 0, 10)
    assert (gsm["channel"], gsm["number_shown"], gsm["call_pressed"]) == ("gsm", 20, 0)
    assert (app["calls"], gsm["calls"]) == (steps(1, 0, 0, 0), steps(2, 2, 1, 1))
    assert app["contacts"] is None

    cars, flats = await funnel(house, "category,day")
    assert (cars["category"], flats["category"]) == ("cars", "flats")
    assert flats["contacts"] == flats["calls"] == steps(0, 0, 0, 0)
    [by_callee] = await funnel(house, "callee_channel")
    assert by_callee["number_shown"] is None
    assert by_callee["calls"]["called"] == 3


async def test_a_repeated_request_counts_once(house: House) -> None:
    told = {"kind": "number_shown", "count": 5}
    for _ in range(3):
        reply = await shown(house, told, key="batch-1")
        assert reply.json() == {"counted": 5, "categories_as_other": 0}
    await shown(house, told, key="batch-2")
    [day] = await funnel(house)
    assert day["number_shown"] == 10


async def test_late_impressions_count_in_their_hour_for_seven_days(house: House) -> None:
    late = (START - timedelta(days=6, hours=23)).isoformat()
    assert (await shown(house, {"kind": "call_pressed", "at": late})).status == 200
    for days in (-8, 1):
        at = (START + timedelta(days=days)).isoformat()
        reply = await shown(house, {"kind": "call_pressed", "at": at})
        assert reply.error_id == "validation_failed"
        assert reply.json()["errors"][0]["field"] == "impressions[0].at"
    query = "from=2026-11-15T11:00:00Z&until=2026-11-15T12:00:00Z&group_by=hour"
    [hour] = (await house.ask("GET", f"/v1/analytics/funnel?{query}")).json()["items"]
    assert (hour["hour"], hour["call_pressed"]) == ("2026-11-15T11:00:00Z", 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "number_shown", "variant": "call_button"},
        {"kind": "call_pressed", "variant": "shown_number"},
        {"kind": "number_shown", "category": "+79161234567"},
        {"kind": "number_shown", "category": "79161234567"},
        {"kind": "number_shown", "category": "=cmd()"},
        {"kind": "number_shown", "category": "c" * 65},
        {"kind": "number_shown", "category": ""},
        {"kind": "number_shown", "count": 0},
        {"kind": "number_shown", "user_id": "u-1"},
        {"kind": "seen"},
    ],
)
async def test_what_cannot_be_counted_is_refused(lite: House, wrong: dict[str, Any]) -> None:
    assert (await shown(lite, wrong)).error_id == "validation_failed"


async def lift(house: House, **more: str) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in (SPAN | more).items())
    reply = await house.ask("GET", f"/v1/analytics/lift?{query}")
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def test_a_lift_without_data_says_so(lite: House) -> None:
    found = await lift(lite)
    assert {one["verdict"] for one in found["steps"]} == {"not_enough_data"}
    assert {one["difference"] for one in found["steps"]} == {None}
    assert "not why" in found["caveat"]


async def test_the_lift_is_of_contacts_not_of_calls(house: House) -> None:
    """Thirty buyers pressed, and ten dialled a number; these call again and again."""
    await house.furnish(*(f"+7495111{n:04}" for n in range(1, 60)))
    sessions = [await opened(house, n) for n in range(40)]
    pressed = [
        record(n, sessions[n], Outcome.ANSWERED, came_by=CameBy.APP, call_id=f"cal_{n:026d}")
        for n in range(30)
    ]
    dialled = [
        record(n, sessions[n], Outcome.ANSWERED, call_id=f"cal_{n:022d}{again:04d}")
        for n in range(30, 40)
        for again in range(4)
    ]
    dialled = [replace(one, linked_id=one.call_id) for one in dialled]
    await keep(house, *pressed, *dialled)
    for kind in ("number_shown", "call_pressed"):
        await shown(house, {"kind": kind, "category": "cars", "count": 200})

    found = await lift(house, category="cars")

    arms = {one["variant"]: one for one in found["arms"]}
    assert arms["call_button"]["contacts"] == steps(30, 30, 30, 30)
    assert arms["shown_number"]["contacts"] == steps(10, 10, 10, 10)
    talked = found["steps"][-1]
    assert (talked["step"], talked["verdict"]) == ("talked", "higher")
    assert talked["difference"]["value"] == 0.1
    assert 0.03 < talked["difference"]["low"] < 0.1 < talked["difference"]["high"] < 0.17
    assert talked["relative"]["value"] == 2.0
    assert found["confidence"] == 0.95
    other = await lift(house, category="flats")
    assert other["steps"][0]["verdict"] == "not_enough_data"


async def test_what_the_platform_says_a_session_had_counts_however_its_calls_come(
    house: House,
) -> None:
    await house.furnish(PROXY)
    one = await opened(house, 1, variant="call_button")
    await keep(house, record(1, one, Outcome.ANSWERED, came_by=CameBy.GSM))
    [line] = await funnel(house, "variant")
    assert line["variant"] == "call_button"
    assert line["contacts"] == line["calls"] == steps(1, 1, 1, 1)


async def test_traffic_has_the_figures_of_each_trunk(house: House) -> None:
    await house.furnish(PROXY)
    one = await opened(house, 1)
    await keep(
        house,
        record(1, one, Outcome.ANSWERED, came_by=CameBy.GSM),
        record(2, one, Outcome.MISSED, came_by=CameBy.GSM),
        record(3, one, Outcome.UNREACHABLE, came_by=CameBy.APP, trunk_in=None, attempts=()),
    )
    query = "&".join(f"{name}={value}" for name, value in SPAN.items())
    reply = await house.ask(
        "GET", f"/v1/analytics/traffic?group_by=trunk,day&{query}", role="operator"
    )
    app, came, tried = reply.json()["items"]
    assert (app["channel"], app["trunk"], app["direction"], app["asr"]) == ("app", None, "in", 0)
    assert (came["trunk"], came["direction"], came["seizures"]) == ("carrier-a", "in", 2)
    assert (tried["trunk"], tried["direction"], tried["day"]) == ("carrier-a", "out", "2026-11-22")
    assert (tried["asr"], tried["ner"], tried["acd_s"]) == (0.5, 1.0, 61.5)
    assert tried["pdd"]["count"] == 2
    assert tried["pdd"]["mean_ms"] == 1000
    assert tried["pdd"]["p95_ms"] == pytest.approx(1000, rel=0.13)
    assert tried["mos"] is None
    assert (came["mos"]["count"], came["mos"]["mean"]) == (1, 4.29)


async def test_traffic_tells_a_node_by_its_public_name_alone(house: House) -> None:
    await keep(house, record(1, None, Outcome.ANSWERED, came_by=CameBy.GSM))
    query = "&".join(f"{name}={value}" for name, value in SPAN.items())
    reply = await house.ask("GET", f"/v1/analytics/traffic?group_by=node&{query}", role="operator")
    assert {one["node"] for one in reply.json()["items"]} == {public_name(NODE)}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-11-22T10:00:00Z&until=2026-11-22T09:00:00Z", "from"),
        ("from=2020-01-01T00:00:00Z", "from"),
        ("from=2026-09-01T00:00:00Z&group_by=hour", "group_by"),
        ("group_by=moon", "group_by"),
        ("group_by=day;drop", "group_by"),
    ],
)
async def test_a_span_that_cannot_be_told_is_refused(lite: House, query: str, field: str) -> None:
    reply = await lite.ask("GET", f"/v1/analytics/funnel?{query}")
    assert reply.error_id == "validation_failed"
    assert reply.json()["errors"][0]["field"] == field


async def test_times_are_taken_to_whole_hours_and_old_ones_to_whole_days(lite: House) -> None:
    query = "from=2026-11-22T08:20:00Z&until=2026-11-22T09:10:00Z"
    found = (await lite.ask("GET", f"/v1/analytics/funnel?{query}")).json()
    assert (found["from"], found["until"]) == ("2026-11-22T08:00:00Z", "2026-11-22T10:00:00Z")
    query = "from=2026-09-01T08:20:00Z&until=2026-09-02T09:10:00Z"
    found = (await lite.ask("GET", f"/v1/analytics/funnel?{query}")).json()
    assert (found["from"], found["until"]) == ("2026-09-01T00:00:00Z", "2026-09-03T00:00:00Z")
