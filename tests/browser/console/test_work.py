"""A day's work in the console, each piece as somebody of the staff would do it."""

from __future__ import annotations

import re
import time

from masking.staff import StaffRole
from maskline.demo import Answer
from tests.support.call_centre import ADMIN, AGENT, AGENT_RU, BY_ROLE, SUPERVISOR, CallCentre
from tests.support.console_scene import PLANT, PLANT_IN_ATTRIBUTE, PLANTS
from tests.support.console_window import StaffWindow
from tests.support.planted import phone_spellings
from tests.support.scene import CALLEES

CLIPBOARD = ["clipboard-read", "clipboard-write"]


async def test_the_seller_says_nobody_called_the_buyer_says_three_times(centre: CallCentre) -> None:
    """Found by what the buyer tells: a phone. Answered, and copied for the ticket, in 30 s."""
    story = centre.scene.story
    window = await centre.window(AGENT, permissions=CLIPBOARD)
    page = window.page
    begun = time.monotonic()

    await window.go("/console/calls")
    await page.keyboard.press("/")
    await page.keyboard.type(story.buyer)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/calls?**")
    rows = page.locator("#calls tbody tr")
    assert await rows.locator(".badge").all_inner_texts() == ["Missed"] * 3
    assert await rows.filter(has_text=story.seller_id).count() == 3
    assert list(phone_spellings(story.buyer, page.url.encode())) == []

    await rows.nth(0).locator("a").first.click()
    await page.wait_for_url("**/console/calls/cal_*")
    seen = await window.text()
    assert "it rings on the phone" in seen
    assert "The buyer hangs up before anybody answered" in seen
    assert "fail" not in seen
    assert "You missed a call" in seen
    pair = page.locator("#pair tbody tr")
    assert await pair.locator(".badge").all_inner_texts() == ["Missed"] * 3

    await page.locator("[data-copies]").click()
    copied: str = await page.evaluate("navigator.clipboard.readText()")
    took_s = time.monotonic() - begun
    assert centre.scene.call_id("story") in copied
    assert "it rings on the phone" in copied
    assert story.conversation_id in copied
    for phone in (story.buyer, story.seller):
        assert list(phone_spellings(phone, copied.encode())) == []
    assert took_s < 30

    # That somebody searched is remembered, and seen by a supervisor; not for whom.
    boss = await centre.window(SUPERVISOR)
    await boss.go("/console/audit?action=phone.searched")
    assert AGENT.name in await boss.text()
    assert list(phone_spellings(story.buyer, (await boss.page.content()).encode())) == []


async def test_what_a_role_may_not_do_is_not_on_its_page(centre: CallCentre) -> None:
    offers = {
        "reveal": "details.reveal",
        "listen": "#play",
        "note": "#f-note",
        "ladder": "#sip",
    }
    shown: dict[StaffRole, set[str]] = {}
    for role, who in BY_ROLE.items():
        window = await centre.window(who)
        await window.go(f"/console/calls/{centre.scene.call_id('recorded')}")
        shown[role] = {
            name for name, what in offers.items() if await window.page.locator(what).count()
        }
        menu = await window.page.locator("nav a").all_inner_texts()
        assert ("Accounts" in menu) is (role is StaffRole.ADMIN)
        assert ("Exports" in menu) is (role in {StaffRole.SUPERVISOR, StaffRole.ADMIN})
        await window.leave()
    assert shown == {
        StaffRole.AGENT: {"note"},
        StaffRole.SUPERVISOR: {"reveal", "listen", "note", "ladder"},
        StaffRole.OPERATOR: {"ladder"},
        StaffRole.ADMIN: {"reveal", "listen", "note", "ladder"},
    }


async def test_a_number_is_revealed_for_a_reason_and_seen_in_the_audit(centre: CallCentre) -> None:
    session = centre.scene.sessions["answered"]
    window = await centre.window(SUPERVISOR)
    page = window.page
    await window.go(f"/console/calls/{centre.scene.call_id('answered')}")
    hidden = page.locator(".call-side.callee .hidden-number")
    await hidden.locator("summary").click()
    await hidden.locator("input[name=reason]").fill(f"police asked {PLANT}")
    await hidden.locator("button[type=submit]").click()
    shown = page.locator("[data-revealed]")
    assert re.sub(r"\D", "", await shown.inner_text()) == session.seller[1:]
    assert await shown.count() == 1, "of the other one nothing"

    await page.reload()
    assert await shown.count() == 0, "hidden again"
    await window.go("/console/audit?action=number.revealed")
    assert f"police asked {PLANT}" in await window.text()
    assert await window.planted() == []
    answers = [what for url, what in window.served if "/reveal/" in url]
    assert len(answers) == 1
    assert b"cache-control: no-store" in answers[0].lower()


async def test_a_recording_is_heard_for_a_reason(centre: CallCentre) -> None:
    window = await centre.window(SUPERVISOR)
    page = window.page
    await window.go(f"/console/calls/{centre.scene.call_id('recorded')}")
    await page.locator("#play input[name=reason]").fill("a complaint")
    await page.locator("#play button").click()
    waves = page.locator(".call-wave svg")
    await waves.nth(1).wait_for()
    named = await waves.evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    assert [one.split(": ")[1] for one in named] == ["The caller", "The callee"]
    await page.locator("audio").evaluate("(sound) => { sound.muted = true; return sound.play(); }")

    async def sounds() -> bool:
        return bool(await page.locator("audio").evaluate("(sound) => sound.currentTime > 0.3"))

    await window.until(sounds, "heard")
    length = await page.locator("audio").evaluate("(sound) => sound.duration")
    assert 2 < length < 8

    await window.go("/console/audit?action=recording.played")
    assert "a complaint" in await window.text()


async def test_what_staff_write_is_shown_as_it_was_written(centre: CallCentre) -> None:
    call = f"/console/calls/{centre.scene.call_id('planted')}"
    window = await centre.window(AGENT)
    page = window.page
    await window.go(call)
    await page.locator("#f-note").fill("".join(PLANTS))
    await page.locator("#notes form button").click()
    await page.locator(".call-note", has_text="{{ 7 * 7 }}").wait_for()
    await page.locator("#tags input[name=tag]").fill("rude")
    await page.locator("#tags form.fields button").click()
    await page.locator(".tag", has_text="rude").wait_for()
    await page.locator("#complaints summary").click()
    await page.locator("#f-complaint").fill(PLANT_IN_ATTRIBUTE)
    await page.locator("#complaints details button").click()
    await page.locator(".call-complaint").wait_for()
    await window.go(call)

    seen = await window.text()
    assert "".join(PLANTS) in seen
    assert PLANT_IN_ATTRIBUTE in seen
    assert await window.planted() == []
    await window.go("/console/calls?tag=rude")
    assert await page.locator("#calls tbody tr").count() == 1
    await window.go("/console/complaints")
    assert PLANT_IN_ATTRIBUTE in await window.text()
    assert await window.planted() == []


async def test_a_call_is_seen_while_it_lasts(centre: CallCentre) -> None:
    scene = centre.scene
    window = await centre.window(SUPERVISOR)
    await window.go("/console/calls")
    board = await centre.window(ADMIN)
    await board.go("/console/board")
    session = scene.sessions["answered"]
    scene.carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEES), number=session.seller)

    call = await scene.dial(session)
    await call.wait_up()
    live = window.page.locator(".live tbody tr")
    await live.filter(has_text=session.conversation_id).wait_for()
    await board.page.locator("text=1 talking").first.wait_for()
    await call.hang_up()

    await live.first.wait_for(state="detached")
    for streaming in (window, board):
        assert streaming.streamed, "what comes in a stream is searched for phones as well"
    await scene.carrier.incoming()
    await scene.stage.maskline.recorded(session, 2)


async def test_a_filter_is_an_address_that_is_kept_and_shared(centre: CallCentre) -> None:
    window = await centre.window(AGENT)
    page = window.page
    await window.go("/console/calls")
    await page.locator("summary[data-key=f]").click()
    await page.locator("input[name=outcome][value=missed]").check()
    await page.locator("form.filters button").last.click()
    await page.wait_for_url("**outcome=missed**")
    await page.locator("summary", has_text="Views").click()
    await page.locator("form[action='/console/views'] input[name=name]").fill(f"Missed {PLANT}")
    await page.locator("form[action='/console/views'] input[name=shared]").check()
    await page.locator("form[action='/console/views'] button").click()
    address = page.url

    colleague = await centre.window(AGENT_RU)
    await colleague.go("/console/calls")
    await colleague.page.locator("nav.views a", has_text="Missed <img").click()
    await colleague.page.wait_for_url("**outcome=missed**")
    assert await _outcomes(colleague) == ["Пропущен"] * 3
    assert await colleague.planted() == []
    await colleague.go(address.removeprefix(colleague.base))
    assert await _outcomes(colleague) == ["Пропущен"] * 3


async def _outcomes(window: StaffWindow) -> list[str]:
    found = window.page.locator("#calls tbody tr .badge")
    return [one for one in await found.all_inner_texts() if not re.match(r"[\d.,]+$", one)]


async def test_what_is_filtered_is_exported_in_the_background(centre: CallCentre) -> None:
    window = await centre.window(SUPERVISOR)
    page = window.page
    await window.go("/console/calls?outcome=missed")
    await page.locator("summary", has_text="Export").click()
    form = page.locator("form[action='/console/exports']")
    await form.locator("input[name=reason]").fill("a monthly report")
    await form.locator("button").click()
    await page.wait_for_url("**/console/exports**")
    link = page.locator("main a[href$='/file']").first

    async def made() -> bool:
        if await link.count():
            return True
        await page.reload()
        return False

    await window.until(made, "exported")
    async with page.expect_download() as download:
        await link.click()
    lines = (await (await download.value).path()).read_text().splitlines()
    assert len([line for line in lines if centre.scene.story.seller_id in line]) == 3
    assert all(centre.scene.story.seller_id in line for line in lines[1:])
    await window.go("/console/audit?action=records.exported")
    assert "a monthly report" in await window.text()


async def test_it_is_read_and_written_without_script(centre: CallCentre) -> None:
    window = await centre.window(AGENT, java_script_enabled=False)
    page = window.page
    await window.go("/console/calls")
    await page.locator("#find").fill(centre.scene.sessions["busy"].conversation_id)
    await page.locator(".find button").click()
    await page.locator("#calls tbody tr a").first.click()
    await page.locator("#f-note").fill("written by hand")
    await page.locator("#notes form button").click()
    assert "written by hand" in await window.text()
