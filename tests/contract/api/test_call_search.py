"""Calls are found by every filter over HTTP, and by a phone in a body only."""

from __future__ import annotations

from typing import Any

import pytest

from cdr.ledger import public_name
from cdr.model import CameBy, Recording
from masking.outcome import Outcome
from masking.plan import Channel
from masking.rules import RecordingMode
from tests.contract.api.house import BUYER, PROXY, SELLER, START, House
from tests.contract.api.recorded import NODE, keep, record


@pytest.fixture
async def found(house: House) -> House:
    """Three calls: one answered and rated, one missed in the app, one refused."""
    await house.furnish()
    made = await house.open_session()
    await keep(
        house,
        record(1, made["id"], Outcome.ANSWERED, recording=_RECORDED),
        record(2, made["id"], Outcome.MISSED, channel=Channel.APP, came_by=CameBy.APP, cause=19),
        record(
            3, None, Outcome.FAILED, caller_role=None, callee_role=None, trunk_out=None, legs=()
        ),
    )
    path = f"/v1/calls/{record(1, None, Outcome.ANSWERED).call_id}/rating"
    rating = {"user_id": "u-1", "stars": 2}
    assert (await house.ask("POST", path, rating, role="platform")).status == 200
    return house


_RECORDED = Recording(RecordingMode.ALWAYS, started_at=START, ended_at=START, ms=900)
_ASKED: dict[str, tuple[dict[str, Any], list[int]]] = {
    "listing_id=L-42": ({"listing_id": "L-42"}, [2, 1]),
    "outcome=missed,failed": ({"outcome": ["missed", "failed"]}, [3, 2]),
    "channel=app": ({"channel": ["app"]}, [2]),
    "came_by=app,click": ({"came_by": ["app", "click"]}, [2]),
    "number=%2B74951110001": ({"number": PROXY}, [3, 2, 1]),
    "trunk=carrier-a": ({"trunk": "carrier-a"}, [3, 2, 1]),
    "trunk=carrier-b": ({"trunk": "carrier-b"}, []),
    f"node={public_name(NODE)}": ({"node": public_name(NODE)}, [3, 2, 1]),
    "node=node_0123456789abcdef": ({"node": "node_0123456789abcdef"}, []),
    "cause=19,34": ({"cause": [19, 34]}, [2]),
    "ring_min_s=3&ring_max_s=3": ({"ring_min_s": 3, "ring_max_s": 3}, [3, 2, 1]),
    "talk_min_s=61": ({"talk_min_s": 61}, [1]),
    "talk_max_s=0": ({"talk_max_s": 0}, [3, 2]),
    "mos_max=4.28": ({"mos_max": 4.28}, []),
    "mos_min=4.29": ({"mos_min": 4.29}, [2, 1]),
    "recorded=true": ({"recorded": True}, [1]),
    "recorded=false": ({"recorded": False}, [3, 2]),
    "rated=true": ({"rated": True}, [1]),
    "stars_max=2": ({"stars_max": 2}, [1]),
    "stars_min=3": ({"stars_min": 3}, []),
    "user_id=u-2&outcome=missed": ({"user_id": "u-2", "outcome": ["missed"]}, [2]),
    "from=2026-11-22T10:02:00Z": ({"from": "2026-11-22T10:02:00Z"}, [3, 2]),
}


async def test_the_address_and_the_body_ask_the_same(found: House) -> None:
    for query, (body, expected) in _ASKED.items():
        ids = [record(n, None, Outcome.FAILED).call_id for n in expected]
        listed = await found.ask("GET", f"/v1/calls?{query}", role="staff")
        searched = await found.ask("POST", "/v1/calls/search", body, role="staff")
        assert [one["call_id"] for one in listed.json()["items"]] == ids, query
        assert searched.json() == listed.json(), query


async def test_a_phone_finds_its_calls_from_a_body_and_never_from_an_address(found: House) -> None:
    for phone, expected in ((BUYER, 2), (SELLER, 2), ("+79031112233", 0)):
        reply = await found.ask("POST", "/v1/calls/search", {"phone": phone}, role="staff")
        assert len(reply.json()["items"]) == expected
    refused = await found.ask("GET", f"/v1/calls?phone=%2B{BUYER[1:]}")
    assert (refused.status, list(refused.fields)) == (422, ["phone"])


async def test_a_search_goes_on_where_it_stopped(found: House) -> None:
    body = {"trunk": "carrier-a", "limit": 2}
    first = (await found.ask("POST", "/v1/calls/search", body)).json()
    rest = await found.ask("POST", "/v1/calls/search", body | {"cursor": first["next_cursor"]})
    ids = [record(n, None, Outcome.FAILED).call_id for n in (3, 2, 1)]
    assert [one["call_id"] for one in first["items"] + rest.json()["items"]] == ids
    assert rest.json()["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("outcome=missed,lost", "outcome[1]"),
        ("cause=-1", "cause"),
        ("cause=200", "cause[0]"),
        ("stars_min=6", "stars_min"),
        ("mos_min=nan", "mos_min"),
        ("number=74951110001", "number"),
        ("talk_min_s=1.5", "talk_min_s"),
        ("recorded=perhaps", "recorded"),
    ],
)
async def test_what_cannot_be_asked_for_is_named(lite: House, query: str, field: str) -> None:
    reply = await lite.ask("GET", f"/v1/calls?{query}")
    assert reply.status == 422
    assert list(reply.fields) == [field]


async def test_a_node_is_shown_by_its_public_name_alone(found: House) -> None:
    found.clock.advance(hours=1)  # an export holds what was before it
    for path in ("/v1/calls", "/v1/calls/export?format=jsonl", "/v1/calls/export"):
        body = (await found.ask("GET", path)).body
        assert NODE.encode() not in body
        assert public_name(NODE).encode() in body


async def test_a_search_is_no_call(lite: House) -> None:
    refused = await lite.ask("GET", "/v1/calls/search")
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")
    assert (await lite.ask("GET", "/v1/calls/searches")).error_id == "call_not_found"
