"""The second factor: with it a password alone opens nothing."""

from __future__ import annotations

import re

import pyotp
import pytest

from api.services import ApiSettings
from masking.staff import StaffRole
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.contract.console.signing import enlist, sign_in
from tests.support.console import Desk

pytestmark = pytest.mark.usefixtures("cheap")


async def set_up(desk: Desk, path: str = "/console/account/second-factor") -> tuple[str, list[str]]:
    """Set a second factor up; its secret and the recovery codes."""
    offered = await desk.get(path)
    secret = re.search(r"<code class=\"mono\">([A-Z2-7 ]+)</code>", offered.html)
    sealed = re.search(r'name="sealed" value="([^"]+)"', offered.html)
    assert secret is not None
    assert sealed is not None
    plain = secret[1].replace(" ", "")
    code = pyotp.TOTP(plain).at(desk.house.clock())
    shown = await desk.post(path, {"sealed": sealed[1], "code": code})
    assert shown.status == 200, shown.words
    return plain, re.findall(r"<li>([a-z0-9-]{14})</li>", shown.html)


async def test_with_a_second_factor_the_password_alone_opens_nothing(lite: House) -> None:
    await enlist(lite)
    desk = Desk(lite)
    await sign_in(desk)
    secret, codes = await set_up(desk)
    assert len(set(codes)) == 10
    other = Desk(lite)
    assert (await sign_in(other)).location.startswith("/console/sign-in/code")
    assert (await other.get("/console/account")).location == "/console/sign-in/code"
    path = "/console/sign-in/code"
    lite.clock.advance(seconds=30)
    right = pyotp.TOTP(secret).at(lite.clock())
    assert (await other.post(path, {"code": "000000" if right != "000000" else "1"})).status == 403
    assert (await other.post(path, {"code": right, "to": "/console/account"})).status == 303
    assert (await other.get("/console/account")).status == 200
    third = Desk(lite)
    await sign_in(third)
    assert (await third.post(path, {"code": right})).status == 403, "a code serves once"
    assert (await third.post(path, {"code": codes[0].upper()})).status == 303
    fourth = Desk(lite)
    await sign_in(fourth)
    assert (await fourth.post(path, {"code": codes[0]})).status == 403, "and so does this one"


async def test_codes_cannot_be_tried_without_end(lite: House) -> None:
    await enlist(lite)
    desk = Desk(lite)
    await sign_in(desk)
    secret, _ = await set_up(desk)
    thief = Desk(lite)
    await sign_in(thief)
    for _ in range(5):
        assert (await thief.post("/console/sign-in/code", {"code": "1"})).status == 403
    lite.clock.advance(seconds=29)
    right = pyotp.TOTP(secret).at(lite.clock())
    assert (await thief.post("/console/sign-in/code", {"code": right})).status == 429


async def test_a_role_may_need_a_second_factor(migrated_sqlite: str) -> None:
    settings = ApiSettings(console_second_factor=frozenset({StaffRole.ADMIN}))
    async for house in run(migrated_sqlite, settings):
        await enlist(house, "root", StaffRole.ADMIN)
        await enlist(house, "vera")
        assert (await sign_in(Desk(house))).location == "/console/account"
        desk = Desk(house)
        shown = await sign_in(desk, "root")
        assert shown.location.startswith("/console/sign-in/enrol")
        assert (await desk.get("/console/account")).location == "/console/sign-in/enrol"
        await set_up(desk, "/console/sign-in/enrol")
        assert (await desk.get("/console/account")).status == 200
        off = await desk.post("/console/account/second-factor/remove", {"code": "1"})
        assert off.status == 403


async def test_a_secret_that_was_offered_to_another_is_not_taken(lite: House) -> None:
    first, second = [await Desk.of(lite, StaffRole.AGENT) for _ in range(2)]
    offered = await first.get("/console/account/second-factor")
    sealed = re.search(r'name="sealed" value="([^"]+)"', offered.html)
    assert sealed is not None
    shown = await second.post(
        "/console/account/second-factor", {"sealed": sealed[1], "code": "123456"}
    )
    assert shown.status == 403
    assert "out of date" in shown.words
