"""A pool and a webhook, made and changed by an operator; sessions and the receiver follow."""

from __future__ import annotations

from tests.support.call_centre import OPERATOR, CallCentre
from tests.support.receiver import Receiver, takes_all, until

SUPPORT = "+74993219876"


async def test_a_pool_is_made_given_numbers_and_other_rules(centre: CallCentre) -> None:
    stage = centre.scene.stage
    window = await centre.window(OPERATOR)
    page = window.page
    await window.go("/console/pools")
    await page.get_by_role("link", name="Make a pool…").click()
    make = page.get_by_role("button", name="Make the pool")

    # What is wrong is told at its field, folded away or not, and nothing has to be typed again.
    await page.locator("#f-name").fill(centre.scene.open.name)
    await page.get_by_label("Cool-down of a number").fill("2 h")
    await page.get_by_role("heading", name="Strangers and late callers").click()
    await page.get_by_label("Unknown callers").select_option("static")
    await page.get_by_label("Fixed destination").fill(SUPPORT)
    await page.get_by_label("Digits of a PIN").fill("3")
    await page.get_by_role("heading", name="Strangers and late callers").click()
    await make.click()
    await page.get_by_text("A whole number from 4 to 10.").wait_for()
    assert await page.get_by_label("Digits of a PIN").is_visible()
    assert await page.get_by_label("Fixed destination").input_value() == SUPPORT
    assert await window.faults(centre.axe) == []
    await page.get_by_label("Digits of a PIN").fill("5")
    await make.click()
    await page.get_by_text("There is a pool of this name").wait_for()
    assert await page.get_by_label("Cool-down of a number").input_value() == "2 h"
    await page.locator("#f-name").fill("spring")
    await make.dblclick()
    await page.wait_for_url("**/console/pools/spring?done=made")

    await page.get_by_role("link", name="Change the rules…").click()
    await page.get_by_label("When it is empty for somebody").select_option("extension")
    await page.get_by_role("heading", name="Strangers and late callers").click()
    assert "One is set; it is not shown" in await window.text()
    await page.get_by_role("button", name="Set these rules").dblclick()
    await page.wait_for_url("**done=rules")
    assert "a number is shared, told apart by digits" in await window.text()

    made = await stage.ask("GET", "/v1/pools/spring")
    assert made["cool_down_s"] == 7200
    assert made["numbers"]["exhausted"] == "extension"
    assert (made["strangers"]["unknown"], made["strangers"]["static_set"]) == ("static", True)
    assert made["strangers"]["pin"]["length"] == 5
    assert await centre.deeds("pool.changed", "spring") == ["rules", "made"]
    served = b"".join(body for _, body in window.served) + page.url.encode()
    assert SUPPORT[2:].encode() not in served


async def test_a_webhook_is_made_tested_moved_and_given_a_new_secret(centre: CallCentre) -> None:
    maskline = centre.scene.stage.maskline
    window = await centre.window(OPERATOR)
    page = window.page
    async with Receiver(takes_all) as shop, Receiver(takes_all) as other:
        await window.go("/console/webhooks")
        await page.get_by_role("link", name="Add a webhook…").click()
        assert await page.get_by_label("call.ended").is_visible() is False, "all are wanted"
        await page.get_by_label("Events", exact=True).select_option("some")
        await page.get_by_label("Address").fill(shop.url)
        await page.get_by_label("Description").fill("the new shop")
        await page.get_by_role("button", name="Add the webhook").click()
        await page.get_by_text("Choose at least one event, or all.").wait_for()
        assert await page.get_by_label("Address").input_value() == shop.url
        assert await window.faults(centre.axe) == []
        await page.get_by_label("call.missed").check()
        await page.get_by_role("button", name="Add the webhook").click()
        first = await page.locator("[data-secret]").inner_text()
        assert await window.faults(centre.axe) == []
        await page.get_by_role("link", name="I have kept it").click()
        webhook = page.url.rpartition("/")[2]

        await page.get_by_role("link", name="Send a test…").click()
        await page.get_by_role("button", name="Send the test").dblclick()
        await page.wait_for_url("**done=test")
        await until(lambda: len(shop.got) == 1, "the test arrives")
        assert shop.got[0].signed_by(first)

        await page.get_by_role("link", name="New secret…").click()
        await page.get_by_label("The old one signs as well for").select_option("0")
        await page.get_by_role("button", name="Make a new secret").click()
        second = await page.locator("[data-secret]").inner_text()
        assert second != first
        await page.get_by_role("link", name="I have kept it").click()
        await page.get_by_role("link", name="Change…").click()
        assert await page.get_by_label("call.missed").is_checked()
        await page.get_by_label("Address").fill(other.url)
        await page.get_by_role("button", name="Change the webhook").click()
        await page.wait_for_url("**done=edited")
        await page.get_by_role("link", name="Send a test…").click()
        await page.get_by_role("button", name="Send the test").dblclick()
        await page.wait_for_url("**done=test")
        await until(lambda: len(other.got) == 1, "the test arrives at its new place")
        assert other.got[0].signed_by(second)
        assert not other.got[0].signed_by(first)

        await page.get_by_role("link", name="Remove…").click()
        await page.get_by_role("button", name="Remove the webhook").dblclick()
        await page.wait_for_url("**/console/webhooks?done=removed")
        assert "the new shop" not in await page.locator("main").inner_text()
    deeds = ["removed", "test", "edited", "secret", "test", "added"]
    assert await centre.deeds("webhook.changed", webhook) == deeds
    log = await maskline.ask("GET", "/v1/audit", action="webhook.changed")
    assert not [one for one in (first, second) if one in str(log)]
