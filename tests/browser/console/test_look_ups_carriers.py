"""Numbers, trunks and webhooks, as an operator keeps them; the calls and the receiver follow."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta

from api.console import look
from maskline.demo import Answer, Call, CallSpec, Carrier
from tests.support.call_centre import OPERATOR, CallCentre
from tests.support.console_window import StaffWindow
from tests.support.maskline import Maskline, Session, carrier_host, eventually, sipp_command
from tests.support.receiver import Receiver, answers, takes_all, until
from tests.support.scene import CALLEES, CALLERS

NEW, SPARE = "+74959000001", "+74959000002"


async def test_numbers_are_added_to_a_pool_and_one_is_drained(centre: CallCentre) -> None:
    stage = centre.scene.stage
    pool = await stage.pool("en")
    (old,) = pool.numbers
    before, _ = await stage.session(pool)
    window = await centre.window(OPERATOR)
    page = window.page
    await window.go("/console/pools")
    await page.get_by_role("link", name=pool.name, exact=True).click()
    await page.get_by_role("link", name="Add numbers…").click()

    typed = "+7 495 900-00-01\n8 495 900"
    await page.locator("#f-numbers").fill(typed)
    await page.locator("#f-trunk").select_option(stage.trunk)
    add = page.get_by_role("button", name="Add these numbers")
    await add.click()
    await page.get_by_text("Each line has to be a whole number with its country code").wait_for()
    assert await page.locator("#f-numbers").input_value() == typed
    # A number that another pool has: nothing was added, and the list is still there to be mended.
    await page.locator("#f-numbers").fill(f"{NEW}\n{centre.scene.open.numbers[0]}")
    await add.click()
    await page.get_by_text("One of the numbers belongs to another pool or trunk").wait_for()
    await page.locator("#f-numbers").fill(f"{NEW}\n{old}")
    await add.dblclick()
    await page.wait_for_url("**done=added")
    stage.numbers.add(NEW)

    row = page.locator("tr", has_text="+7 495 900-00-01")
    assert "in use" in await row.inner_text()
    await page.locator("tr", has_text=look.proxy(old)).get_by_role("link", name="Drain…").click()
    assert "calls to it go on as before" in await window.text()
    await page.get_by_role("button", name="Drain the number").dblclick()
    await page.wait_for_url("**done=drain")
    assert "draining" in await page.locator("tr", has_text=look.proxy(old)).inner_text()
    assert await centre.deeds("pool.changed", pool.name) == ["drain", "added"]

    after, _ = await stage.session(pool)
    assert {after.buyer_dials, after.seller_dials} == {NEW}
    for one in (before, after):
        talk = await stage.reach(one.buyer_dials, one.buyer, one.seller)
        await talk.end()


async def test_a_trunk_is_added_mended_limited_and_taken_out_of_service(centre: CallCentre) -> None:
    stage, maskline = centre.scene.stage, centre.scene.stage.maskline
    pool = await stage.pool("en", numbers=0)
    window = await centre.window(OPERATOR)
    page = window.page
    async with Carrier(
        carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command(), name="spare"
    ) as spare:
        spare.on_invite(Answer(ring_ms=100, tone_hz=CALLEES))
        await window.go("/console/trunks")
        await page.get_by_role("link", name="Add a trunk…").click()
        await page.locator("#f-name").fill("far")
        await page.locator("#f-host").fill(spare.host)
        await page.locator("#f-port").fill("5081")
        await page.locator("#f-priority").fill("300")
        await page.locator("#f-trusted-on").uncheck()
        add = page.get_by_role("button", name="Add the trunk")
        await add.click()
        await page.get_by_text("There is a trunk of this name").wait_for()
        assert await page.locator("#f-priority").input_value() == "300"
        assert not await page.locator("#f-trusted-on").is_checked()
        await page.locator("#f-name").fill("spare")
        await add.dblclick()
        await page.wait_for_url("**/console/trunks/spare?done=added")
        await _mend(window, port="5080")
        await _seen(window, lambda: _reads(window, "Answers", "answers"))

        # A number that comes through it; a call to it is one that comes in and one that goes out.
        await page.get_by_role("link", name="Limits…").click()
        await page.locator("#f-max_channels").fill("2")
        await page.get_by_role("button", name="Set these limits").dblclick()
        await page.wait_for_url("**done=edited")
        await maskline.add_numbers("spare", SPARE, pool=pool.name)
        stage.numbers.add(SPARE)
        first, _ = await stage.session(pool)
        second, _ = await stage.session(pool)
        call = await _dial(spare, first)
        leg = await spare.incoming()
        assert leg.dialled == first.seller
        await call.wait_up()
        await _seen(window, lambda: _reads(window, "Calls now", "2 / 2"))
        await stage.refused(await _dial(spare, second), pool.language, "busy-lines")

        # Taken out of service while a call is up: that one goes on, and no other begins.
        await page.get_by_role("link", name="Disable…").click()
        assert "calls that are up on it go on." in await window.text()
        await page.get_by_role("button", name="Disable the trunk").dblclick()
        await page.wait_for_url("**done=disable")
        assert await page.locator("h1 .badge").inner_text() == "disabled"
        await call.hear(CALLEES)
        refused = await _dial(spare, second)
        await refused.wait_ended()
        assert not refused.answered
        await _ended(maskline, call, leg, (first, second))
        assert spare.incoming_waiting == 0
        assert await centre.deeds("trunk.changed", "spare") == [
            "disable",
            "edited",
            "carrier",
            "added",
        ]


async def _mend(window: StaffWindow, *, port: str) -> None:
    """The carrier is at another port than was typed."""
    await window.page.get_by_role("link", name="Address and log-in…").click()
    await window.page.locator("#f-port").fill(port)
    await window.page.get_by_role("button", name="Change it").dblclick()
    await window.page.wait_for_url("**done=carrier")
    assert "The node is away" not in await window.text()


async def _ended(maskline: Maskline, call: Call, leg: Call, sessions: tuple[Session, ...]) -> None:
    """The call ends, and each session's one call is told: the next test counts its own alone."""
    await call.hang_up()
    await leg.wait_ended()
    for session in sessions:
        await maskline.recorded(session, 1)


async def _dial(carrier: Carrier, session: Session) -> Call:
    """The buyer calls by this carrier."""
    spec = CallSpec(number=session.buyer_dials, from_=session.buyer, tone_hz=CALLERS)
    return await carrier.dial(spec)


async def test_what_a_receiver_did_not_take_is_sent_again(centre: CallCentre) -> None:
    maskline = centre.scene.stage.maskline
    window = await centre.window(OPERATOR)
    page = window.page
    async with Receiver(answers(500)) as shop:
        wanted = {"url": shop.url, "events": ["call.ended"], "description": "the shop"}
        webhook = (await maskline.ask("POST", "/v1/webhooks", wanted))["id"]
        await centre.talked()
        await eventually(
            lambda: maskline.ask("GET", f"/v1/webhooks/{webhook}/deliveries"),
            lambda log: log["items"] and log["items"][0]["tries"],
        )
        await window.go("/console/webhooks")
        await page.locator("tr", has_text="the shop").locator("a").click()
        assert "500" in await page.locator("tbody tr").inner_text()
        _three_days_pass(centre, webhook)
        resend = page.get_by_role("link", name="Resend what was given up…")
        await _seen(window, lambda: _there(resend.count))
        tries = len(shop.got)

        shop.behaviour = takes_all
        await resend.click()
        assert "1 delivery is sent again." in await window.text()
        await page.get_by_role("button", name="Resend them").dblclick()
        await page.wait_for_url("**done=resent")
        await until(lambda: len(shop.got) > tries, "it arrives")
        assert shop.got[-1].id == shop.got[0].id, "known to the receiver as what it is"
        assert shop.got[-1].event["type"] == "call.ended"
        await _seen(window, lambda: _reads(window, "Given up", "0"))
        delivered = page.locator("tbody .badge", has_text="delivered")
        await _seen(window, lambda: _there(delivered.count))

        # Or one alone, though it was taken: the receiver knows it by its id.
        await page.locator("tbody").get_by_role("link", name="Resend…").click()
        await page.get_by_role("button", name="Resend it").dblclick()
        await page.wait_for_url("**done=resent")
        await until(lambda: len(shop.got) == tries + 2, "it arrives once more")
        assert await centre.deeds("delivery.resent", webhook) == ["one", "dead"]
        await maskline.ask("DELETE", f"/v1/webhooks/{webhook}")
        assert len({one.id for one in shop.got}) == 1
        assert len(shop.got) == tries + 2


def _three_days_pass(centre: CallCentre, webhook: str) -> None:
    """For what is owed to one webhook: so long it is tried."""
    back = round(timedelta(days=3).total_seconds() * 1000)
    path = centre.scene.stage.maskline.data / "maskline.db"
    with closing(sqlite3.connect(path, timeout=20)) as database, database:
        database.execute(
            "UPDATE deliveries SET since = since - ? WHERE webhook_id = ?", (back, webhook)
        )


async def _there(count: Callable[[], Awaitable[int]]) -> bool:
    return await count() > 0


async def _reads(window: StaffWindow, term: str, value: str) -> bool:
    """Whether the page says `value` of `term`."""
    fact = window.page.locator("dl.facts > div", has_text=term).locator("dd").first
    return (await fact.inner_text()).strip() == value


async def _seen(window: StaffWindow, good: Callable[[], Awaitable[bool]]) -> None:
    """Load the page again until it is `good`."""

    async def anew() -> bool:
        if await good():
            return True
        await window.page.reload()
        return False

    await window.until(anew, "seen")
