"""Sessions over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.contract.api.house import BUYER, PROXY, SELLER, START, House, participants, session


async def test_what_is_left_out_gets_its_default(house: House) -> None:
    await house.furnish()
    least = {
        "conversation_id": "chat-1",
        "participants": [
            {"role": "courier", "user_id": "u-8", "phone": BUYER},
            {"role": "support", "user_id": "u-9", "phone": SELLER},
        ],
    }

    made = (await house.ask("POST", "/v1/sessions", least)).json()

    assert made["pool"] == "default"
    assert made["channel_policy"] == "app_then_gsm"
    assert made["listing"] is None
    assert datetime.fromisoformat(made["expires_at"]) == START + timedelta(days=1)
    assert made["participants"][0]["name"] is None


async def test_a_participant_without_a_phone_has_no_number_to_dial(house: House) -> None:
    await house.furnish()

    made = await house.open_session(participants=participants(phone=None))

    buyer, seller = made["participants"]
    assert buyer["dial"]["gsm"] is None
    assert seller["dial"]["gsm"] == PROXY


async def test_two_sessions_of_one_participant_never_share_a_number(house: House) -> None:
    await house.furnish(PROXY, "+74951110002")

    first = await house.open_session(conversation_id="a")
    second = await house.open_session(conversation_id="b")

    for side in (0, 1):
        dials = {one["participants"][side]["dial"]["gsm"] for one in (first, second)}
        assert dials == {PROXY, "+74951110002"}


async def test_facts_keep_their_order(house: House) -> None:
    await house.furnish()
    facts = {"Verified": "yes", "On the platform since": "2019"}

    made = await house.open_session(participants=participants(facts=facts))
    read = (await house.ask("GET", f"/v1/sessions/{made['id']}")).json()

    assert list(read["participants"][0]["facts"].items()) == list(facts.items())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pool": "Default"}, "pool"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": 366 * 86400 + 1}, "ttl_s"),
        ({"ttl_s": "86400"}, "ttl_s"),
        ({"ttl_s": True}, "ttl_s"),
        ({"ttl_s": 1e400}, "ttl_s"),
        ({"channel_policy": "pigeon"}, "channel_policy"),
        ({"conversation_id": ""}, "conversation_id"),
        ({"conversation_id": "a\r\nb"}, "conversation_id"),
        ({"conversation_id": None}, "conversation_id"),
        ({"listing": {"id": "L", "title": "one\nline"}}, "listing.title"),
        ({"listing": {"id": "L", "title": "\u202egnal"}}, "listing.title"),
        ({"listing": {"title": "no id"}}, "listing.id"),
        ({"listing": []}, "listing"),
        ({"participants": []}, "participants"),
        ({"participants": participants()[:1]}, "participants"),
        ({"participants": participants() * 2}, "participants"),
        ({"participants": participants(role="seller")}, "participants"),
        ({"participants": participants(user_id="u-2")}, "participants"),
        ({"participants": participants(phone=SELLER)}, "participants"),
        ({"participants": participants(phone="89161234567")}, "participants[0].phone"),
        ({"participants": participants(phone="+7916123456")}, "participants[0].phone"),
        ({"participants": participants(phone="+7 916 1234567")}, "participants[0].phone"),
        ({"participants": participants(phone="+79161234567\n")}, "participants[0].phone"),
        ({"participants": participants(phone=79161234567)}, "participants[0].phone"),
        ({"participants": participants(phone="tel:+79161234567")}, "participants[0].phone"),
        ({"participants": participants(name="")}, "participants[0].name"),
        ({"participants": participants(name="A" * 81)}, "participants[0].name"),
        ({"participants": participants(name="call +79161234567")}, "participants[0].name"),
        ({"participants": participants(name="8 926 765-43-21")}, "participants[0].name"),
        ({"participants": participants(user_id="79161234567")}, "participants[0].user_id"),
        ({"participants": participants(facts={"tel": BUYER})}, "participants[0].facts"),
        ({"participants": participants(rating=5.1)}, "participants[0].rating"),
        ({"participants": participants(role="thief")}, "participants[0].role"),
        ({"listing": {"id": "L", "title": f"mine is {SELLER}"}}, "listing.title"),
        ({"channel_policy": "gsm_only", "participants": participants(phone=None)}, "participants"),
    ],
)
async def test_what_is_wrong_is_named(lite: House, changes: dict[str, Any], field: str) -> None:
    await lite.furnish()
    lite.memory.phones |= {"+7916123456"}

    refused = await lite.ask("POST", "/v1/sessions", session(**changes))

    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert field in refused.fields
    assert (await lite.ask("GET", "/v1/sessions")).json()["items"] == []


async def test_our_own_number_is_no_participants_phone(house: House) -> None:
    await house.furnish()

    body = session(participants=participants(phone=PROXY))
    house.memory.phones.discard(PROXY)
    refused = await house.ask("POST", "/v1/sessions", body)
    house.memory.phones.discard(PROXY)  # ours: it may be shown

    assert refused.status == 422
    assert list(refused.fields) == ["participants"]


async def test_a_misspelt_field_is_refused_with_the_likely_one(lite: House) -> None:
    refused = await lite.ask("POST", "/v1/sessions", session(converstion_id="x"))

    assert refused.status == 422
    assert refused.fields["converstion_id"] == "is not known; did you mean conversation_id?"


async def test_an_unknown_field_that_looks_like_a_phone_is_not_repeated(lite: House) -> None:
    lite.memory.phones.add("+79031112233")

    refused = await lite.ask("POST", "/v1/sessions", session(**{"+79031112233": 1}))

    assert list(refused.fields) == ["(unnamed)"]


async def test_a_pool_that_is_not_there_is_named(house: House) -> None:
    refused = await house.ask("POST", "/v1/sessions", session(pool="nowhere"))

    assert (refused.status, refused.error_id) == (404, "pool_not_found")
    assert list(refused.fields) == ["pool"]


async def test_the_expiry_can_be_moved_either_way(house: House) -> None:
    await house.furnish()
    path = f"/v1/sessions/{(await house.open_session())['id']}"

    later = await house.ask("PATCH", path, {"expires_at": "2026-12-01T03:00:00+03:00"})
    assert later.json()["expires_at"].startswith("2026-12-01T00:00:00")
    sooner = await house.ask("PATCH", path, {"ttl_s": 60})
    assert datetime.fromisoformat(sooner.json()["expires_at"]) == START + timedelta(seconds=60)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ttl_s": 600, "expires_at": "2026-12-01T00:00:00Z"},
        {"expires_at": "2026-11-22T10:00:00.900Z"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2026-12-01"},
        {"expires_at": "2026-12-01T00:00:00"},
        {"expires_at": 1796083200},
        {"expires_at": "1796083200"},
        {"ttl_s": 0},
        {"state": "closed"},
    ],
)
async def test_an_impossible_expiry_is_refused(lite: House, body: dict[str, Any]) -> None:
    await lite.furnish()
    made = await lite.open_session()

    refused = await lite.ask("PATCH", f"/v1/sessions/{made['id']}", body)

    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert (await lite.ask("GET", f"/v1/sessions/{made['id']}")).json() == made


async def test_a_session_that_is_over_is_not_revived(house: House) -> None:
    await house.furnish(PROXY, "+74951110002")
    closed = f"/v1/sessions/{(await house.open_session())['id']}"
    expired = f"/v1/sessions/{(await house.open_session(ttl_s=60))['id']}"
    await house.ask("DELETE", closed)
    house.clock.advance(seconds=60)

    refused = await house.ask("PATCH", closed, {"ttl_s": 600})
    assert (refused.status, refused.error_id) == (409, "session_closed")
    refused = await house.ask("PATCH", expired, {"ttl_s": 600})
    assert (refused.status, refused.error_id) == (409, "session_expired")
    assert (await house.ask("GET", expired)).json()["state"] == "expired"


async def test_closing_again_changes_nothing(house: House) -> None:
    await house.furnish()
    path = f"/v1/sessions/{(await house.open_session())['id']}"

    first = await house.ask("DELETE", path)
    house.clock.advance(seconds=5)
    second = await house.ask("DELETE", path)

    assert first.status == second.status == 200
    assert first.json() == second.json()


@pytest.mark.parametrize("wanted", ["ses_0", "ses_" + "0" * 26, "x", "%00", "..", "%2e%2e%2fkeys"])
async def test_no_session_is_found_where_there_is_none(lite: House, wanted: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"ttl_s": 600}), ("DELETE", None)):
        reply = await lite.ask(method, f"/v1/sessions/{wanted}", body)
        assert reply.status == 404
        assert reply.error_id in {"session_not_found", "path_not_found"}


async def test_pages_show_every_session_once_newest_first(house: House) -> None:
    await house.furnish(*(f"+7495111{n:04}" for n in range(7)))
    made = []
    for number in range(7):
        house.clock.advance(seconds=1)
        made.append((await house.open_session(conversation_id=f"c-{number}"))["id"])

    seen: list[str] = []
    cursor = ""
    while True:
        page = (await house.ask("GET", f"/v1/sessions?limit=3&cursor={cursor}")).json()
        assert len(page["items"]) <= 3
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]

    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.0", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=WyJjYWxscyIsMV0", "cursor"),
        ("state=ajar", "state"),
        ("user_id=%00", "user_id"),
        ("sort=asc", "sort"),
        ("user=u-1", "user"),
    ],
)
async def test_a_wrong_parameter_is_named(lite: House, query: str, field: str) -> None:
    refused = await lite.ask("GET", f"/v1/sessions?{query}")

    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert list(refused.fields) == [field]


def consents(answer: Any) -> dict[str, bool]:  # noqa: ANN401 (JSON)
    return {one["user_id"]: one["recording_consent"] for one in answer["participants"]}


async def test_consent_to_recording_is_given_with_the_session_and_changed_later(
    house: House,
) -> None:
    await house.furnish()
    sides = participants()
    sides[0]["recording_consent"] = True
    made = await house.open_session(participants=sides)
    assert consents(made) == {"u-1": True, "u-2": False}

    path = f"/v1/sessions/{made['id']}"
    changed = await house.ask("PATCH", path, {"recording_consent": {"u-1": False, "u-2": True}})
    assert changed.status == 200
    assert consents(changed.json()) == {"u-1": False, "u-2": True}
    assert consents((await house.ask("GET", path)).json()) == {"u-1": False, "u-2": True}

    alone = await house.ask("PATCH", path, {"recording_consent": {"u-1": True}})
    assert consents(alone.json()) == {"u-1": True, "u-2": True}


async def test_whoever_is_no_participant_cannot_consent_and_nothing_is_changed(
    house: House,
) -> None:
    await house.furnish()
    made = await house.open_session()
    path = f"/v1/sessions/{made['id']}"
    answer = await house.ask("PATCH", path, {"recording_consent": {"u-1": True, "u-9": True}})
    assert (answer.status, answer.json()["error_id"]) == (404, "participant_not_found")
    assert consents((await house.ask("GET", path)).json()) == {"u-1": False, "u-2": False}
    unknown = path[:-4] + "0000"
    nobody = await house.ask("PATCH", unknown, {"recording_consent": {"u-1": True}})
    assert (nobody.status, nobody.json()["error_id"]) == (404, "session_not_found")
