"""Sign-in through a real OpenID Connect provider (npm's certified `oidc-provider`)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Self

import aiohttp
import pytest
from yarl import URL

from api.console.oidc_out import leaving
from api.services import ApiSettings, Oidc
from masking.staff import StaffRole
from storage import staff
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.support.maskline import free_tcp_port
from tests.support.oidc_provider import BACK, CLIENT_ID, CLIENT_SECRET, SCOPES, oidc_provider

ROLES = {"support": StaffRole.AGENT, "leads": StaffRole.SUPERVISOR}


@dataclass(frozen=True)
class Scene:
    """The console, and the provider beside it."""

    house: House
    issuer: str

    @property
    def console(self) -> str:
        return f"http://127.0.0.1:{self.house.port}/console/"

    async def account(self, login: str) -> staff.Account | None:
        return await self.house.db.read(lambda conn: staff.by_login(conn, login))


@pytest.fixture
async def scene(migrated_sqlite: str, tmp_path: Path) -> AsyncIterator[Scene]:
    port = free_tcp_port()
    oidc = Oidc(
        issuer=f"http://127.0.0.1:{port}",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        claim="groups",
        roles=ROLES,
        scopes=SCOPES,
        name="Acme",
    )
    async for house in run(migrated_sqlite, ApiSettings(oidc=oidc)):
        house.clock.now = datetime.now(UTC)
        folder = tmp_path / "provider"
        folder.mkdir()
        back = f"http://127.0.0.1:{house.port}{BACK}"
        async with oidc_provider(folder, port, back) as issuer:
            yield Scene(house, issuer)


class Browser:
    """Follows redirects, keeps cookies, and fills in the provider's forms."""

    def __init__(self) -> None:
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def sign_in(self, scene: Scene, subject: str) -> tuple[int, URL, str]:
        """Where it ends, with what."""
        async with self.http.get(f"{scene.console}sign-in/provider?to=/console/account") as shown:
            text, at, status = await shown.text(), shown.url, shown.status
        for _ in range(3):
            if not str(at).startswith(scene.issuer):
                break
            action = re.search(r'action="([^"]+)"', text)
            prompt = re.search(r'name="prompt" value="([^"]+)"', text)
            assert action is not None, text
            assert prompt is not None, text
            sent = {"prompt": prompt[1], "login": subject, "password": "x"}
            async with self.http.post(at.join(URL(action[1])), data=sent) as shown:
                text, at, status = await shown.text(), shown.url, shown.status
        return status, at, text


async def test_a_groups_member_gets_its_role_and_an_account(scene: Scene) -> None:
    async with Browser() as browser:
        form = await browser.http.get(f"{scene.console}sign-in", headers={"Accept-Language": "en"})
        assert "Sign in with Acme" in await form.text()
        status, at, text = await browser.sign_in(scene, "vera.support")
    assert (status, at.path) == (200, "/console/account"), text
    assert "vera of support" in text
    account = await scene.account("vera")
    assert account is not None
    assert account.role is StaffRole.AGENT
    assert account.oidc
    assert not account.has_password


async def test_who_is_in_no_group_of_ours_does_not_get_in(scene: Scene) -> None:
    async with Browser() as browser:
        status, at, _ = await browser.sign_in(scene, "nora.kitchen")
    assert (status, at.path) == (403, "/console/sign-in/provider/back")
    assert await scene.account("nora") is None


async def test_an_account_that_is_there_already_is_not_taken_over(scene: Scene) -> None:
    house = scene.house
    local = staff.Account(
        id="stf_00000000000000000000000000", login="root", name="Root", role=StaffRole.ADMIN
    )
    await house.db.write(lambda conn: staff.add(conn, local, password_hash=None, now=house.clock()))
    async with Browser() as browser:
        status, _, _ = await browser.sign_in(scene, "root.leads")
    assert status == 409
    assert (await scene.account("root")) == await house.db.read(
        lambda conn: staff.by_id(conn, local.id)
    )
    found = await scene.account("root")
    assert found is not None
    assert found.role is StaffRole.ADMIN
    assert not found.oidc


async def test_a_code_of_another_browser_is_worth_nothing(scene: Scene) -> None:
    async with Browser() as browser, aiohttp.ClientSession() as other:
        back = f"{scene.console}sign-in/provider/back?code=stolen&state=guessed"
        async with other.get(back) as shown:
            assert shown.status == 403
        await browser.http.get(f"{scene.console}sign-in/provider")
        async with browser.http.get(back) as shown:
            assert shown.status == 403


async def test_who_signs_out_is_led_on_to_the_provider_and_comes_back(scene: Scene) -> None:
    async with Browser() as browser:
        await browser.sign_in(scene, "vera.support")
        async with browser.http.get(f"{scene.console}account") as shown:
            csrf = re.search(r'name="csrf" content="([^"]+)"', await shown.text())
        assert csrf is not None
        async with browser.http.post(
            f"{scene.console}sign-out",
            data={"csrf": csrf[1]},
            headers={"Origin": scene.console.removesuffix("/console/")},
        ) as shown:
            page, at = await shown.text(), shown.url
        assert at.path == "/console/sign-in/provider/out"
        onward = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page)
        assert onward is not None, page
        async with browser.http.get(URL(unescape(onward[1]), encoded=True)) as shown:
            page, at = await shown.text(), shown.url
        assert str(at).startswith(scene.issuer)
        action = re.search(r'action="([^"]+)"', page)
        xsrf = re.search(r'name="xsrf" value="([^"]+)"', page)
        assert action is not None, page
        assert xsrf is not None, page
        sent = {"xsrf": xsrf[1], "logout": "yes"}
        async with browser.http.post(at.join(URL(action[1])), data=sent) as shown:
            assert (shown.url.path, shown.status) == ("/console/sign-in", 200)
        status, at, _ = await browser.sign_in(scene, "other.support")
    assert (status, at.path) == (200, "/console/account")
    assert await scene.account("other") is not None, "the provider asked anew who they are"


@pytest.mark.parametrize("endpoint", [None, 7, "javascript:alert(1)", "/session/end"])
def test_a_provider_that_names_no_page_for_it_is_not_gone_to(endpoint: object) -> None:
    assert leaving(endpoint, "maskline", "https://desk.example") is None


def test_what_the_provider_is_asked_stands_beside_its_own_query() -> None:
    at = leaving("https://idp.example/out?realm=staff", "maskline", "https://desk.example")

    assert at is not None
    assert dict(URL(at).query) == {
        "realm": "staff",
        "client_id": "maskline",
        "post_logout_redirect_uri": "https://desk.example/console/sign-in",
    }
