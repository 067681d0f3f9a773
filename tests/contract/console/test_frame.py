"""The frame of the console: who gets in, what every page brings, what no form gets past."""

import asyncio

import pytest
from aiohttp import web

from api.console import app
from api.console.page import Page, Visit
from api.console.table import PAGES
from api.services import ApiSettings
from masking.staff import StaffRole
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.support.console import Desk


async def test_nobody_is_sent_to_sign_in_and_back(lite: House) -> None:
    shown = await Desk(lite).get("/console/account?x=1")
    assert shown.status == 303
    assert shown.location == "/console/sign-in?to=%2Fconsole%2Faccount%3Fx%3D1"


async def test_an_unknown_page_is_said_to_be_none(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.get("/console/nowhere")
    assert shown.status == 404
    assert "Not found" in shown.words


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_every_page_brings_its_policy_and_is_not_kept(lite: House, language: str) -> None:
    desk = await Desk.of(lite, StaffRole.ADMIN, language=language)
    shown = await desk.get("/console/nowhere")
    headers = shown.reply.headers
    assert f'<html lang="{language}"' in shown.html
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "style=" not in shown.html
    assert " on" + "click" not in shown.html


async def test_a_form_without_its_token_does_nothing(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.post("/console/sign-out", csrf="x")
    assert shown.status == 403
    assert (await desk.get("/console/nowhere")).status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_does_nothing(lite: House, headers: dict[str, str]) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.post("/console/sign-out", headers=headers)
    assert shown.status == 403
    assert (await desk.get("/console/nowhere")).status == 404


async def test_a_page_that_takes_too_long_says_so_as_a_page(
    migrated_sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_: Visit) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    pages = (*PAGES, Page("GET", "/console/slow", slow, None))
    monkeypatch.setattr(app, "PAGES", pages)
    async for house in run(migrated_sqlite, ApiSettings(request_timeout_s=0.5)):
        desk = await Desk.of(house, StaffRole.AGENT)
        shown = await desk.get("/console/slow")
        assert shown.status == 503
        assert shown.reply.headers["Content-Type"].startswith("text/html")
        assert "took too long" in shown.words


async def test_who_signs_out_is_out(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    token = desk.token
    shown = await desk.post("/console/sign-out")
    assert (shown.status, shown.location) == (303, "/console/sign-in")
    desk.cookies["maskline_console"] = token
    assert (await desk.get("/console/nowhere")).status == 303
