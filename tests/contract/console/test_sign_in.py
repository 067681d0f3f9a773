"""Signing in: passwords, hold-ups, what one chooses for oneself. Nothing tells who exists."""

from __future__ import annotations

import pytest

from api.console import gate
from api.services import ApiSettings
from masking.staff import StaffRole
from storage import audit, staff
from storage.audit import Action, Filter
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.contract.console.signing import PASSWORD, REFUSED, enlist, sign_in
from tests.support.console import Desk

pytestmark = pytest.mark.usefixtures("cheap")


async def test_who_knows_the_password_is_in_and_where_they_wanted_to_be(lite: House) -> None:
    account = await enlist(lite)
    desk = Desk(lite)
    shown = await sign_in(desk, " VERA ")
    assert (shown.status, shown.location) == (303, "/console/account")
    assert "Vera" in (await desk.get("/console/account")).words
    page = await lite.db.read(lambda conn: audit.page(conn, Filter(actor_id=account.id)))
    assert [one.entry.action for one in page.items] == [Action.STAFF_SIGNED_IN]


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(lite: House) -> None:
    await enlist(lite)
    shown = await sign_in(Desk(lite))
    given = [
        one
        for one in shown.reply.headers.getall("Set-Cookie")  # type: ignore[attr-defined]
        if one.startswith("maskline_console=")
    ]
    assert len(given) == 1
    assert "HttpOnly" in given[0]
    assert "SameSite=Lax" in given[0]
    assert "Max-Age" not in given[0]


async def test_behind_https_the_cookie_belongs_to_this_host_alone(migrated_sqlite: str) -> None:
    settings = ApiSettings(public_url="https://calls.example")
    async for house in run(migrated_sqlite, settings):
        shown = await Desk(house).get("/console/sign-in", Host="calls.example")
        cookie = shown.reply.headers["Set-Cookie"]
        assert cookie.startswith("__Host-maskline_guest=")
        assert "Secure" in cookie


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/v1/calls", "/console/../x"]
)
async def test_nobody_is_sent_elsewhere_after_signing_in(lite: House, to: str) -> None:
    await enlist(lite)
    assert (await sign_in(Desk(lite), to=to)).location == "/console/"


async def test_a_wrong_password_and_an_unknown_login_are_answered_alike(lite: House) -> None:
    await enlist(lite)
    await enlist(lite, "gone")
    gone = await lite.db.read(lambda conn: staff.by_login(conn, "gone"))
    assert gone is not None
    await lite.db.write(
        lambda conn: staff.change(conn, gone.id, lite.clock(), locked_at=lite.clock())
    )
    wrong = await sign_in(Desk(lite), "vera", "not this one")
    unknown = await sign_in(Desk(lite), "nora", "not this one")
    locked = await sign_in(Desk(lite), "gone")
    assert wrong.status == unknown.status == locked.status == 403
    assert REFUSED in wrong.words
    assert wrong.words == unknown.words == locked.words


async def test_after_five_failures_an_account_is_held_for_strangers_and_not_for_long(
    lite: House,
) -> None:
    await enlist(lite)
    owner = Desk(lite)
    await sign_in(owner)
    await owner.post("/console/sign-out")
    stranger = Desk(lite)
    for _ in range(6):
        assert (await sign_in(stranger, password="guess")).status == 403
    assert (await sign_in(stranger)).status == 429, "the right one is not even looked at"
    assert (await sign_in(owner)).status == 303, "whom this browser knows gets in all the same"
    lite.clock.advance(seconds=31)
    assert (await sign_in(Desk(lite))).status == 303


async def test_who_is_held_is_told_so_on_the_form_itself(lite: House) -> None:
    await enlist(lite)
    for _ in range(6):
        await sign_in(Desk(lite), password="guess")
    held = await sign_in(Desk(lite), to="/console/calls")
    assert held.status == 429
    assert "Too many attempts. Try again in 1 minute." in held.words
    assert 'name="password"' in held.html
    assert 'name="to" value="/console/calls"' in held.html


async def test_holds_grow_but_never_beyond_a_quarter_of_an_hour(lite: House) -> None:
    await enlist(lite)
    for _ in range(14):
        await sign_in(Desk(lite), password="guess")
        lite.clock.advance(minutes=16)
    assert (await sign_in(Desk(lite))).status == 303


async def test_an_unknown_login_is_held_just_the_same(lite: House) -> None:
    for _ in range(6):
        assert (await sign_in(Desk(lite), "nora", "guess")).status == 403
    assert (await sign_in(Desk(lite), "nora", "guess")).status == 429


async def test_an_address_that_tries_many_accounts_is_held(lite: House) -> None:
    for number in range(21):
        assert (await sign_in(Desk(lite), f"user{number}", "guess")).status == 403
    assert (await sign_in(Desk(lite), "another", "guess")).status == 429


async def test_a_first_password_must_be_changed_before_anything_else(lite: House) -> None:
    await enlist(lite, first=True)
    desk = Desk(lite)
    shown = await sign_in(desk)
    assert shown.location.startswith("/console/sign-in/password")
    assert (await desk.get("/console/account")).location == "/console/sign-in/password"
    path = "/console/sign-in/password"
    for wrong in (PASSWORD, "short", "vera vera vera", "qwertyuiop123"):
        refused = await desk.post(path, {"password": wrong, "again": wrong})
        assert refused.status == 422
    fresh = "seven quiet herons"
    before = desk.token
    done = await desk.post(path, {"password": fresh, "again": fresh, "to": "/console/account"})
    assert (done.status, done.location) == (303, "/console/account")
    assert desk.token != before
    assert (await desk.get("/console/account")).status == 200
    assert (await sign_in(Desk(lite))).status == 403
    assert (await sign_in(Desk(lite), password=fresh)).status == 303


async def test_language_theme_and_zone_are_each_persons_own(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    sent = {"language": "ru", "theme": "dark", "time_zone": "Asia/Vladivostok"}
    assert (await desk.post("/console/account", sent)).status == 303
    shown = await desk.get("/console/account")
    assert '<html lang="ru" data-theme="dark">' in shown.html
    assert "20:00:00" in shown.words, "10:00 UTC, as it is in Vladivostok"
    assert (await desk.post("/console/account", {**sent, "time_zone": "Mars/Base"})).status == 422


async def test_who_chose_no_language_reads_the_browsers_until_they_choose(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT, language=staff.AS_BROWSER)
    for asked, title in (("en-GB,en", "My account"), ("ru", "Моя учётная запись")):
        shown = await desk.get("/console/account", Accept_Language=asked)
        assert f'<html lang="{asked[:2]}"' in shown.html
        assert title in shown.words
        assert '<option value="browser" selected>' in shown.html
    sent = {"language": "ru", "theme": "system", "time_zone": "UTC"}
    await desk.post("/console/account", sent)
    assert '<html lang="ru"' in (await desk.get("/console/account", Accept_Language="en")).html
    await desk.post("/console/account", {**sent, "language": staff.AS_BROWSER})
    assert '<html lang="en"' in (await desk.get("/console/account", Accept_Language="en")).html


async def test_a_mark_of_another_account_is_no_known_device(lite: House) -> None:
    await enlist(lite)
    await enlist(lite, "nora")
    nora = Desk(lite)
    await sign_in(nora, "nora")
    assert gate.KNOWN_COOKIE in nora.cookies
    await nora.post("/console/sign-out")
    for _ in range(6):
        await sign_in(nora, "vera", "guess")
    assert (await sign_in(Desk(lite), "vera")).status == 429
