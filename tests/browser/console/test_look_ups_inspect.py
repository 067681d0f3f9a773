"""Who would this number reach, as it is asked at the desk; and what an agent may only look at."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from api.console import look
from tests.support.call_centre import AGENT, AGENT_RU, OPERATOR, SUPERVISOR, CallCentre
from tests.support.console_window import StaffWindow
from tests.support.planted import phone_spellings

MOSCOW = ZoneInfo("Europe/Moscow")  # of everybody's account


async def test_whom_a_number_reaches_is_told_in_words_for_every_caller(
    centre: CallCentre,
) -> None:
    session = await centre.talked()
    window = await centre.window(AGENT)
    page = window.page
    await window.go(f"/console/pools/{centre.scene.open.name}")
    await (
        page.locator("tr", has_text=look.proxy(session.buyer_dials))
        .get_by_role("link", name="Who would it reach?")
        .click()
    )
    assert await page.locator("#f-number").input_value() == session.buyer_dials

    said = await _asked(window, caller=session.buyer)
    assert f"Buyer {session.buyer_id} reaches Seller {session.seller_id}" in said
    assert "this caller has a live lease on it" in said
    assert f"The one who is rung sees {look.proxy(session.seller_dials)}" in said
    stranger = centre.scene.stage.person()
    said = await _asked(window, caller=stranger)
    assert "Nobody is rung: the caller has no lease on the number" in said
    assert "The caller hears:" in said
    said = await _asked(window, withheld=True)
    assert "Nobody is rung: the caller withholds their number" in said

    shown = (await page.content()).encode() + page.url.encode()
    for phone in (session.buyer, session.seller, stranger):
        assert list(phone_spellings(phone, shown)) == []


async def test_a_past_moment_is_told_as_it_was(centre: CallCentre) -> None:
    session = await centre.talked()
    ask = centre.scene.stage.ask
    opened = datetime.fromisoformat((await ask("GET", f"/v1/sessions/{session.id}"))["created_at"])
    before, after = (opened.replace(microsecond=0) + timedelta(seconds=one) for one in (-1, 1))
    while datetime.now(UTC) < after:
        await asyncio.sleep(0.05)
    await ask("DELETE", f"/v1/sessions/{session.id}")
    window = await centre.window(AGENT)
    await window.go("/console/inspect")
    await window.page.locator("#f-number").fill(session.buyer_dials)

    assert "cools down; nobody is rung for it" in await _asked(window, caller=session.buyer)
    said = await _asked(window, at=after)
    assert f"Buyer {session.buyer_id} reaches Seller {session.seller_id}" in said
    assert "As it was on" in said
    assert "The caller has no lease on it" in await _asked(window, at=before)


async def test_what_cannot_be_asked_is_told_at_its_field(centre: CallCentre) -> None:
    session = centre.scene.sessions["answered"]
    window = await centre.window(AGENT_RU)
    page = window.page
    await window.go("/console/inspect")
    number, caller, at = (page.locator(f"#f-{one}") for one in ("number", "caller", "at"))
    show = page.get_by_role("button", name="Показать, к кому попадёт")
    wrong = page.locator(".field.wrong .hint")
    await number.fill(session.buyer_dials)
    await caller.fill("8 916 12")
    await show.click()
    await wrong.get_by_text("Укажите номер звонящего с кодом страны").wait_for()
    assert await caller.input_value() == "8 916 12"

    await caller.fill(session.buyer)
    await at.fill("2036-01-01T12:00:00")
    await show.click()
    await wrong.get_by_text("Укажите прошедший момент").wait_for()
    assert await wrong.count() == 1, "the caller is right now"
    assert await caller.input_value() == session.buyer

    await at.fill("")
    await page.locator("summary", has_text="Что звонящий набирает").click()
    await page.locator("#f-digits2").fill("1")
    await page.locator("#f-digits1").fill("12#")
    await show.click()
    await wrong.get_by_text("Только цифры").wait_for()
    await page.locator("#f-digits1").fill("")
    await show.dblclick()
    await page.locator("#look-decision").wait_for()
    assert await wrong.count() == 0
    assert "Соединит: Покупатель" in await page.locator("#look-finding").inner_text()
    assert list(phone_spellings(session.buyer, page.url.encode())) == []


async def test_what_one_may_not_change_is_not_offered_and_not_taken(centre: CallCentre) -> None:
    scene = centre.scene
    session, webhook = scene.sessions["answered"].id, scene.webhook_id
    number = scene.open.numbers[0]
    forms = {
        f"/console/sessions/{session}": (
            SUPERVISOR,
            {f"/console/sessions/{session}/{do}" for do in ("extend", "join", "close")}
            | {"/console/blocks/add"},
        ),
        "/console/blocks": (SUPERVISOR, {"/console/blocks/add", "/console/blocks/lift"}),
        f"/console/pools/{scene.open.name}": (
            OPERATOR,
            {f"/console/pools/{scene.open.name}/{do}" for do in ("add", "rules")}
            | {f"/console/numbers/{number}/drain"},
        ),
        "/console/pools": (OPERATOR, {"/console/new-pool"}),
        "/console/webhooks": (OPERATOR, {"/console/new-webhook"}),
        "/console/trunks": (OPERATOR, {"/console/new-trunk"}),
        "/console/trunks/far": (
            OPERATOR,
            {f"/console/trunks/far/{do}" for do in ("edit", "change/drain", "change/disable")},
        ),
        f"/console/webhooks/{webhook}": (
            OPERATOR,
            {
                f"/console/webhooks/{webhook}/{do}"
                for do in ("change/test", "change/disable", "edit", "secret", "remove")
            },
        ),
    }
    agent = await centre.window(AGENT)
    windows = {who: await centre.window(who) for who in (SUPERVISOR, OPERATOR)}
    for place, (who, deeds) in forms.items():
        assert deeds <= await _offered(windows[who], place), place
        offered = await _offered(agent, place)
        assert not offered & deeds, place
        answered = {path: await _send(agent, path) for path in deeds}
        assert answered == dict.fromkeys(deeds, 403)


async def _asked(
    window: StaffWindow,
    *,
    caller: str | None = None,
    withheld: bool = False,
    at: datetime | None = None,
) -> str:
    """What the page answers to a caller; without one, to whoever was typed before."""
    page = window.page
    if caller is not None:
        await page.locator("#f-caller").fill(caller)
    await page.locator("#f-withheld-on").set_checked(withheld)
    moment = "" if at is None else at.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M:%S")
    await page.locator("#f-at").fill(moment)
    finding = page.locator("#look-finding")
    await finding.evaluate("(shown) => shown.replaceChildren()")
    await page.get_by_role("button", name="Show who is reached").click()
    await finding.locator("#look-decision").wait_for()
    return " ".join((await finding.inner_text()).split())


async def _offered(window: StaffWindow, place: str) -> set[str]:
    """Where the links of a page lead, without what follows a `?`."""
    assert (await window.go(place)).status == 200
    links = await window.page.locator("main a").evaluate_all(
        "all => all.map((one) => one.getAttribute('href'))"
    )
    return {one.partition("?")[0] for one in links}


async def _send(window: StaffWindow, path: str) -> int:
    """What a form of their own making is answered, with their own token."""
    status: int = await window.page.evaluate(
        """async (path) => {
          const csrf = document.querySelector('meta[name="csrf"]').content;
          const body = new URLSearchParams({ csrf, once: "0".repeat(32) });
          const answer = await fetch(path, { method: "POST", body });
          await answer.text();
          return answer.status;
        }""",
        path,
    )
    return status
