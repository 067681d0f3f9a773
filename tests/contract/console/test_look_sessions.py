"""Sessions in the console: found, shown without numbers, changed once and with an audit entry."""

from __future__ import annotations

import pytest

from masking.staff import StaffRole
from storage.audit import Action
from tests.contract.api.house import BUYER, SELLER, House, session
from tests.contract.console.look import Fields, Seat, kept, sent

COURIER = "+79031112233"


async def opened(house: House, **changes: object) -> str:
    """A session, opened by the platform."""
    made = await house.open_session(**changes)
    return str(made["id"])


@pytest.mark.parametrize(
    "address", ["conversation_id=chat-81", "listing_id=L-42", "user_id=u-2", "state=open"]
)
async def test_a_session_is_found_by_what_it_is_about(
    lite: House, desk: Seat, address: str
) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    agent = await desk(StaffRole.AGENT)

    found = await agent.get(f"/console/sessions?{address}")
    other = await agent.get("/console/sessions?conversation_id=another&state=closed")

    assert found.status == 200
    assert f"/console/sessions/{wanted}" in found.links()
    assert "No sessions are like that" in other.words


async def test_what_is_typed_becomes_an_address_and_an_id_leads_to_its_session(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    agent = await desk(StaffRole.AGENT)
    find = "/console/sessions/find"

    found = await agent.post(find, {"conversation_id": " chat-81 ", "user_id": "", "state": "open"})
    itself = await agent.post(find, {"id": wanted})
    nowhere = await agent.post(find, {"id": f"ses_{'0' * 26}"})

    assert found.location == "/console/sessions?conversation_id=chat-81&state=open"
    assert itself.location == f"/console/sessions/{wanted}"
    assert nowhere.status == 404


@pytest.mark.parametrize(
    ("page", "field"),
    [
        *(("sessions", one) for one in ("conversation_id", "listing_id", "user_id", "id")),
        ("blocks", "user_id"),
    ],
)
async def test_a_phone_that_is_typed_as_an_id_gets_into_no_address_and_not_back_onto_the_page(
    lite: House, desk: Seat, page: str, field: str
) -> None:
    agent = await desk(StaffRole.AGENT)
    lite.memory.phones.add(COURIER)

    refused = await agent.post(f"/console/{page}/find", {field: COURIER})

    assert refused.status == 422


async def test_a_session_shows_cards_and_proxy_numbers_and_no_phone(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    agent = await desk(StaffRole.AGENT)

    shown = await agent.get(f"/console/sessions/{wanted}")

    assert shown.status == 200
    for text in ("Anna", "Petr", "Lada Vesta 2019", "+7 495 111-00-01", "hidden number", "live"):
        assert text in shown.words, text
    assert BUYER not in shown.html
    assert SELLER not in shown.html
    assert "Close…" not in shown.words, "an agent only looks"


async def test_a_phone_is_searched_by_form_and_the_search_is_kept_but_not_the_phone(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    agent = await desk(StaffRole.AGENT)

    found = await agent.post("/console/sessions/by-phone", {"phone": "+7 (916) 123-45-67"})
    wrong = await agent.post("/console/sessions/by-phone", {"phone": "12"})

    assert f"/console/sessions/{wanted}" in found.links()
    assert wrong.status == 422
    (entry,) = await kept(lite, Action.PHONE_SEARCHED)
    assert entry.actor.id == (agent.account and agent.account.id)
    assert entry.facts == {"found": 1}


async def test_an_operator_does_not_search_by_phone(lite: House, desk: Seat) -> None:
    operator = await desk(StaffRole.OPERATOR)

    page = await operator.get("/console/sessions")
    refused = await operator.post("/console/sessions/by-phone", {"phone": "+79161234567"})

    assert "by a person's phone" not in page.words
    assert refused.status == 403
    (entry,) = await kept(lite, Action.PHONE_SEARCHED)
    assert entry.refused


async def test_closing_says_what_it_means_is_done_once_and_remembered(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    supervisor = await desk(StaffRole.SUPERVISOR)
    path = f"/console/sessions/{wanted}/close"

    asked = await supervisor.get(path)
    done, form = await sent(supervisor, path)
    again = await supervisor.post(path, form)

    assert "can no longer call each other" in asked.words
    assert done.status == again.status == 303
    assert "The session is closed" in (await supervisor.get(done.location)).words
    reply = await lite.ask("GET", f"/v1/sessions/{wanted}")
    assert reply.json()["state"] == "closed"
    (entry,) = await kept(lite, Action.SESSION_CHANGED)
    assert (entry.object_id, entry.facts) == (wanted, {"what": "closed"})
    assert entry.actor.id == (supervisor.account and supervisor.account.id)


async def test_a_form_without_its_mark_changes_nothing(lite: House, desk: Seat) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    supervisor = await desk(StaffRole.SUPERVISOR)

    refused = await supervisor.post(f"/console/sessions/{wanted}/close", {})

    assert refused.status == 422
    assert (await lite.ask("GET", f"/v1/sessions/{wanted}")).json()["state"] == "open"


async def test_an_agent_closes_nothing_and_the_try_is_kept(lite: House, desk: Seat) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    agent = await desk(StaffRole.AGENT)

    refused = await agent.post(f"/console/sessions/{wanted}/close", {"once": "0" * 32})

    assert refused.status == 403
    (entry,) = await kept(lite, Action.SESSION_CHANGED)
    assert entry.refused
    assert entry.object_id == wanted


async def test_a_session_is_extended_but_not_beyond_its_hard_end(lite: House, desk: Seat) -> None:
    await lite.furnish()
    wanted = await opened(lite, ttl_s=3600, hard_ttl_s=172_800)
    supervisor = await desk(StaffRole.SUPERVISOR)
    path = f"/console/sessions/{wanted}/extend"

    done, _ = await sent(supervisor, path, {"hours": "24"})
    refused, _ = await sent(supervisor, path, {"hours": "720"})
    nonsense, _ = await sent(supervisor, path, {"hours": "5"})

    assert done.status == 303
    reply = await lite.ask("GET", f"/v1/sessions/{wanted}")
    assert reply.json()["expires_at"] == "2026-11-23T10:00:00Z"
    assert (refused.status, nonsense.status) == (409, 422)
    assert "nothing moves" in refused.words
    (entry,) = await kept(lite, Action.SESSION_CHANGED)
    assert entry.facts == {"what": "extended", "hours": 24}


async def test_a_courier_joins_with_a_session_of_their_own_to_each(lite: House, desk: Seat) -> None:
    await lite.furnish("+74951110001", "+74951110002")
    wanted = await opened(lite, hard_ttl_s=172_800)
    supervisor = await desk(StaffRole.SUPERVISOR)
    lite.memory.phones.add(COURIER)
    path = f"/console/sessions/{wanted}/join"
    courier: Fields = {
        "role": "courier",
        "user_id": "u-9",
        "name": "Oleg",
        "phone": COURIER,
        "reach": ["buyer", "seller"],
    }

    done, form = await sent(supervisor, path, courier)
    again = await supervisor.post(path, form)

    assert done.status == again.status == 303
    reply = await lite.ask("GET", "/v1/sessions?conversation_id=chat-81&user_id=u-9")
    made = reply.json()["items"]
    assert sorted(sorted(one["role"] for one in each["participants"]) for each in made) == [
        ["buyer", "courier"],
        ["courier", "seller"],
    ]
    assert {each["expires_at"] for each in made} == {"2026-11-23T10:00:00Z"}
    assert {each["hard_expires_at"] for each in made} == {"2026-11-24T10:00:00Z"}
    shown = await supervisor.get(done.location)
    assert "Other sessions of the conversation" in shown.words
    assert "Oleg" in shown.words
    (entry,) = await kept(lite, Action.SESSION_CHANGED)
    assert entry.facts["what"] == "joined"


async def test_who_joins_reaches_all_or_nobody(lite: House, desk: Seat) -> None:
    await lite.furnish()  # one number, which both hold already
    wanted = await opened(lite)
    supervisor = await desk(StaffRole.SUPERVISOR)
    lite.memory.phones.add(COURIER)
    form: Fields = {
        "role": "courier",
        "user_id": "u-9",
        "phone": COURIER,
        "reach": ["buyer", "seller"],
    }

    refused, _ = await sent(supervisor, f"/console/sessions/{wanted}/join", form)

    assert "The pool has no number left" in refused.words
    assert not (await lite.ask("GET", "/v1/sessions?user_id=u-9")).json()["items"]
    assert not await kept(lite, Action.SESSION_CHANGED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"user_id": "u-1"}, "takes part already"),
        ({"name": f"call {COURIER}"}, "nobody's phone among them"),
        ({"phone": "12"}, "whole number with its country code"),
        ({"reach": []}, "Choose at least one"),
    ],
)
async def test_who_cannot_join_is_told_why_at_the_field(
    lite: House, desk: Seat, change: Fields, words: str
) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    supervisor = await desk(StaffRole.SUPERVISOR)
    path = f"/console/sessions/{wanted}/join"
    usual: Fields = {"role": "courier", "user_id": "u-9", "phone": COURIER, "reach": ["buyer"]}

    refused, _ = await sent(supervisor, path, {**usual, **change})

    assert refused.status == 422
    assert words in refused.words
    assert not (await lite.ask("GET", "/v1/sessions?user_id=u-9")).json()["items"]


async def test_nothing_of_a_session_that_is_over_can_be_changed(lite: House, desk: Seat) -> None:
    await lite.furnish()
    wanted = await opened(lite)
    await lite.ask("DELETE", f"/v1/sessions/{wanted}")
    supervisor = await desk(StaffRole.SUPERVISOR)

    for what in ("close", "extend", "join"):
        assert (await supervisor.get(f"/console/sessions/{wanted}/{what}")).status == 409
    assert "Close…" not in (await supervisor.get(f"/console/sessions/{wanted}")).words


async def test_what_a_platform_wrote_is_text_and_never_markup(lite: House, desk: Seat) -> None:
    await lite.furnish()
    people = session()["participants"]
    people[0]["name"] = "<img src=x onerror=alert(1)>"
    people[0]["facts"] = {"<b>fact</b>": '"><script>alert(2)</script>'}
    wanted = await opened(lite, participants=people, listing={"id": "L-1", "title": "<i>car</i>"})
    agent = await desk(StaffRole.AGENT)

    for path in (f"/console/sessions/{wanted}", "/console/sessions"):
        html = (await agent.get(path)).html
        assert "<img src=x" not in html
        assert "<script>alert" not in html
        assert "<i>car" not in html
