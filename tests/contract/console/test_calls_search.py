"""Calls found by a phone, which is in no address, and by the search box, which knows names."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from api.console.phone_token import LASTS
from masking.outcome import Outcome
from masking.staff import StaffRole
from storage import call_tags
from storage.call_tags import Tag
from storage.schema import audit_entries
from tests.contract.api.house import BUYER, SELLER, START, House
from tests.contract.api.recorded import record
from tests.contract.console.listed import lived, rows, typed
from tests.support.console import Desk

STRANGER = "+79991112233"


async def test_a_phone_is_searched_for_without_being_in_any_address(lite: House) -> None:
    await lived(lite)
    lite.memory.phones.update({BUYER, STRANGER})
    desk = await Desk.of(lite, StaffRole.AGENT)

    location = await typed(desk, phone="8 (916) 123-45-67", outcome="missed")

    shown = await desk.get(location)
    assert rows(shown) == 2
    assert "as typed (hidden)" in shown.words
    nobody = await desk.get(await typed(desk, phone=STRANGER))
    assert rows(nobody) == 0
    assert nobody.status == 200


async def test_a_search_by_phone_is_audited_and_the_phone_is_not(lite: House) -> None:
    await lived(lite)
    desk = await Desk.of(lite, StaffRole.SUPERVISOR)
    await typed(desk, phone=BUYER, user_id="u-1")

    kept = await lite.db.read(lambda conn: conn.execute(select(audit_entries)).all())
    [entry] = [one for one in kept if one.action == "phone.searched"]
    assert desk.account is not None
    assert (entry.actor_id, entry.facts) == (desk.account.id, {"user_id": "given"})


async def test_the_link_of_a_search_by_phone_is_for_one_person_and_a_while(lite: House) -> None:
    await lived(lite)
    mine, other = [await Desk.of(lite, StaffRole.AGENT) for _ in range(2)]
    location = await typed(mine, phone=BUYER)
    assert rows(await mine.get(location)) == 3

    lent = await other.get(location)
    assert (lent.status, rows(lent)) == (410, 0)
    assert "Type it again" in lent.words
    lite.clock.advance(seconds=LASTS.total_seconds())
    await mine.sign_in()
    assert (await mine.get(location)).status == 410
    torn = await mine.get(location[:-4] + "AAAA")
    assert torn.status == 410


async def test_the_phone_stays_while_other_filters_change(lite: House) -> None:
    await lived(lite)
    desk = await Desk.of(lite, StaffRole.AGENT)
    token = (await typed(desk, phone=BUYER)).partition("phone=")[2]
    location = await typed(desk, phone_held=token, outcome="missed")
    assert rows(await desk.get(location)) == 2


async def test_an_operator_searches_by_no_phone(lite: House) -> None:
    await lived(lite)
    agent, operator = [await Desk.of(lite, one) for one in (StaffRole.AGENT, StaffRole.OPERATOR)]
    token = (await typed(agent, phone=BUYER)).partition("?")[2]
    assert (await operator.post("/console/calls", {"phone": BUYER})).status == 403
    assert (await operator.post("/console/find", {"q": BUYER})).status == 403
    assert (await operator.get(f"/console/calls?{token}")).status == 410
    assert 'name="phone"' not in (await operator.get("/console/calls")).html


@pytest.mark.parametrize(
    ("word", "query"),
    [
        ("chat-81", "conversation_id=chat-81"),
        ("u-2", "user_id=u-2"),
        (" L-42 ", "listing_id=L-42"),
        ("carrier-a", "trunk=carrier-a"),
        ("8 495 111-00-01", "number=%2B74951110001"),
        ("refund", "tag=refund"),
    ],
)
async def test_the_search_box_knows_what_a_name_is_of(lite: House, word: str, query: str) -> None:
    session = await lived(lite)
    call = record(0, session, Outcome.ANSWERED).call_id
    by = Tag("refund", START, "stf_1", "Olga")
    await lite.db.write(lambda conn: call_tags.add(conn, call, by))
    desk = await Desk.of(lite, StaffRole.AGENT)

    found = await desk.post("/console/find", {"q": word})

    assert (found.status, found.location) == (303, f"/console/calls?{query}")
    assert rows(await desk.get(found.location)) == (1 if word == "refund" else 3)


async def test_the_search_box_finds_by_phone_by_call_and_by_session(lite: House) -> None:
    session = await lived(lite)
    lite.memory.phones.add(SELLER)
    desk = await Desk.of(lite, StaffRole.AGENT)
    by_phone = await desk.post("/console/find", {"q": "+7 926 765-43-21"})
    assert rows(await desk.get(by_phone.location)) == 3
    by_session = await desk.post("/console/find", {"q": session})
    assert by_session.location == f"/console/calls?session_id={session}"
    call = record(0, session, Outcome.ANSWERED).call_id
    assert (await desk.post("/console/find", {"q": call})).location == f"/console/calls/{call}"
    assert (await desk.post("/console/find", {"q": "what is this"})).status == 404
