"""The running API against its own description, by schemathesis: every check, generated requests."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from api import openapi
from api.services import ApiSettings
from storage.database import open_database
from storage.vault import Vault, VaultKeys
from tests.contract.api.house import House

PHONES = itertools.count(1)


def keep_the_rules(case: Case[Any]) -> None:  # noqa: C901, PLR0912 (a table)
    """What JSON Schema cannot say of a valid request: made so.

    A phone must be possible in its country, the two sides must differ, an address must be one, a
    cursor must have been given out, an Idempotency-Key is for one request, SRTP needs TLS.
    """
    case.query.pop("cursor", None)
    if "number" in case.query:
        case.query["number"] = f"+7916{next(PHONES):07}"
    case.headers.pop("Idempotency-Key", None)
    if "/analytics/" in case.path:
        for name in ("from", "until"):  # in this order, and not too long ago
            case.query.pop(name, None)
    body: Any = case.body
    if not isinstance(body, dict):
        return
    make_phones_possible(body)
    match case.operation.definition.raw["operationId"]:
        case "open_session":
            body["conversation_id"] = "chat-81"
            body["pool"] = "default"
            body["channel_policy"] = "app_then_gsm"
            for name in ("pools", "same_number_as", "hard_ttl_s"):
                body.pop(name, None)
            body["participants"] = [
                one
                | {"role": role, "user_id": role, "phone": f"+7916{next(PHONES):07}"}
                | {"number": None}
                for role, one in zip(("buyer", "seller"), body["participants"], strict=True)
            ]
        case "extend_session" | "change_listing_number":
            body.clear()
            body["ttl_s"] = 600
        case "add_numbers":
            body["numbers"] = [f"+7496{next(PHONES):07}" for _ in body["numbers"]]
        case "create_trunk" | "replace_trunk" | "change_trunk":
            make_trunk_possible(body)
        case "make_webhook":
            body["url"] = "https://shop.example/maskline"
        case "change_webhook":
            body.clear()
            body["url"] = "https://shop.example/maskline"
        case "put_pool":
            body.pop("hook", None)
            body.setdefault("numbers", {}).update(areas=["RU"], exhausted="refuse")
            body["strangers"] = {"static": f"+7496{next(PHONES):07}"}
            body.pop("ending", None)
            body.pop("push", None)
            body.pop("handover", None)
        case "count_impressions":
            for one in body["impressions"]:
                one.pop("at", None)
                one.pop("variant", None)
        case "put_reachability":
            body.pop("quiet_hours", None)
            body["timezone"] = "Europe/Moscow"
        case "search_calls":
            body.pop("cursor", None)
        case "set_block":
            body["user_id"], body["blocked_user_id"] = "u-1", "u-2"
        case _:
            pass


def make_phones_possible(body: dict[str, Any]) -> None:
    """Give everybody in it a phone of their own that could be one."""
    for name, value in body.items():
        if isinstance(value, dict):
            make_phones_possible(value)
        elif name in ("phone", "caller", "number") and isinstance(value, str):
            body[name] = f"+7916{next(PHONES):07}"


def make_trunk_possible(body: dict[str, Any]) -> None:
    """Give it a host and a country that are there, and audio sealed over TLS alone."""
    for name, value in (("host", "sip.example.org"), ("country", "RU")):
        if name in body:
            body[name] = value
    for name in [name for name, value in body.items() if value is None]:
        del body[name]
    sealed = body.get("media_encryption") == "sdes"
    if sealed or "transport" in body:
        body |= {"transport": "tls"} if sealed else {"media_encryption": "none"}


class Standing:
    """A house that stands on a loop of its own, in a thread, for clients that block."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="house")
        self.house: House | None = None

    def __enter__(self) -> House:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _open(self) -> House:
        vault = Vault(VaultKeys.generate())
        settings = ApiSettings(sip_host="sip.test", app_burst=10_000)
        self.house = House(open_database(self._url), vault, settings)
        self.house.transports = replace(self.house.transports, tls="sip.test:5061")
        await self.house.open()
        self.house.keys["app"] = (await self.house.credential())["token"]
        await self.house.furnish(*(f"+7495{number:07}" for number in range(2_000)))
        return self.house

    async def _close(self) -> None:
        assert self.house is not None
        await self.house.close()
        await self.house.db.close()


@pytest.fixture(scope="module")
def standing(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    file = tmp_path_factory.mktemp("schemathesis") / "maskline.db"
    shutil.copyfile(sqlite_template, file)
    with Standing(f"sqlite:///{file}") as house:
        yield house


# A stream of events does not end: it has tests of its own.
schema = schemathesis.openapi.from_dict(openapi.document()).exclude(
    operation_id=["app_events", "follow_history", "follow_call_log"]
)


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_is_described(case: Case[Any], standing: House) -> None:
    if case.meta is not None and case.meta.generation.mode.is_positive:
        keep_the_rules(case)
    key = "app" if {"app": []} in case.operation.definition.raw["security"] else "admin"
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{standing.port}",
        headers={"Authorization": f"Bearer {standing.keys[key]}"},
    )
