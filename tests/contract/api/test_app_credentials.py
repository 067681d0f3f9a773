"""Apps' credentials over HTTP: made, listed, ended; what is kept of them and what is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from api.services import Turn
from storage import apps
from tests.contract.api.house import START, House

PATH = "/v1/users/u-1/app-credentials"


async def test_a_credential_says_all_that_a_client_needs(house: House) -> None:
    made = await house.credential(device="iphone-12", transport="sip", ttl_s=600)

    username = made["username"]
    assert made["sip_uri"] == f"sip:{username}@sip.test"
    assert made["ws_url"] == "ws://sip.test:8088/ws"
    assert made["transports"] == {"udp": "sip.test:5060", "tcp": None, "tls": None}
    assert made["ice_servers"] == []
    assert made["realm"] == "maskline"
    assert datetime.fromisoformat(made["expires_at"]) == START + timedelta(seconds=600)
    assert len(made["password"]) == len(made["token"].partition(".")[2]) == 32
    assert made["token"].startswith(username + ".")


async def test_what_was_shown_is_what_registrations_are_checked_against(house: House) -> None:
    made = await house.credential()

    now, vault = house.clock(), house.services.vault
    kept = await house.db.read(lambda conn: apps.account(conn, made["username"], now))

    assert kept is not None
    assert kept.user_id == "u-1"
    assert kept.ha1(vault) == apps.ha1(made["username"], made["password"])
    assert kept.expires_at == START + timedelta(hours=12)


async def test_no_secret_is_kept_in_the_clear(house: House) -> None:
    again = {"Idempotency-Key": "once"}
    made = (await house.ask("POST", PATH, {}, headers=again)).json()

    def kept(conn: Connection) -> str:
        tables = ("app_credentials", "idempotency_keys")
        return str([conn.execute(text(f"SELECT * FROM {name}")).all() for name in tables])  # noqa: S608

    everything = await house.db.read(kept)
    assert made["username"] in everything
    for secret in (made["password"], made["token"], made["token"].partition(".")[2]):
        assert secret not in everything
    assert apps.ha1(made["username"], made["password"]) not in everything


async def test_a_repeated_request_gets_the_same_credential(house: House) -> None:
    again = {"Idempotency-Key": "once"}

    first = await house.ask("POST", PATH, {"device": "tablet"}, headers=again)
    second = await house.ask("POST", PATH, {"device": "tablet"}, headers=again)

    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json() == first.json()
    assert len((await house.ask("GET", PATH)).json()["items"]) == 1
    assert house.node.shut_out == []


async def test_devices_are_listed_without_secrets_and_with_who_is_there(house: House) -> None:
    phone = await house.credential(device="phone")
    house.clock.advance(seconds=1)
    tablet = await house.credential(device="tablet")
    house.node.apps = {phone["username"]}

    listed = await house.ask("GET", PATH, role="staff")

    shown = [(one["username"], one["device"], one["registered"]) for one in listed.json()["items"]]
    assert shown == [(tablet["username"], "tablet", False), (phone["username"], "phone", True)]
    for made in (phone, tablet):
        assert made["password"].encode() not in listed.body
        assert made["token"].encode() not in listed.body
    assert (await house.ask("GET", "/v1/users/u-2/app-credentials")).json()["items"] == []


async def test_a_new_credential_ends_the_one_of_the_same_device(house: House) -> None:
    first = await house.credential(device="phone")

    made = await house.ask("POST", PATH, {"device": "phone"})

    assert made.headers["X-Maskline-Applied"] == "now"
    assert house.node.shut_out == [(first["username"],)]
    gone = await house.ask_app("GET", "/v1/app/me", token=first["token"])
    assert (gone.status, gone.error_id) == (401, "unauthenticated")


async def test_one_device_is_shut_out(house: House) -> None:
    phone, tablet = await house.credential(), await house.credential()

    ended = await house.ask("DELETE", f"{PATH}/{phone['username']}")
    again = await house.ask("DELETE", f"{PATH}/{phone['username']}")

    assert (ended.status, ended.body) == (204, b"")
    assert (again.status, again.error_id) == (404, "credential_not_found")
    assert house.node.shut_out == [(phone["username"],)]
    assert (await house.ask_app("GET", "/v1/app/me", token=phone["token"])).status == 401
    assert (await house.ask_app("GET", "/v1/app/me", token=tablet["token"])).status == 200


async def test_nobody_ends_the_devices_of_another_user(house: House) -> None:
    theirs = await house.credential("u-2")

    refused = await house.ask("DELETE", f"{PATH}/{theirs['username']}")
    all_of_mine = await house.ask("DELETE", PATH)

    assert refused.status == 404
    assert all_of_mine.status == 204
    assert (await house.ask_app("GET", "/v1/app/me", token=theirs["token"])).status == 200


async def test_all_devices_of_a_user_are_shut_out(house: House) -> None:
    made = [await house.credential() for _ in range(3)]

    assert (await house.ask("DELETE", PATH)).status == 204

    assert house.node.shut_out == [tuple(sorted(one["username"] for one in made))]
    for one in made:
        assert (await house.ask_app("GET", "/v1/app/me", token=one["token"])).status == 401


async def test_a_node_that_is_away_shuts_out_later_and_the_token_is_dead_at_once(
    house: House,
) -> None:
    made = await house.credential()
    house.node.away = True

    ended = await house.ask("DELETE", PATH)

    assert (ended.status, ended.headers["X-Maskline-Applied"]) == (204, "later")
    assert (await house.ask_app("GET", "/v1/app/me", token=made["token"])).status == 401


async def test_a_credential_ends_by_itself(house: House) -> None:
    made = await house.credential(ttl_s=60)

    house.clock.advance(seconds=60)

    assert (await house.ask_app("GET", "/v1/app/me", token=made["token"])).status == 401
    assert (await house.ask("GET", PATH)).json()["items"] == []


async def test_relays_get_passwords_as_coturn_checks_them(lite: House) -> None:
    turn = Turn(("turn:turn.test:3478?transport=udp",), "the relay's secret")
    lite.transports = replace(lite.transports, stun=("stun:turn.test:3478",), turn=turn)

    made = await lite.credential(ttl_s=3600)

    stun, relay = made["ice_servers"]
    until = int((START + timedelta(hours=1)).timestamp())
    assert stun["urls"] == ["stun:turn.test:3478"]
    assert relay["urls"] == list(turn.urls)
    assert relay["username"] == f"{until}:{made['username']}"
    expected = hmac.new(b"the relay's secret", relay["username"].encode(), hashlib.sha1).digest()
    assert relay["credential"] == base64.b64encode(expected).decode()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"ttl_s": 59}, "ttl_s"),
        ({"ttl_s": 2_592_001}, "ttl_s"),
        ({"transport": "smoke"}, "transport"),
        ({"device": "a\nb"}, "device"),
        ({"device": "Anna's +7 916 123-45-67"}, "device"),
        ({"device": "iphone-89161234567"}, "device"),
        ({"password": "mine"}, "password"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    lite: House, sent: dict[str, Any], field: str
) -> None:
    refused = await lite.ask("POST", PATH, sent)

    assert refused.error_id == "validation_failed"
    assert len(refused.fields) == 1
    assert field in next(iter(refused.fields)) or field == "password"
