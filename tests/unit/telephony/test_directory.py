"""The look-up server, asked as Asterisk asks, and as others might."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

import aiohttp
import pytest

from telephony.app_rows import AppAccount, AppServing
from telephony.directory import Directory, lookup_listener
from telephony.errors import PortTaken

NAME = "app_06h04q5m1cebd0scwk78yt7k90"
SECRET = "5ecret"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Accounts:
    known: set[str] = field(default_factory=lambda: {NAME})
    asked: list[str] = field(default_factory=list)
    fault: Exception | None = None
    hold: asyncio.Event | None = None

    async def account(self, username: str) -> AppAccount | None:
        self.asked.append(username)
        if self.fault is not None:
            raise self.fault
        if self.hold is not None:
            await self.hold.wait()
        if username not in self.known:
            return None
        return AppAccount(username, "u-1", "0" * 32, datetime(2026, 11, 22, tzinfo=UTC))


@dataclass
class House:
    accounts: Accounts
    directory: Directory
    port: int
    given: list[str]
    errors: list[BaseException]

    async def ask(
        self,
        body: str,
        *,
        path: str = "ps_endpoints/single",
        secret: str = SECRET,
        by: str = "POST",
    ) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}/{secret}/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(by, url, data=body, headers=FORM) as answer,
        ):
            return answer.status, await answer.text()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    accounts, given, errors = Accounts(), [], []  # type: ignore[var-annotated]
    directory = Directory(
        accounts,
        AppServing("h"),
        SECRET,
        given=lambda account: given.append(account.username),
        on_error=errors.append,
    )
    listener = lookup_listener(0)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(directory.serve(listener))
    try:
        yield House(accounts, directory, port, given, errors)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@pytest.mark.parametrize("family", ["ps_endpoints", "ps_auths", "ps_aors"])
async def test_a_known_app_is_told_of_and_noted_first(family: str) -> None:
    async with house() as at:
        status, text = await at.ask(f"id={NAME}", path=f"{family}/single")
        assert (status, text.split("&")[0]) == (200, f"id={NAME}")
        assert at.given == [NAME]


async def test_three_questions_about_one_are_one_look_up() -> None:
    async with house() as at:
        for family in ("ps_endpoints", "ps_auths", "ps_aors"):
            assert (await at.ask(f"id={NAME}", path=f"{family}/single"))[1]
        assert at.accounts.asked == at.given == [NAME]
        at.accounts.known.clear()
        at.directory.forget([NAME])
        assert await at.ask(f"id={NAME}") == (200, "")


async def test_of_an_unknown_app_nothing_is_said() -> None:
    async with house() as at:
        other = NAME[:-1] + "1"
        assert await at.ask(f"id={other}") == (200, "")
        assert at.given == []
        assert at.directory.counters.unknown == 1


@pytest.mark.parametrize(
    "name",
    [
        "carrier-a",
        "+79161234567",
        NAME + "@maskline",
        NAME.upper(),
        NAME + "\r\nEvent: x",
        "%",
        "' or 1=1 --",
        "x" * 900,
        "",
    ],
)
async def test_what_cannot_be_an_app_is_not_looked_up(name: str) -> None:
    async with house() as at:
        assert await at.ask(f"id={quote(name)}") == (200, "")
        assert at.accounts.asked == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("ps_endpoints/multi", "id%20LIKE=%25"),
        ("ps_endpoints/multi", f"id={NAME}"),
        ("ps_endpoints/single", f"id={NAME}&id={NAME}"),
        ("ps_endpoints/single", f"md5_cred={'0' * 32}"),
        ("ps_contacts/single", f"id={NAME}"),
        ("ps_endpoints/destroy", f"id={NAME}"),
    ],
)
async def test_there_is_no_list_and_nothing_else_to_be_had(path: str, body: str) -> None:
    async with house() as at:
        assert await at.ask(body, path=path) == (200, "")
        assert at.accounts.asked == []


async def test_who_does_not_know_the_path_is_told_nothing() -> None:
    async with house() as at:
        for secret in ("", "5ecre", "5ecret0", "x" * 5000):
            status, text = await at.ask(f"id={NAME}", secret=secret)
            assert (status, NAME in text) == (404, False)
        assert (await at.ask("", by="GET"))[0] == 404
        assert at.accounts.asked == []


async def test_a_question_that_is_too_long_is_not_read() -> None:
    async with house() as at:
        assert (await at.ask(f"id={NAME}&x={'y' * 2000}"))[0] == 413


async def test_our_trouble_is_answered_at_once_as_if_it_were_unknown() -> None:
    async with house() as at:
        at.accounts.fault = RuntimeError("the database is away")
        assert await at.ask(f"id={NAME}") == (200, "")
        assert at.errors == [at.accounts.fault]
        assert at.directory.counters.failed == 1


async def test_a_look_up_that_hangs_does_not_hold_asterisk_up() -> None:
    async with house() as at:
        at.accounts.hold = asyncio.Event()
        began_s = asyncio.get_running_loop().time()
        assert await at.ask(f"id={NAME}") == (200, "")
        assert asyncio.get_running_loop().time() - began_s < 2.0  # what Asterisk waits
        assert at.given == []


def test_a_taken_port_is_noticed() -> None:
    with lookup_listener(0) as taken, pytest.raises(PortTaken, match="it is in use"):
        lookup_listener(taken.getsockname()[1])
