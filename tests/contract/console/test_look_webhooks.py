"""Webhooks in the console: how receivers fare, what was given up, and sending it again."""

from __future__ import annotations

from masking.staff import StaffRole
from storage.audit import Action
from tests.contract.api.house import House
from tests.contract.api.test_webhooks import made, with_deliveries
from tests.contract.console.look import Seat, kept, sent


async def test_deliveries_are_shown_with_their_tries_and_without_secrets(
    lite: House, desk: Seat
) -> None:
    new = await made(lite, description="the shop")
    await with_deliveries(lite, new["id"], 3)
    agent = await desk(StaffRole.AGENT)

    listed = await agent.get("/console/webhooks")
    page = await agent.get(f"/console/webhooks/{new['id']}")
    dead = await agent.get(f"/console/webhooks/{new['id']}?state=dead")

    assert f"/console/webhooks/{new['id']}" in listed.links()
    assert "the shop" in listed.words
    assert page.html.count("<code>call.ended</code>") == 4  # what it wants, and three deliveries
    assert "503" in page.words
    assert dead.html.count("<code>call.ended</code>") == 2
    assert "Resend" not in page.words, "an agent only looks"
    assert new["secret"] not in page.html
    assert (await agent.get(f"/console/webhooks/whk_{'0' * 26}")).status == 404


async def test_what_was_given_up_is_sent_again_once(lite: House, desk: Seat) -> None:
    new = await made(lite)
    await with_deliveries(lite, new["id"], 2)
    operator = await desk(StaffRole.OPERATOR)
    path = f"/console/webhooks/{new['id']}/resend"

    asked = await operator.get(path)
    done, form = await sent(operator, path)
    again = await operator.post(path, form)

    assert "1 delivery is sent again" in asked.words
    assert done.status == again.status == 303
    log = await lite.ask("GET", f"/v1/webhooks/{new['id']}/deliveries")
    assert {one["state"] for one in log.json()["items"]} == {"pending"}
    (entry,) = await kept(lite, Action.DELIVERY_RESENT)
    assert (entry.object_id, entry.facts) == (new["id"], {"what": "dead", "resent": 1})
    nothing = await operator.get(path)
    assert "there is nothing to send again" in nothing.words
    assert f'action="{path}"' not in nothing.html


async def test_one_delivery_is_sent_again(lite: House, desk: Seat) -> None:
    new = await made(lite)
    await with_deliveries(lite, new["id"], 1)
    operator = await desk(StaffRole.OPERATOR)
    (path,) = [
        link
        for link in (await operator.get(f"/console/webhooks/{new['id']}")).links()
        if "/deliveries/" in link
    ]

    done, _ = await sent(operator, path)
    gone = await operator.get(f"/console/webhooks/{new['id']}/deliveries/99/resend")

    assert "It is on its way again" in (await operator.get(done.location)).words
    assert gone.status == 404
    (entry,) = await kept(lite, Action.DELIVERY_RESENT)
    assert entry.facts["what"] == "one"


async def test_a_webhook_is_disabled_tested_and_enabled(lite: House, desk: Seat) -> None:
    new = await made(lite)
    operator = await desk(StaffRole.OPERATOR)
    change = f"/console/webhooks/{new['id']}/change"

    await sent(operator, f"{change}/disable")
    off = await operator.get(f"/console/webhooks/{new['id']}")
    await sent(operator, f"{change}/enable")
    await sent(operator, f"{change}/test")

    assert "Nothing is sent there" in off.words
    assert (await lite.ask("GET", f"/v1/webhooks/{new['id']}")).json()["enabled"] is True
    entries = await kept(lite, Action.WEBHOOK_CHANGED)
    assert [one.facts["what"] for one in entries] == ["test", "enable", "disable"]


async def test_a_supervisor_changes_no_webhook(lite: House, desk: Seat) -> None:
    new = await made(lite)
    supervisor = await desk(StaffRole.SUPERVISOR)

    refused = await supervisor.post(
        f"/console/webhooks/{new['id']}/change/disable", {"once": "0" * 32}
    )

    assert refused.status == 403
    assert (await lite.ask("GET", f"/v1/webhooks/{new['id']}")).json()["enabled"] is True
