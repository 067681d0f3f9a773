"""Sessions, blocks and complaints, each looked up and changed by staff as they would do it.

What a page says was done is then asked of the phones.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.call_centre import AGENT, SUPERVISOR, CallCentre
from tests.support.planted import phone_spellings


async def test_a_session_is_found_extended_and_closed(centre: CallCentre) -> None:
    stage, session = centre.scene.stage, await centre.talked()
    window = await centre.window(SUPERVISOR)
    page = window.page

    # By the user, the conversation, and a phone typed in full, which stays out of the address.
    for name, typed in (
        ("user_id", session.seller_id),
        ("conversation_id", session.conversation_id),
        ("phone", session.buyer),
    ):
        await window.go("/console/sessions")
        await page.locator(f"input[name={name}]").fill(typed)
        await page.keyboard.press("Enter")
        found = page.locator("#look-found")
        if name == "phone":
            await found.get_by_text("Sessions in which this phone calls").wait_for()
        else:
            await page.wait_for_url(f"**?{name}=**")
        assert await found.locator("tbody tr").count() == 1, name
        assert session.conversation_id in await found.inner_text()
        assert list(phone_spellings(session.buyer, page.url.encode())) == []
    await page.locator("tbody .look-id").click()
    await page.wait_for_url(f"**/console/sessions/{session.id}")
    assert "Answered" in await window.text()

    # A click too many extends it once.
    await page.get_by_role("link", name="Extend…").click()
    await page.get_by_label("3 days").check()
    await page.get_by_role("button", name="Set the new end").dblclick()
    await page.wait_for_url("**done=extended")
    assert "The session has a new end." in await window.text()
    told = await stage.ask("GET", f"/v1/sessions/{session.id}")
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=3, minutes=-5) < left <= timedelta(days=3)
    assert await centre.deeds("session.changed", session.id) == ["extended"]

    await page.get_by_role("link", name="Close…").click()
    assert "a late caller hears that the number no longer serves" in await window.text()
    await page.get_by_role("button", name="Close the session").click()
    await page.wait_for_url("**done=closed")
    assert await page.locator("h1 .badge").inner_text() == "closed"
    assert await page.get_by_role("link", name="Extend…").count() == 0
    assert await centre.deeds("session.changed", session.id) == ["closed", "extended"]

    call = await stage.dial(session.buyer_dials, session.buyer)
    await stage.refused(call, centre.scene.open.language, "no-longer-serves")


async def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(
    centre: CallCentre,
) -> None:
    window = await centre.window(SUPERVISOR)
    page = window.page
    await window.go("/console/sessions")
    conversation, user = page.locator("#f-conversation_id"), page.locator("#f-user_id")
    await conversation.fill("chat-of-yesterday")
    await user.fill("Anna Petrova")
    await page.get_by_role("button", name="Find", exact=True).click()
    hint = page.locator(".field.wrong .hint")
    await hint.wait_for()

    assert "letters, digits and" in await hint.inner_text()
    assert await user.get_attribute("aria-invalid") == "true"
    assert await user.get_attribute("aria-describedby") == await hint.get_attribute("id")
    assert await user.evaluate("(field) => field === document.activeElement")
    typed = [await one.input_value() for one in (conversation, user)]
    assert typed == ["chat-of-yesterday", "Anna Petrova"]

    phone = page.locator("#f-phone")
    await phone.fill("8 916 12")
    await page.keyboard.press("Enter")
    wrong = page.locator(".field.wrong", has=phone)
    await wrong.get_by_text("Give the whole number with its country code").wait_for()
    assert await phone.input_value() == "8 916 12"
    session = centre.scene.sessions["answered"]
    await phone.fill(session.seller)
    await page.keyboard.press("Enter")
    await page.get_by_text("Sessions in which this phone calls").wait_for()
    assert await wrong.count() == 0, "what was said before is taken back"
    assert "The search is noted" in await page.locator("#f-phone-hint").inner_text()
    assert session.conversation_id in await page.locator("#look-found").inner_text()
    assert await phone.input_value() == session.seller, "typed, and still where it was"

    # Who joins is typed whole again by nobody because of one field.
    await window.go(f"/console/sessions/{session.id}/join")
    mine = {"user_id": session.buyer_id, "name": "Kolya", "phone": centre.scene.stage.person()}
    for name, value in mine.items():
        await page.locator(f"#f-{name}").fill(value)
    await page.get_by_role("button", name="Add to the conversation").click()
    await page.get_by_text("This user takes part already").wait_for()
    for name, value in mine.items():
        assert await page.locator(f"#f-{name}").input_value() == value
    assert await centre.deeds("session.changed", session.id) == []


async def test_one_is_blocked_for_the_other_and_again_not(centre: CallCentre) -> None:
    stage, session = centre.scene.stage, await centre.talked()
    window = await centre.window(SUPERVISOR)
    page = window.page
    await window.go(f"/console/sessions/{session.id}")
    buyer = page.get_by_role("region", name="Buyer")
    await buyer.get_by_role("link", name="Block for the other…").click()
    assert await page.locator("#f-user_id").input_value() == session.seller_id
    assert await page.locator("#f-blocked_user_id").input_value() == session.buyer_id
    await page.locator("#f-reason").fill("threats")
    await page.get_by_role("button", name="Block", exact=True).dblclick()
    await page.wait_for_url("**done=set")
    assert "threats" in await window.text()

    call = await stage.dial(session.buyer_dials, session.buyer)
    await stage.refused(call, centre.scene.open.language, "blocked")
    await window.go(f"/console/sessions/{session.id}")
    notice = page.locator(".notice", has_text="Seller has blocked Buyer: threats")
    await notice.get_by_role("link", name="Lift…").click()
    await page.get_by_role("button", name="Lift the block").dblclick()
    await page.wait_for_url("**done=lifted")
    assert session.buyer_id not in await window.text()

    talk = await stage.reach(session.buyer_dials, session.buyer, session.seller)
    await talk.end()
    changes = await centre.scene.stage.maskline.ask("GET", "/v1/audit", action="block.changed")
    assert [one["facts"]["what"] for one in changes["items"][:2]] == ["lifted", "set"]


async def test_a_complaint_is_opened_by_an_agent_and_decided_by_a_supervisor(
    centre: CallCentre,
) -> None:
    call_id = centre.scene.call_id("busy")
    agent = await centre.window(AGENT)
    await agent.go(f"/console/calls/{call_id}")
    complaints = agent.page.locator("#complaints")
    await complaints.get_by_text("Open a complaint").click()
    await complaints.locator("select[name=kind]").select_option("fraud")
    await complaints.locator("#f-complaint").fill("Asked for the code of the bank")
    await complaints.get_by_role("button", name="Open the complaint").click()
    await complaints.get_by_text("Asked for the code of the bank").wait_for()
    assert await complaints.get_by_text("Decide").count() == 0, "an agent decides none"

    window = await centre.window(SUPERVISOR)
    page = window.page
    await window.go("/console/complaints")
    await page.get_by_role("link", name="open", exact=True).click()
    row = page.locator("tbody tr", has_text="Asked for the code of the bank")
    assert "Fraud" in await row.inner_text()
    assert AGENT.name in await row.inner_text()
    await row.locator("a").last.click()
    await page.wait_for_url(f"**/console/calls/{call_id}**")
    decision = page.locator("#complaints")
    await decision.locator("summary", has_text="Decide").click()
    await decision.locator("textarea[name=why]").fill("Two others say the same")
    await decision.get_by_role("button", name="Uphold").dblclick()
    await decision.get_by_text("Two others say the same").wait_for()

    await agent.go("/console/complaints?state=upheld")
    row = agent.page.locator("tbody tr", has_text="Asked for the code of the bank")
    assert "Two others say the same" in await row.inner_text()
    await agent.go("/console/complaints?state=open")
    assert await row.count() == 0
