"""Accounts: what admins do with them, and that nobody else does."""

from __future__ import annotations

import re

import pytest

from api.console.page import Page
from api.console.table import PAGES
from masking.staff import RIGHTS, Right, StaffRole
from storage import audit, staff
from storage.audit import Action, Filter
from storage.staff import Account
from tests.contract.api.house import House
from tests.support.console import Desk

ALL = "/console/accounts"


async def account_of(house: House, desk: Desk) -> Account | None:
    assert desk.account is not None
    wanted = desk.account.id
    return await house.db.read(lambda conn: staff.by_id(conn, wanted))


async def test_an_admin_adds_an_account_whose_first_password_serves_once(lite: House) -> None:
    admin = await Desk.of(lite, StaffRole.ADMIN)
    sent = {"login": "Nora", "name": "Nora <b>", "role": "agent", "language": "en"}
    shown = await admin.post(ALL, sent)
    assert shown.status == 201
    assert "Nora &lt;b&gt;" in shown.html
    first = re.search(r"data-first-password>([a-z0-9-]{23})</span>", shown.html)
    assert first is not None
    made = await lite.db.read(lambda conn: staff.by_login(conn, "nora"))
    assert made is not None
    assert made.must_change
    page = await lite.db.read(
        lambda conn: audit.page(conn, Filter(action=Action.STAFF_CHANGED, object_id=made.id))
    )
    assert [one.entry.facts["what"] for one in page.items] == ["added"]
    assert first[1] not in str(page)
    assert (await admin.post(ALL, sent)).status == 409


@pytest.mark.parametrize(
    "wrong", [{"login": "x"}, {"login": "a b"}, {"role": "king"}, {"language": "fr"}]
)
async def test_what_is_no_account_is_refused(lite: House, wrong: dict[str, str]) -> None:
    admin = await Desk.of(lite, StaffRole.ADMIN)
    sent = {"login": "nora", "name": "Nora", "role": "agent", "language": "en", **wrong}
    assert (await admin.post(ALL, sent)).status == 422


async def test_a_change_of_role_ends_the_sessions(lite: House) -> None:
    admin, agent = await Desk.of(lite, StaffRole.ADMIN), await Desk.of(lite, StaffRole.AGENT)
    assert agent.account is not None
    path = f"{ALL}/{agent.account.id}"
    assert (await admin.post(path, {"name": "Other", "role": "agent"})).status == 303
    assert (await agent.get("/console/account")).status == 200, "a name is no reason"
    assert (await admin.post(path, {"name": "Other", "role": "supervisor"})).status == 303
    assert (await agent.get("/console/account")).status == 303
    found = await account_of(lite, agent)
    assert found is not None
    assert (found.role, found.name) == (StaffRole.SUPERVISOR, "Other")


@pytest.mark.parametrize("deed", ["lock", "password", "remove"])
async def test_lock_reset_and_removal_end_the_sessions_at_once(lite: House, deed: str) -> None:
    admin, agent = await Desk.of(lite, StaffRole.ADMIN), await Desk.of(lite, StaffRole.AGENT)
    assert agent.account is not None
    path = f"{ALL}/{agent.account.id}"
    assert (await admin.post(f"{path}/{deed}")).status in (200, 303)
    assert (await agent.get("/console/account")).status == 303
    assert (await admin.get(path)).status == (404 if deed == "remove" else 200)


async def test_a_locked_account_is_let_in_again(lite: House) -> None:
    admin, agent = await Desk.of(lite, StaffRole.ADMIN), await Desk.of(lite, StaffRole.AGENT)
    assert agent.account is not None
    for deed, locked in (("lock", True), ("unlock", False)):
        await admin.post(f"{ALL}/{agent.account.id}/{deed}")
        found = await account_of(lite, agent)
        assert found is not None
        assert (found.locked_at is not None) is locked


@pytest.mark.parametrize("deed", ["", "/lock", "/password", "/remove"])
async def test_nobody_does_it_to_themselves(lite: House, deed: str) -> None:
    admin = await Desk.of(lite, StaffRole.ADMIN)
    assert admin.account is not None
    path = f"{ALL}/{admin.account.id}{deed}"
    assert (await admin.post(path, {"name": "x", "role": "agent"})).status == 409
    assert (await admin.get("/console/account")).status == 200


@pytest.mark.parametrize("role", [StaffRole.AGENT, StaffRole.SUPERVISOR, StaffRole.OPERATOR])
async def test_nobody_else_comes_near_and_the_attempt_is_kept(lite: House, role: StaffRole) -> None:
    desk = await Desk.of(lite, role)
    assert desk.account is not None
    mine = desk.account.id
    path = f"{ALL}/{mine}"
    assert (await desk.get(ALL)).status == 403
    assert (await desk.get(path)).status == 403
    assert (await desk.post(path, {"name": "x", "role": "admin"})).status == 403
    assert ALL not in (await desk.get("/console/account")).links()
    page = await lite.db.read(lambda conn: audit.page(conn, Filter(actor_id=mine, refused=True)))
    assert len(page.items) == 3


def test_only_admins_change_accounts() -> None:
    assert [role for role in StaffRole if Right.ACCOUNTS_CHANGE in RIGHTS[role]] == [
        StaffRole.ADMIN
    ]


def test_an_operator_never_sees_hears_or_finds_a_person() -> None:
    never = {Right.REVEAL, Right.PLAY, Right.SEARCH_PHONE, Right.EXPORT, Right.NOTES_WRITE}
    assert not RIGHTS[StaffRole.OPERATOR] & never


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_every_page_says_what_its_parameters_may_be(page: Page) -> None:
    assert set(re.findall(r"{(\w+)", page.path)) == set(page.parameters)
