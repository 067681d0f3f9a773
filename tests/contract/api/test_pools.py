"""The rules of pools over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from masking.model import Phone
from masking.rules import PoolSecrets
from storage.pool_rules import secrets_of
from tests.contract.api.house import PROXY, House

DESK = "+74957654321"
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"t" * 32).decode()
HOOK = {"url": "https://93.184.215.14/hook", "deadline_ms": 900, "on_failure": "open"}
ALL: dict[str, Any] = {
    "cool_down_s": 86_400,
    "language": "en",
    "ring_s": 25,
    "max_call_s": 600,
    "numbers": {
        "sticky": "strict",
        "geo": False,
        "areas": ["+7495", "RU"],
        "exhausted": "recycle_idle",
        "recycle_after_s": 3600,
        "extension_length": 4,
        "max_sessions": 50,
        "low_percent": 10,
    },
    "strangers": {
        "unknown": "pin",
        "withheld": "static",
        "late": "ask",
        "pin": {"length": 5, "attempts": 2, "lock_out_s": 600, "enrol": False},
    },
    "listings": {
        "shared": True,
        "extension_length": 6,
        "rotate_after_s": 86_400,
        "rotate_after_callers": 9,
        "rest_s": 1000,
        "link_s": 2000,
        "links_a_day": 5,
    },
    "ending": {"warn_before_s": 30, "notice_s": 3600},
    "recording": {
        "mode": "consent",
        "retention_days": 90,
        "announcement": "recorded-for-quality",
    },
}


def sent(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """All rules, and the secrets."""
    strangers = ALL["strangers"] | {"static": DESK}
    return ALL | {"strangers": strangers, "hook": HOOK | {"secret": SECRET}} | changes


async def secrets(house: House) -> PoolSecrets:
    vault = house.services.vault
    return await house.db.read(lambda conn: secrets_of(conn, vault, "default"))


def planted(house: House) -> None:
    """From now on nothing may say what is secret."""
    house.memory.phones.add(DESK)


async def test_every_rule_is_kept_and_no_secret_is_said_again(house: House) -> None:
    planted(house)

    put = await house.ask("PUT", "/v1/pools/default", sent())

    assert put.status == 200
    shown = put.json()
    assert shown.pop("hook") == HOOK | {"secret_set": True}
    assert shown["strangers"].pop("static_set") is True
    assert {name: shown[name] for name in ALL} == ALL
    read = await house.ask("GET", "/v1/pools/default")
    assert read.json() == put.json()
    assert (await house.ask("GET", "/v1/pools")).json()["items"] == [put.json()]
    assert await secrets(house) == PoolSecrets(Phone(DESK), SECRET)
    for answer in house.memory.answers:
        assert SECRET.encode() not in answer
    assert SECRET not in "\n".join(house.memory.lines)


async def test_what_is_left_out_gets_its_default(house: House) -> None:
    await house.ask("PUT", "/v1/pools/default", sent())

    again = (await house.ask("PUT", "/v1/pools/default", {})).json()

    assert again == (await house.ask("PUT", "/v1/pools/other", {})).json() | {
        "name": "default",
        "strangers": again["strangers"],
    }
    assert again["numbers"]["sticky"] == "prefer"
    assert again["numbers"]["exhausted"] == "refuse"
    assert again["hook"] is None
    assert again["recording"] == {
        "mode": "never",
        "retention_days": 30,
        "announcement": "recorded",
    }


async def test_secrets_stay_until_they_are_changed_or_removed(house: House) -> None:
    await house.ask("PUT", "/v1/pools/default", sent())

    await house.ask("PUT", "/v1/pools/default", ALL | {"hook": HOOK})
    assert await secrets(house) == PoolSecrets(Phone(DESK), SECRET)
    await house.ask("PUT", "/v1/pools/default", ALL | {"hook": HOOK | {"secret": OTHER}})
    assert await secrets(house) == PoolSecrets(Phone(DESK), OTHER)
    removed = await house.ask("PUT", "/v1/pools/default", {"strangers": {"static": None}})
    assert removed.json()["strangers"]["static_set"] is False
    assert await secrets(house) == PoolSecrets()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"numbers": {"sticky": "always"}}, "numbers.sticky"),
        ({"numbers": {"areas": ["Moscow"]}}, "numbers.areas[0]"),
        ({"numbers": {"areas": ["+7495", "ru"]}}, "numbers.areas[1]"),
        ({"numbers": {"exhausted": "recycle_idle"}}, ""),
        (
            {"numbers": {"exhausted": "recycle_idle", "recycle_after_s": 7200}},
            "numbers.recycle_after_s",
        ),
        ({"numbers": {"extension_length": 7}}, "numbers.extension_length"),
        ({"numbers": {"max_sessions": 0}}, "numbers.max_sessions"),
        ({"numbers": {"low_percent": 91}}, "numbers.low_percent"),
        ({"strangers": {"unknown": "static"}}, "strangers.static"),
        ({"strangers": {"withheld": "static", "static": None}}, "strangers.static"),
        ({"strangers": {"static": "84957654321"}}, "strangers.static"),
        ({"strangers": {"static": PROXY}}, "strangers.static"),
        ({"strangers": {"pin": {"length": 3}}}, "strangers.pin.length"),
        ({"strangers": {"pin": {"attempts": 6}}}, "strangers.pin.attempts"),
        ({"listings": {"extension_length": 2}}, "listings.extension_length"),
        ({"listings": {"links_a_day": 0}}, "listings.links_a_day"),
        ({"ending": {"warn_before_s": 60}, "max_call_s": 60}, "ending.warn_before_s"),
        ({"hook": HOOK}, "hook.secret"),
        ({"hook": HOOK | {"secret": "whsec_short"}}, "hook.secret"),
        ({"hook": HOOK | {"secret": "whsec_" + "A" * 33}}, "hook.secret"),
        ({"hook": HOOK | {"secret": SECRET, "url": "http://127.0.0.1/"}}, "hook.url"),
        ({"hook": HOOK | {"secret": SECRET, "deadline_ms": 2001}}, "hook.deadline_ms"),
        ({"hook": HOOK | {"secret": SECRET, "on_failure": "maybe"}}, "hook.on_failure"),
    ],
)
async def test_what_cannot_work_is_named(house: House, changes: dict[str, Any], field: str) -> None:
    await house.furnish()
    before = (await house.ask("GET", "/v1/pools/default")).json()

    put = await house.ask("PUT", "/v1/pools/default", changes)

    if not field:
        assert put.status == 200
        return
    assert (put.status, put.error_id) == (422, "validation_failed")
    assert list(put.fields) == [field]
    assert (await house.ask("GET", "/v1/pools/default")).json() == before
