"""A call's page: what happened in words, everything that was made of it, and nobody's phone."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from cdr import notices, people
from cdr.model import CallRecord
from masking.model import Phone, Role
from masking.outcome import Outcome
from masking.staff import StaffRole
from storage import audit, outbox
from storage.audit import Action, Kept
from tests.contract.api.house import BUYER, SELLER, House, LiveCallDouble, session
from tests.contract.api.recorded import keep, record
from tests.support.console import Desk, Shown

Seat = Callable[[StaffRole], Awaitable[Desk]]


async def called(
    house: House, number: int = 1, outcome: Outcome = Outcome.ANSWERED, **changes: object
) -> CallRecord:
    """A call of a session that is opened for it."""
    if "session_id" not in changes:
        await house.furnish()
        changes["session_id"] = (await house.open_session())["id"]
    made = replace(record(number, None, outcome), **changes)  # type: ignore[arg-type]
    await keep(house, made)
    return made


async def kept(house: House, action: Action) -> tuple[Kept, ...]:
    """What the audit log says of this."""
    page = await house.db.read(lambda conn: audit.page(conn, audit.Filter(action=action)))
    return page.items


def once(page: Shown, action: str) -> str:
    """The hidden field of the form for `action`."""
    found = re.search(
        rf'<form action="{action}".*?name="once" value="([0-9a-f]{{32}})"', page.html, re.DOTALL
    )
    assert found is not None, f"no form for {action}"
    return found[1]


async def test_the_page_says_what_happened_and_names_nobody_s_phone(
    lite: House, desk: Seat
) -> None:
    call = await called(lite)
    agent = await desk(StaffRole.AGENT)

    page = await agent.get(f"/console/calls/{call.call_id}")

    assert page.status == 200, page.words
    for words in (
        "The buyer dials",
        "The seller is called by phone through carrier-a.",
        "The seller: it rings on the phone.",
        "The seller answers on the phone.",
        "The buyer hangs up (an ordinary end).",
        "They talked for 1 min 2 s.",
    ):
        assert words in page.words
    for phone in (BUYER, SELLER):
        assert phone not in page.html
        assert phone[1:] not in page.html


async def test_the_page_is_in_the_visitor_s_language(lite: House) -> None:
    call = await called(lite)
    agent = await Desk.of(lite, StaffRole.AGENT, language="ru")

    page = await agent.get(f"/console/calls/{call.call_id}")

    assert "Покупатель кладёт трубку (обычное завершение)." in page.words
    assert "Разговор длился 1 мин 2 с." in page.words


async def test_that_a_call_was_looked_at_is_remembered(lite: House, desk: Seat) -> None:
    call = await called(lite)
    agent = await desk(StaffRole.AGENT)
    await agent.get(f"/console/calls/{call.call_id}")

    (entry,) = await kept(lite, Action.CALL_VIEWED)
    assert agent.account is not None
    assert (entry.entry.actor.id, entry.entry.object_id) == (agent.account.id, call.call_id)


async def test_what_is_no_call_is_not_found_and_not_remembered(lite: House, desk: Seat) -> None:
    agent = await desk(StaffRole.AGENT)

    assert (await agent.get(f"/console/calls/cal_{'0' * 26}")).status == 404
    assert await kept(lite, Action.CALL_VIEWED) == ()


async def test_a_call_that_is_still_up_says_so(lite: House, desk: Seat) -> None:
    up = "cal_" + "1" * 26
    lite.node.calls = {up: LiveCallDouble(up, lite.clock())}
    agent = await desk(StaffRole.AGENT)

    page = await agent.get(f"/console/calls/cal_{'1' * 26}")

    assert page.status == 404
    assert "still going on" in page.words


async def test_entries_and_notices_made_of_the_call_are_shown(lite: House, desk: Seat) -> None:
    call = await called(lite, outcome=Outcome.MISSED, answered_at=None, talk_ms=0)

    def tell(conn: Connection) -> None:
        known = people.parties_of(conn, {call.session_id or ""})[call.session_id or ""]
        outbox.owe_all(conn, tuple(notices.notices_of(call, known)))

    await lite.db.write(tell)
    page = await (await desk(StaffRole.AGENT)).get(f"/console/calls/{call.call_id}")

    assert "chat-81" in page.words
    assert "incoming, missed, not seen yet" in page.words
    assert "call.ended" in page.words
    assert "call.missed" in page.words
    assert "You missed a call" in page.words


async def test_earlier_and_later_calls_of_the_pair_are_there_and_nobody_else_s(
    lite: House, desk: Seat
) -> None:
    first = await called(lite, 1)
    session = first.session_id
    second = await called(lite, 2, Outcome.MISSED, session_id=session)
    back = await called(
        lite, 3, session_id=session, caller_role=Role.SELLER, callee_role=Role.BUYER
    )
    stranger = await called(lite, 4, Outcome.FAILED, session_id=None, attempts=(), legs=())
    agent = await desk(StaffRole.AGENT)

    links = (await agent.get(f"/console/calls/{second.call_id}")).links()

    assert f"/console/calls/{first.call_id}" in links
    assert f"/console/calls/{back.call_id}" in links
    assert f"/console/calls/{stranger.call_id}" not in links


async def test_a_stranger_s_calls_are_found_by_their_phone(lite: House, desk: Seat) -> None:
    vault = lite.services.vault
    strange = {
        "session_id": None,
        "caller_role": None,
        "callee_role": None,
        "attempts": (),
        "legs": (),
        "answered_at": None,
        "reason": "unknown_caller",
    }
    sealed = {"caller_sealed": vault.seal(Phone(BUYER)), "caller_index": vault.index(Phone(BUYER))}
    other = {
        "caller_sealed": vault.seal(Phone(SELLER)),
        "caller_index": vault.index(Phone(SELLER)),
    }
    one = await called(lite, 1, Outcome.FAILED, **strange, **sealed)
    two = await called(lite, 2, Outcome.FAILED, **strange, **sealed)
    three = await called(lite, 3, Outcome.FAILED, **strange, **other)

    page = await (await desk(StaffRole.AGENT)).get(f"/console/calls/{one.call_id}")

    assert f"/console/calls/{two.call_id}" in page.links()
    assert f"/console/calls/{three.call_id}" not in page.links()
    assert "nobody with this phone has a conversation on this number" in page.words


# -- numbers ------------------------------------------------------------------------------------


async def reveal(desk: Desk, call: CallRecord, side: str, reason: str = "ticket 4711") -> Shown:
    """Ask for a phone, and take the answer out of what is searched for phones."""
    path = f"/console/calls/{call.call_id}/reveal/{side}"
    answer = await desk.post(path, {"reason": reason}, partial=True)
    desk.house.memory.answers.pop()
    return answer


async def test_a_number_is_revealed_for_a_reason_and_the_log_says_so(
    lite: House, desk: Seat
) -> None:
    call = await called(lite)
    chief = await desk(StaffRole.SUPERVISOR)

    shown = [(await reveal(chief, call, side)) for side in ("caller", "callee")]

    assert [one.words for one in shown] == [BUYER, SELLER]
    assert {one.reply.headers["Cache-Control"] for one in shown} == {"no-store, private"}
    callee, caller = await kept(lite, Action.NUMBER_REVEALED)
    assert (caller.entry.object_kind, caller.entry.object_id) == ("call", call.call_id)
    assert caller.entry.reason == "ticket 4711"
    assert (caller.entry.facts, callee.entry.facts) == ({"side": "caller"}, {"side": "callee"})
    assert chief.account is not None
    assert caller.entry.actor.id == chief.account.id


@pytest.mark.parametrize("reason", ["", "  ", "ab", "x" * 501])
async def test_without_a_reason_no_number_is_revealed(lite: House, desk: Seat, reason: str) -> None:
    call = await called(lite)

    refused = await reveal(await desk(StaffRole.SUPERVISOR), call, "caller", reason)

    assert refused.status == 422
    assert BUYER not in refused.html
    assert await kept(lite, Action.NUMBER_REVEALED) == ()


@pytest.mark.parametrize("role", [StaffRole.AGENT, StaffRole.OPERATOR])
async def test_who_may_not_reveal_is_refused_and_remembered(
    lite: House, desk: Seat, role: StaffRole
) -> None:
    call = await called(lite)
    somebody = await desk(role)

    assert "/reveal/" not in (await somebody.get(f"/console/calls/{call.call_id}")).html
    refused = await reveal(somebody, call, "caller")

    assert refused.status == 403
    assert BUYER not in refused.html
    (entry,) = await kept(lite, Action.NUMBER_REVEALED)
    assert entry.entry.refused


async def test_no_number_goes_out_where_the_log_cannot_be_written(
    lite: House, desk: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await called(lite)
    chief = await desk(StaffRole.SUPERVISOR)

    def broken(*_: object) -> int:
        raise LookupError

    monkeypatch.setattr(audit, "append", broken)
    refused = await reveal(chief, call, "caller")

    assert refused.status == 500
    assert BUYER not in refused.html


async def test_a_phone_that_was_erased_is_said_not_to_be_kept(lite: House, desk: Seat) -> None:
    call = await called(lite)
    await lite.ask("POST", "/v1/users/u-1/erasure", role="platform")
    chief = await desk(StaffRole.SUPERVISOR)

    page = await chief.get(f"/console/calls/{call.call_id}")
    refused = await reveal(chief, call, "caller")

    assert "reveal/caller" not in page.html
    assert "reveal/callee" in page.html
    assert refused.status == 404


# -- what staff write ---------------------------------------------------------------------------


async def write(desk: Desk, call: CallRecord, what: str, **fields: str) -> Shown:
    """Open the call's page, send one of its forms, and open the page again."""
    path = f"/console/calls/{call.call_id}"
    form = {"once": once(await desk.get(path), f"{path}/{what}"), **fields}
    answer = await desk.post(f"{path}/{what}", form)
    assert answer.status == 303, answer.words
    return await desk.get(path)


async def test_a_note_is_kept_with_who_and_when_without_phones(lite: House, desk: Seat) -> None:
    call = await called(lite)
    agent = await desk(StaffRole.AGENT)

    page = await write(agent, call, "notes", text=f"Says nobody called {BUYER}", about="caller")

    assert "Says nobody called [digits struck out]" in page.words
    assert agent.account is not None
    assert f"About: the caller · {agent.account.name}" in page.words
    (entry,) = await kept(lite, Action.CALL_NOTED)
    assert entry.entry.facts == {"what": "note", "kept": True}


async def test_a_form_that_is_sent_twice_writes_once(lite: House, desk: Seat) -> None:
    call = await called(lite)
    agent = await desk(StaffRole.AGENT)
    path = f"/console/calls/{call.call_id}"
    page = await agent.get(path)
    form = {"once": once(page, f"{path}/notes"), "text": "only once", "about": ""}

    answers = [(await agent.post(f"{path}/notes", form)).status for _ in range(2)]

    assert answers == [303, 303]
    assert (await agent.get(path)).words.count("only once") == 1


async def test_tags_are_put_and_taken_away(lite: House, desk: Seat) -> None:
    call = await called(lite)
    agent = await desk(StaffRole.AGENT)

    page = await write(agent, call, "tags", tag="Refund asked")
    assert "/console/calls?tag=refund-asked" in page.links()
    page = await write(agent, call, "tags/remove", tag="refund-asked")
    assert "/console/calls?tag=refund-asked" not in page.links()
    bad = await agent.post(
        f"/console/calls/{call.call_id}/tags", {"once": "0" * 32, "tag": "79161234567"}
    )
    assert bad.status == 422


async def test_a_disposition_says_who_set_it(lite: House, desk: Seat) -> None:
    call = await called(lite)
    agent = await desk(StaffRole.AGENT)

    await write(agent, call, "disposition", disposition="call_back")
    page = await write(agent, call, "disposition", disposition="resolved")

    assert agent.account is not None
    assert f"Resolved {agent.account.name}" in page.words
    assert f"Before To be called back {agent.account.name}" in page.words


async def test_a_complaint_is_opened_by_an_agent_and_decided_by_a_supervisor(
    lite: House, desk: Seat
) -> None:
    call = await called(lite)
    agent, chief = await desk(StaffRole.AGENT), await desk(StaffRole.SUPERVISOR)

    page = await write(agent, call, "complaints", about="callee", kind="fraud", text="Wants money")
    assert "open Fraud , about the callee Wants money" in page.words
    assert "/decision" not in page.html
    decided = await write(
        chief, call, "complaints/1/decision", state="upheld", why="Twice now", seen="0"
    )

    assert "upheld Fraud" in decided.words
    assert "Twice now" in decided.words
    what = [one.entry.facts["what"] for one in await kept(lite, Action.COMPLAINT_CHANGED)]
    assert what == ["upheld", "opened"]


async def test_a_complaint_that_moved_on_is_not_decided_unseen(lite: House, desk: Seat) -> None:
    call = await called(lite)
    chief = await desk(StaffRole.SUPERVISOR)
    await write(chief, call, "complaints", about="callee", kind="spam", text="")
    path = f"/console/calls/{call.call_id}/complaints/1/decision"
    form = {"state": "rejected", "why": "", "seen": "0"}

    first = await chief.post(path, {"once": "a" * 32, **form})
    late = await chief.post(path, {"once": "b" * 32, **form})

    assert (first.status, late.status) == (303, 409)


async def test_an_operator_reads_notes_and_writes_none(lite: House, desk: Seat) -> None:
    call = await called(lite)
    await write(await desk(StaffRole.AGENT), call, "notes", text="read me", about="")
    operator = await desk(StaffRole.OPERATOR)
    path = f"/console/calls/{call.call_id}"

    page = await operator.get(path)

    assert "read me" in page.words
    assert f"{path}/notes" not in page.html
    assert (await operator.post(f"{path}/notes", {"text": "x"})).status == 403


async def test_what_a_platform_or_staff_wrote_is_never_markup(lite: House, desk: Seat) -> None:
    await lite.furnish()
    evil = "<img src=x onerror=alert(1)>"
    people_ = [dict(one, name=evil) for one in session()["participants"]]
    opened = await lite.open_session(
        participants=people_, listing={"id": "L-1", "title": f"{evil} 12345678"}
    )
    call = await called(lite, session_id=opened["id"])
    agent = await desk(StaffRole.AGENT)

    page = await write(agent, call, "notes", text=evil, about="")

    assert "<img" not in page.html
    assert page.html.count("&lt;img src=x") >= 4
    text = page.html[page.html.index('<textarea id="call-as-text"') :]
    assert "[digits struck out] (L-1)" in text[: text.index("</textarea>")]
