"""Sessions of the staff: how they end, by themselves, by their owner, and halfway in."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial

import pytest

from api.console import render
from masking.staff import StaffRole
from storage import staff_sessions
from storage.staff_sessions import Stage
from tests.contract.api.house import House
from tests.contract.console.signing import PASSWORD, enlist, sign_in
from tests.support.console import Desk

pytestmark = pytest.mark.usefixtures("cheap")


async def test_what_is_kept_of_a_session_and_of_attempts_opens_nothing(lite: House) -> None:
    await enlist(lite)
    desk = Desk(lite)
    await sign_in(desk)
    dump = await lite.db.read(
        lambda conn: [
            str(row)
            for table in ("staff_sessions", "staff_attempts", "staff_accounts")
            for row in conn.exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608 (three names)
        ]
    )
    assert desk.token not in "\n".join(dump)
    assert PASSWORD not in "\n".join(dump)


async def test_signing_in_gives_a_new_token_each_time(lite: House) -> None:
    await enlist(lite)
    desk = Desk(lite)
    await sign_in(desk)
    before = desk.token
    assert (await desk.get("/console/sign-in")).location == "/console/", "they are in already"
    await desk.post("/console/sign-out")
    await sign_in(desk)
    assert desk.token not in ("", before)


async def test_a_session_ends_when_it_is_not_used_and_in_any_case_after_its_time(
    lite: House,
) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    lite.clock.advance(minutes=29)
    assert (await desk.get("/console/account")).status == 200
    lite.clock.advance(minutes=31)
    assert (await desk.get("/console/account")).status == 303
    busy = await Desk.of(lite, StaffRole.AGENT)
    for _ in range(25):
        lite.clock.advance(minutes=28)
        await busy.get("/console/account")
    lite.clock.advance(minutes=28)
    assert (await busy.get("/console/account")).status == 303


async def test_what_a_page_asks_by_itself_keeps_no_session_alive(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    lite.clock.advance(minutes=16)
    assert (await desk.get("/console/account", X_Unattended="1")).status == 200
    lite.clock.advance(minutes=16)
    assert (await desk.get("/console/account", X_Unattended="1")).status == 401


async def test_people_see_and_end_their_own_sessions_and_nobody_elses(lite: House) -> None:
    await enlist(lite)
    here, there, stranger = Desk(lite), Desk(lite), await Desk.of(lite, StaffRole.ADMIN)
    await sign_in(here)
    await sign_in(there)
    shown = await here.get("/console/account")
    ids = re.findall(r"/console/account/sessions/(sss_[0-9a-f]{20})/end", shown.html)
    assert len(ids) == 1, "the one here is not offered"
    path = f"/console/account/sessions/{ids[0]}/end"
    assert (await stranger.post(path)).status == 404
    assert (await there.get("/console/account")).status == 200
    assert (await here.post(path)).status == 303
    assert (await there.get("/console/account")).status == 303
    await sign_in(there)
    assert (await here.post("/console/account/sessions/end-others")).status == 303
    assert (await there.get("/console/account")).status == 303
    assert (await here.get("/console/account")).status == 200


async def test_a_new_password_needs_the_present_one_and_ends_the_other_sessions(
    lite: House,
) -> None:
    await enlist(lite)
    here, there = Desk(lite), Desk(lite)
    await sign_in(here)
    await sign_in(there)
    fresh = "seven quiet herons"
    sent = {"present": "no", "password": fresh, "again": fresh}
    assert (await here.post("/console/account/password", sent)).status == 403
    sent["present"] = PASSWORD
    assert (await here.post("/console/account/password", sent)).status == 303
    assert (await here.get("/console/account")).status == 200
    assert (await there.get("/console/account")).status == 303


async def test_who_was_signed_in_is_told_that_it_is_over_and_is_led_back(lite: House) -> None:
    await enlist(lite)
    desk = Desk(lite)
    assert "session has ended" not in (await desk.get("/console/sign-in")).words
    await sign_in(desk)
    lite.clock.advance(hours=13)
    back = "/console/sign-in?to=%2Fconsole%2Fcalls%3Foutcome%3Dmissed"
    where = "http://127.0.0.1/console/calls?outcome=missed"
    assert (await desk.get("/console/calls?outcome=missed")).location == back
    assert (await desk.post("/console/views", headers={"Referer": where})).location == back
    part = await desk.get("/console/calls", partial=True, HX_Current_URL=where)
    assert (part.status, part.reply.headers["HX-Redirect"]) == (401, back)
    assert (await desk.get("/console/session", X_Unattended="1")).status == 401
    told = await desk.get("/console/sign-in", Accept_Language="en")
    assert "Your session has ended." in told.words
    assert (await sign_in(desk, to="/console/calls?outcome=missed")).status == 303
    assert (await desk.get("/console/session", X_Unattended="1")).status == 204
    await desk.post("/console/sign-out")
    assert "session has ended" not in (await desk.get("/console/sign-in")).words


async def test_nobody_who_is_in_is_led_round_and_round(lite: House) -> None:
    """By going back to a page of the way in, for one."""
    await enlist(lite)
    desk = Desk(lite)
    await sign_in(desk)
    for step in ("code", "password", "enrol"):
        shown = await desk.get(f"/console/sign-in/{step}?to=%2Fconsole%2Fcalls")
        assert shown.location == "/console/sign-in?to=%2Fconsole%2Fcalls"
        assert (await desk.get(shown.location)).location == "/console/calls"
    shown = await desk.get("/console/sign-in/code")
    assert (await desk.get(shown.location)).location == "/console/"


async def test_halfway_in_it_takes_too_long_and_where_one_wanted_to_be_is_kept(
    lite: House,
) -> None:
    await enlist(lite, first=True)
    desk = Desk(lite)
    shown = await sign_in(desk)
    lite.clock.advance(minutes=11)
    fresh = {"password": "seven quiet herons", "again": "seven quiet herons"}
    late = await desk.post(
        "/console/sign-in/password", fresh, headers={"Referer": f"http://x{shown.location}"}
    )
    assert late.location == "/console/sign-in?to=%2Fconsole%2Faccount"


async def test_a_stream_whose_session_ends_says_so(
    lite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "LOOK_S", 0.02)
    desk = await Desk.of(lite, StaffRole.AGENT)
    assert desk.account is not None
    account = desk.account.id
    cookie = "; ".join(f"{name}={value}" for name, value in desk.cookies.items())
    async with lite.follow("/console/live-calls", "", cookie=cookie) as reader:
        assert (await reader.next()).kind == "calls"
        await lite.db.write(lambda conn: staff_sessions.end_all(conn, account))
        assert (await reader.next()).kind == "over"


async def test_sessions_that_are_over_are_let_go(lite: House) -> None:
    await Desk.of(lite, StaffRole.AGENT)
    later = lite.clock() + timedelta(hours=13)
    sweep = partial(staff_sessions.sweep, now=later, at_most=10)
    assert await lite.db.write(sweep) == 1
    assert await lite.db.write(sweep) == 0


async def test_an_early_stage_is_over_after_ten_minutes(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT, stage=Stage.CODE)
    assert (await desk.get("/console/sign-in/code")).status == 200
    lite.clock.advance(minutes=10)
    assert (await desk.get("/console/sign-in/code")).location.startswith("/console/sign-in")
