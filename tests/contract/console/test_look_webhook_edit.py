"""Webhooks made and changed in the console: a secret is shown once, and is nowhere else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from masking.staff import StaffRole
from storage import webhooks
from storage.audit import Action
from tests.contract.api.house import House
from tests.contract.api.test_webhooks import made
from tests.contract.console.look import Seat, kept, once, sent
from tests.support.console import Shown

ADD = "/console/new-webhook"
URL = "https://shop.example/maskline?token=t-1"
NEW: dict[str, str | list[str]] = {
    "url": URL,
    "description": "the shop",
    "which": "some",
    "events": ["call.ended", "pool.low"],
}


def secret_in(page: Shown) -> str:
    found = re.search(r"data-secret>(whsec_[A-Za-z0-9+/=]+)<", page.html)
    assert found is not None, page.words
    return found[1]


async def signing(house: House, webhook: str) -> tuple[str, ...]:
    """The secrets that sign now, the newest first."""
    vault, now = house.services.vault, house.clock()
    return await house.db.read(lambda conn: webhooks.secrets_of(conn, vault, webhook, now))


async def listed(house: House) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await house.ask("GET", "/v1/webhooks")).json()["items"]
    return items


async def test_a_webhook_is_made_once_and_its_secret_shown_to_its_maker_alone(
    lite: House, desk: Seat
) -> None:
    operator = await desk(StaffRole.OPERATOR)

    done, form = await sent(operator, ADD, NEW)
    again = await operator.post(ADD, form)

    (only,) = await listed(lite)
    assert (only["url"], only["description"]) == (URL, "the shop")
    assert only["events"] == ["call.ended", "pool.low"]
    assert done.status == again.status == 201
    assert done.reply.headers["Cache-Control"] == "no-store"
    secret = secret_in(done)
    assert (secret,) == await signing(lite, only["id"])
    assert secret_in(again) == secret, "the answer may have been lost on its way"
    page = await operator.get(f"/console/webhooks/{only['id']}")
    assert secret not in page.html
    (entry,) = await kept(lite, Action.WEBHOOK_CHANGED)
    assert (entry.object_id, entry.facts["what"]) == (only["id"], "added")
    assert secret not in str(entry)
    assert "token" not in str(entry)


async def test_all_events_are_those_of_later_versions_too(lite: House, desk: Seat) -> None:
    operator = await desk(StaffRole.OPERATOR)

    done, _ = await sent(operator, ADD, {"url": URL, "which": "all", "events": ["call.ended"]})

    assert done.status == 201
    (only,) = await listed(lite)
    assert only["events"] is None
    assert only["description"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": ""}, "begins with https://"),
        ({"url": "http://shop.example/"}, "begins with https://"),
        ({"url": "https://127.0.0.1/hook"}, "of a public host"),
        ({"url": "https://me:pass@shop.example/"}, "without a user name or password"),
        ({"events": []}, "Choose at least one event"),
        ({"events": ["call.ended", "call.dreamt"]}, "Choose at least one event"),
        ({"which": "none"}, "Choose which events"),
        ({"description": "x" * 201}, "At most 200 characters"),
    ],
)
async def test_a_webhook_that_cannot_be_is_told_at_its_field_and_what_was_typed_stays(
    lite: House, desk: Seat, change: dict[str, str | list[str]], words: str
) -> None:
    operator = await desk(StaffRole.OPERATOR)

    wrong, _ = await sent(operator, ADD, NEW | change)

    assert wrong.status == 422
    assert words in wrong.words
    if "url" not in change:
        assert f'value="{URL}"' in wrong.html
    if "events" not in change and "which" not in change:
        assert 'value="pool.low" checked' in wrong.html
    assert not await listed(lite)
    assert not await kept(lite, Action.WEBHOOK_CHANGED)


async def test_no_more_are_made_than_there_may_be(lite: House, desk: Seat) -> None:
    for _ in range(webhooks.MOST):
        await made(lite)
    operator = await desk(StaffRole.OPERATOR)

    refused, _ = await sent(operator, ADD, NEW)

    assert refused.status == 409
    assert "as many webhooks as there may be" in refused.words


async def test_a_webhook_is_moved_and_told_of_other_events(lite: House, desk: Seat) -> None:
    new = await made(lite, description="the shop")
    operator = await desk(StaffRole.OPERATOR)
    path = f"/console/webhooks/{new['id']}/edit"
    shown = await operator.get(path)
    same = {"url": new["url"], "description": "the shop", "which": "some", "events": new["events"]}

    nothing, _ = await sent(operator, path, same)
    wrong, _ = await sent(operator, path, same | {"url": "https://"})
    done, form = await sent(operator, path, same | {"url": URL, "which": "all"})
    again = await operator.post(path, form)

    assert f'value="{new["url"]}"' in shown.html
    assert 'value="call.ended" checked' in shown.html
    assert nothing.status == 303
    assert wrong.status == 422
    assert done.status == again.status == 303
    assert "The webhook is changed" in (await operator.get(done.location)).words
    (only,) = await listed(lite)
    assert (only["url"], only["events"], only["description"]) == (URL, None, "the shop")
    assert await signing(lite, new["id"]) == (new["secret"],)
    (entry,) = await kept(lite, Action.WEBHOOK_CHANGED)
    assert entry.facts == {"what": "edited", "changed": "events, url"}


async def test_a_new_secret_signs_beside_the_old_one_for_a_while(lite: House, desk: Seat) -> None:
    new = await made(lite)
    operator = await desk(StaffRole.OPERATOR)
    path = f"/console/webhooks/{new['id']}/secret"

    wrong, _ = await sent(operator, path, {"hours": "5"})
    done, form = await sent(operator, path, {"hours": "24"})
    secret = secret_in(done)
    again = await operator.post(path, form)

    assert wrong.status == 422
    assert "Choose for how long" in wrong.words
    assert await signing(lite, new["id"]) == (secret, new["secret"])
    assert secret_in(again) == secret
    assert "The secret before signs until" in done.words
    (entry,) = await kept(lite, Action.WEBHOOK_CHANGED)
    assert (entry.facts["what"], entry.facts["hours"]) == ("secret", 24)
    assert secret not in str(entry)

    other, _ = await sent(operator, path, {"hours": "0"})
    stale = await operator.post(path, form)

    assert await signing(lite, new["id"]) == (secret_in(other),)
    assert stale.status == 409
    assert secret_in(other) not in stale.html
    assert "has been replaced since" in stale.words


async def test_a_webhook_is_removed(lite: House, desk: Seat) -> None:
    new = await made(lite)
    operator = await desk(StaffRole.OPERATOR)

    done, _ = await sent(operator, f"/console/webhooks/{new['id']}/remove")

    assert "The webhook is removed" in (await operator.get(done.location)).words
    assert not await listed(lite)
    (entry,) = await kept(lite, Action.WEBHOOK_CHANGED)
    assert (entry.object_id, entry.facts) == (new["id"], {"what": "removed"})
    for page in ("edit", "secret", "remove"):
        assert (await operator.get(f"/console/webhooks/{new['id']}/{page}")).status == 404


async def test_others_look_only_and_a_form_without_its_token_does_nothing(
    lite: House, desk: Seat
) -> None:
    new = await made(lite)
    operator = await desk(StaffRole.OPERATOR)
    base = f"/console/webhooks/{new['id']}"
    pages = (ADD, f"{base}/edit", f"{base}/secret", f"{base}/remove")
    forms = {path: {"once": once(await operator.get(path)), **NEW, "hours": "0"} for path in pages}

    for role in (StaffRole.AGENT, StaffRole.SUPERVISOR):
        other = await desk(role)
        offered = (await other.get("/console/webhooks")).links() + (await other.get(base)).links()
        assert not set(offered) & set(pages)
        for path, form in forms.items():
            assert (await other.get(path)).status == 403
            assert (await other.post(path, form)).status == 403
    for path, form in forms.items():
        assert (await operator.post(path, form, csrf="0" * 40)).status == 403

    (only,) = await listed(lite)
    assert (only["id"], only["url"]) == (new["id"], new["url"])
    assert await signing(lite, new["id"]) == (new["secret"],)
    entries = await kept(lite, Action.WEBHOOK_CHANGED)
    assert [one.refused for one in entries] == [True] * 8
