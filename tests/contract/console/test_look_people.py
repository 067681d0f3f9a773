"""Blocks and complaints in the console."""

from __future__ import annotations

from masking.outcome import EndedBy
from masking.staff import StaffRole
from storage import complaints
from storage.audit import Action
from storage.call_notes import By
from storage.complaints import Kind
from tests.contract.api.house import START, House
from tests.contract.console.look import Seat, kept, sent

PHONE = "+79031112233"


async def test_a_block_is_set_once_shown_and_lifted(lite: House, desk: Seat) -> None:
    supervisor = await desk(StaffRole.SUPERVISOR)
    lite.memory.phones.add(PHONE)
    block = {"user_id": "u-2", "blocked_user_id": "u-1", "reason": f"rude, calls from {PHONE}"}

    done, form = await sent(supervisor, "/console/blocks/add", block)
    again = await supervisor.post("/console/blocks/add", form)
    listed = await supervisor.get("/console/blocks?user_id=u-2")
    (lift,) = [link for link in listed.links() if "/lift" in link]
    lifted, _ = await sent(supervisor, lift, {"user_id": "u-2", "blocked_user_id": "u-1"})

    assert done.status == again.status == lifted.status == 303
    assert "rude, calls from [digits struck out]" in listed.words
    assert not (await lite.ask("GET", "/v1/blocks")).json()["items"]
    entries = await kept(lite, Action.BLOCK_CHANGED)
    assert [one.facts["what"] for one in entries] == ["lifted", "set"]
    assert entries[0].object_id == lite.services.vault.person_ref("u-2")


async def test_a_block_that_is_gone_cannot_be_lifted(lite: House, desk: Seat) -> None:
    supervisor = await desk(StaffRole.SUPERVISOR)
    pair = {"user_id": "u-2", "blocked_user_id": "u-1"}

    refused, _ = await sent(
        supervisor, "/console/blocks/lift?user_id=u-2&blocked_user_id=u-1", pair
    )

    assert refused.status == 404
    assert not await kept(lite, Action.BLOCK_CHANGED)


async def test_nobody_is_blocked_for_themselves(lite: House, desk: Seat) -> None:
    supervisor = await desk(StaffRole.SUPERVISOR)
    block = {"user_id": "u-2", "blocked_user_id": "u-2"}

    refused, _ = await sent(supervisor, "/console/blocks/add", block)

    assert refused.status == 422
    assert "give another user's id than the first" in refused.words


async def test_an_agent_sees_blocks_and_sets_none(lite: House, desk: Seat) -> None:
    block = {"user_id": "u-2", "blocked_user_id": "u-1", "reason": "<b>spam</b>"}
    await lite.ask("POST", "/v1/blocks", block)
    agent = await desk(StaffRole.AGENT)

    listed = await agent.get("/console/blocks")

    assert "<b>spam</b>" in listed.words
    assert "<b>spam" not in listed.html
    assert "Block…" not in listed.words
    assert (await agent.get("/console/blocks/add")).status == 403


async def test_complaints_are_listed_by_state_with_the_way_to_their_call(
    lite: House, desk: Seat
) -> None:
    by = By("stf_1", "Olga", START)
    await lite.db.write(
        lambda conn: complaints.add(
            conn, "call_1", EndedBy.CALLER, Kind.FRAUD, "<i>asked for a code</i>", by
        )
    )
    agent = await desk(StaffRole.AGENT)

    shown = await agent.get("/console/complaints")
    upheld = await agent.get("/console/complaints?state=upheld")

    assert "/console/calls/call_1" in shown.links()
    for words in ("Fraud", "Olga", "<i>asked for a code</i>", "open"):
        assert words in shown.words, words
    assert "<i>asked" not in shown.html
    assert "No complaints are like that" in upheld.words
