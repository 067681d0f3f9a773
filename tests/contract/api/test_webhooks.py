"""Webhooks over HTTP: set up, looked at, sent again. How they arrive: integration/delivery."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import Connection, text

from api.schemas.webhooks import Event
from masking.notice import Notice, NoticeKind
from storage import dispatch, outbox, sending, webhooks
from storage.deliveries import State, Try
from storage.sending import Tried
from tests.contract.api.house import START, House

HOOK = {"url": "https://shop.example/maskline", "events": ["call.ended", "call.missed"]}
NONE = "whk_" + "0" * 26


async def made(house: House, **changes: object) -> dict[str, Any]:
    reply = await house.ask("POST", "/v1/webhooks", HOOK | changes, role="platform")
    assert reply.status == 201, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def with_deliveries(house: House, webhook: str, count: int) -> None:
    """So many of the webhook's deliveries, the first one dead."""

    def work(conn: Connection) -> None:
        for n in range(count):
            outbox.owe(conn, Notice(NoticeKind.CALL_ENDED, f"k {n}", START, f"chat-{n}", {"n": n}))
        dispatch.dispatch(conn, stream=False, now=START)
        first = sending.take(conn, webhook, now=START, until=START, at_most=1)[0]
        result = Try(START, 503, None, 12)
        tried = Tried(first, result, State.DEAD, START)
        sending.settle(conn, webhook, [tried], START)

    await house.db.write(work)


async def test_a_webhook_is_made_and_shows_its_secret_once(house: House) -> None:
    new = await made(house)

    assert new["id"].startswith("whk_")
    assert new["secret"].startswith("whsec_")
    assert (new["url"], new["events"], new["enabled"]) == (HOOK["url"], HOOK["events"], True)
    assert new["receiver"]["state"] == "well"
    shown = await house.ask("GET", f"/v1/webhooks/{new['id']}", role="staff")
    assert shown.json() == {key: value for key, value in new.items() if key != "secret"}
    listed = await house.ask("GET", "/v1/webhooks")
    assert [one["id"] for one in listed.json()["items"]] == [new["id"]]
    assert new["secret"].encode() not in listed.body + shown.body


async def test_the_same_request_gets_the_same_secret_which_is_kept_nowhere(house: House) -> None:
    again = {"Idempotency-Key": "k-1"}
    first = await house.ask("POST", "/v1/webhooks", HOOK, headers=again)
    second = await house.ask("POST", "/v1/webhooks", HOOK, headers=again)

    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"

    def kept(conn: Connection) -> str:
        queries = ("SELECT * FROM webhooks", "SELECT * FROM idempotency_keys")
        return repr([conn.execute(text(query)).all() for query in queries])

    assert first.json()["secret"].removeprefix("whsec_") not in await house.db.read(kept)


async def test_the_secret_that_is_shown_signs(house: House) -> None:
    new = await made(house)
    kept = await house.db.read(
        lambda conn: webhooks.secrets_of(conn, house.services.vault, new["id"], START)
    )
    assert kept == (new["secret"],)


async def test_a_new_secret_signs_beside_the_old_one_for_a_while(house: House) -> None:
    new = await made(house)
    path = f"/v1/webhooks/{new['id']}/secret"
    rotated = (await house.ask("POST", path, {"overlap_s": 600})).json()

    assert rotated["secret"] != new["secret"]
    until = datetime.fromisoformat(rotated["previous_secret_until"])
    assert until == START + timedelta(seconds=600)
    for now, secrets in (
        (START, (rotated["secret"], new["secret"])),
        (until, (rotated["secret"],)),
    ):
        kept = await house.db.read(
            lambda conn, now=now: webhooks.secrets_of(conn, house.services.vault, new["id"], now)  # type: ignore[misc]
        )
        assert kept == secrets


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://user:secret@shop.example/",
        "https://shop.example/#x",
        "ftp://shop.example/",
    ],
)
async def test_a_url_that_must_not_be_sent_to_is_refused(lite: House, url: str) -> None:
    refused = await lite.ask("POST", "/v1/webhooks", {"url": url})
    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert "url" in refused.fields
    new = await made(lite)
    moved = await lite.ask("PATCH", f"/v1/webhooks/{new['id']}", {"url": url})
    assert moved.status == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": HOOK["url"], "events": []},
        {"url": HOOK["url"], "events": ["call.nothing"]},
        {"url": HOOK["url"], "events": ["webhook.test"]},
        {"url": HOOK["url"], "secret": "whsec_mine"},
    ],
)
async def test_what_makes_no_sense_is_refused(lite: House, body: object) -> None:
    assert (await lite.ask("POST", "/v1/webhooks", body)).status == 422


async def test_it_is_changed_disabled_and_enabled(house: House) -> None:
    new = await made(house)
    path = f"/v1/webhooks/{new['id']}"

    changed = await house.ask("PATCH", path, {"all_events": True, "enabled": False})
    assert (changed.json()["events"], changed.json()["enabled"]) == (None, False)
    assert changed.json()["receiver"]["state"] == "disabled"
    back = await house.ask("PATCH", path, {"events": ["pool.low"], "enabled": True})
    assert (back.json()["events"], back.json()["enabled"]) == (["pool.low"], True)
    assert (await house.ask("PATCH", path, {})).status == 422
    both = {"events": ["pool.low"], "all_events": True}
    assert (await house.ask("PATCH", path, both)).status == 422


async def test_it_is_removed_with_its_deliveries(house: House) -> None:
    new = await made(house)
    await with_deliveries(house, new["id"], 3)
    path = f"/v1/webhooks/{new['id']}"

    assert (await house.ask("DELETE", path)).status == 204
    for method, tail in (("GET", ""), ("GET", "/deliveries"), ("POST", "/test"), ("DELETE", "")):
        gone = await house.ask(method, path + tail)
        assert (gone.status, gone.error_id) == (404, "webhook_not_found")


async def test_there_is_an_end_to_how_many_there_may_be(lite: House) -> None:
    for _ in range(webhooks.MOST):
        await made(lite)
    refused = await lite.ask("POST", "/v1/webhooks", HOOK)
    assert (refused.status, refused.error_id) == (409, "too_many_webhooks")


async def test_the_log_shows_what_was_and_is_to_be_delivered(house: House) -> None:
    new = await made(house)
    await with_deliveries(house, new["id"], 3)
    path = f"/v1/webhooks/{new['id']}/deliveries"

    first = (await house.ask("GET", f"{path}?limit=2", role="staff")).json()
    rest = (await house.ask("GET", f"{path}?limit=2&cursor={first['next_cursor']}")).json()
    states = [one["state"] for one in first["items"] + rest["items"]]
    assert states == ["pending", "pending", "dead"]
    (dead,) = (await house.ask("GET", f"{path}?state=dead")).json()["items"]
    assert dead == rest["items"][0]
    assert (dead["type"], dead["tries"], dead["next_try_at"]) == ("call.ended", 1, None)
    assert dead["event_id"].startswith("evt_")
    assert dead["log"] == [
        {"at": "2026-11-22T10:00:00Z", "status": 503, "error": None, "took_ms": 12}
    ]


async def test_a_dead_letter_is_sent_again_under_the_same_id(house: House) -> None:
    new = await made(house)
    await with_deliveries(house, new["id"], 2)
    path = f"/v1/webhooks/{new['id']}"
    (dead,) = (await house.ask("GET", f"{path}/deliveries?state=dead")).json()["items"]

    again = await house.ask("POST", f"{path}/deliveries/{dead['id']}/resend", role="staff")
    assert again.status == 202
    assert (again.json()["state"], again.json()["event_id"]) == ("pending", dead["event_id"])
    assert (await house.ask("GET", f"{path}/deliveries?state=dead")).json()["items"] == []
    none = await house.ask("POST", f"{path}/deliveries/{10**12}/resend")
    assert (none.status, none.error_id) == (404, "delivery_not_found")


async def test_all_dead_letters_are_sent_again(house: House) -> None:
    new = await made(house)
    await with_deliveries(house, new["id"], 2)
    path = f"/v1/webhooks/{new['id']}/resend"

    assert (await house.ask("POST", path, {}, role="staff")).json() == {"resent": 1}
    assert (await house.ask("POST", path, {})).json() == {"resent": 0}
    assert (await house.ask("POST", f"/v1/webhooks/{NONE}/resend", {})).status == 404


async def test_where_every_field_may_be_left_out_so_may_the_body(house: House) -> None:
    new = await made(house)
    assert (await house.ask("POST", f"/v1/webhooks/{new['id']}/resend")).status == 202
    assert (await house.ask("POST", f"/v1/webhooks/{new['id']}/secret")).status == 201
    assert (await house.ask("POST", "/v1/calls/search")).status == 200
    assert (await house.ask("POST", "/v1/calls/export")).status == 200


async def test_a_test_is_owed_to_that_webhook(house: House) -> None:
    new = await made(house)
    await made(house)
    sent = await house.ask("POST", f"/v1/webhooks/{new['id']}/test")
    assert sent.status == 202

    await house.db.write(lambda conn: dispatch.dispatch(conn, stream=False, now=START))
    (one,) = (await house.ask("GET", f"/v1/webhooks/{new['id']}/deliveries")).json()["items"]
    assert (one["type"], one["event_id"]) == ("webhook.test", sent.json()["event_id"])


def test_every_kind_of_notice_can_be_asked_for() -> None:
    assert set(get_args(Event)) == set(NoticeKind) - {NoticeKind.WEBHOOK_TEST}
