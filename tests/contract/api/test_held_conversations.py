"""Held conversations over HTTP: readable under the session's id, then under the name given once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from masking.listing import Link
from masking.model import Phone, Session
from storage import listings
from storage.links import Opening, open_link
from storage.schema import calls, history_entries
from tests.contract.api.house import SELLER, House
from tests.contract.api.test_listing_numbers import NUMBERS, create

CALLER = "+79031112233"
SESSION_ID = "ses_00000000000000000000000001"


async def called(house: House) -> Session:
    """The session that a stranger's call to a listing made, with that call on record."""
    house.memory.phones |= {CALLER, SELLER}
    made = await create(house)
    vault, now = house.services.vault, house.clock()

    def work(conn: Connection) -> Session:
        found = listings.get(conn, vault, made["id"])
        assert found is not None
        opening = Opening(SESSION_ID, 1, house.services.entropy)
        link = open_link(conn, vault, found, Phone(CALLER), opening, now)
        assert isinstance(link, Link)
        _record(conn, link.session.id, now)
        return link.session

    return await house.db.write(work)


def _record(conn: Connection, session_id: str, now: datetime) -> None:
    entry = {"conversation_id": session_id, "call_id": "cal_1", "at": now, "kind": "call"}
    body = {"outcome": "answered", "ring_ms": 1, "talk_ms": 2, "card": {}}
    conn.execute(insert(history_entries), entry | {"body": body})
    conn.execute(
        insert(calls),
        {
            "call_id": "cal_1",
            "node": "n1",
            "linked_id": "1.1",
            "session_id": session_id,
            "conversation_id": session_id,
            "direction": "inbound",
            "outcome": "answered",
            "offered_at": now,
            "ended_at": now,
            "ring_ms": 1,
            "talk_ms": 2,
            "attempts": [],
            "legs": [],
            "recorded_at": now,
        },
    )


async def recorded(house: House, name: str) -> int:
    """How many calls are on record under `name`."""
    reply = await house.ask("GET", f"/v1/calls?conversation_id={name}")
    assert reply.status == 200, reply.body
    return len(reply.json()["items"])


async def test_what_a_stranger_began_is_read_under_the_sessions_id_until_it_is_named(
    house: House,
) -> None:
    await house.furnish(*NUMBERS)
    session = await called(house)
    path = f"/v1/sessions/{session.id}"
    held = (await house.ask("GET", path)).json()
    assert (held["conversation_id"], held["conversation_held"]) == (session.id, True)
    assert held["listing_number_id"] == session.listing_number_id
    assert [await recorded(house, name) for name in (session.id, "chat-99")] == [1, 0]

    named = await house.ask("PATCH", path, {"conversation_id": "chat-99"})

    assert named.status == 200
    assert named.json() == held | {"conversation_id": "chat-99", "conversation_held": False}
    assert [await recorded(house, name) for name in (session.id, "chat-99")] == [0, 1]
    listed = (await house.ask("GET", "/v1/sessions?conversation_id=chat-99")).json()["items"]
    assert [one["id"] for one in listed] == [session.id]


async def test_a_name_is_given_once(house: House) -> None:
    await house.furnish(*NUMBERS)
    path = f"/v1/sessions/{(await called(house)).id}"
    await house.ask("PATCH", path, {"conversation_id": "chat-99"})

    again = await house.ask("PATCH", path, {"conversation_id": "chat-99"})
    other = await house.ask("PATCH", path, {"conversation_id": "chat-100"})

    assert (again.status, again.json()["conversation_id"]) == (200, "chat-99")
    assert (other.status, other.error_id) == (409, "conversation_named")


async def test_a_refused_end_gives_no_name(house: House) -> None:
    await house.furnish(*NUMBERS)
    path = f"/v1/sessions/{(await called(house)).id}"
    body: dict[str, Any] = {
        "conversation_id": "chat-99",
        "expires_at": house.clock().isoformat(),
    }

    refused = await house.ask("PATCH", path, body)

    assert refused.status == 422
    assert (await house.ask("GET", path)).json()["conversation_held"]


async def test_a_conversation_that_has_a_name_keeps_it(house: House) -> None:
    await house.furnish(*NUMBERS)
    made = await house.open_session()

    refused = await house.ask("PATCH", f"/v1/sessions/{made['id']}", {"conversation_id": "chat-82"})

    assert (refused.status, refused.error_id) == (409, "conversation_named")


async def test_a_name_holds_nobodys_phone(house: House) -> None:
    await house.furnish(*NUMBERS)
    path = f"/v1/sessions/{(await called(house)).id}"

    for phone in (CALLER, SELLER):
        refused = await house.ask("PATCH", path, {"conversation_id": f"chat-{phone[1:]}"})
        assert (refused.status, list(refused.fields)) == (422, ["conversation_id"])
    assert (await house.ask("GET", path)).json()["conversation_held"]


async def test_the_caller_goes_out_as_a_pseudonym_only(house: House) -> None:
    """That no answer and no log line holds the phone is searched for when the house closes."""
    await house.furnish(*NUMBERS)
    session = await called(house)

    found = (await house.ask("GET", f"/v1/sessions/{session.id}")).json()

    caller = found["participants"][0]
    assert caller["user_id"].startswith("caller:")
    by_user = await house.ask("GET", f"/v1/sessions?user_id={caller['user_id']}")
    assert [one["id"] for one in by_user.json()["items"]] == [session.id]
