"""Who may see and do what in the console: every page with every role, and with nobody.

A page that has no line here fails: somebody is to decide who may have it.
"""

from __future__ import annotations

import re
from typing import Final

import pytest

from api.console.page import Page
from api.console.render import texts_of
from api.console.table import PAGES
from masking.staff import StaffRole
from storage import audit
from tests.contract.api.house import House
from tests.support.console import Desk, Shown

EVERYBODY: Final = "agent supervisor operator admin"
WATCHERS: Final = "supervisor operator admin"
HELPERS: Final = "agent supervisor admin"
KEEPERS: Final = "operator admin"
CHIEFS: Final = "supervisor admin"
# By what is asked. The right that a page names must come to the same.
DECISIONS: Final = {
    "GET /console/": EVERYBODY,
    "POST /console/sign-out": EVERYBODY,
    "GET /console/session": EVERYBODY,
    # Calls. A phone is looked for by those who may, in the same box as all else: see below.
    "GET /console/calls": EVERYBODY,
    "POST /console/calls": EVERYBODY,
    "POST /console/find": EVERYBODY,
    "POST /console/columns": EVERYBODY,
    "GET /console/live-calls": EVERYBODY,
    "POST /console/views": EVERYBODY,
    "POST /console/views/{id}/share": EVERYBODY,
    "POST /console/views/{id}/remove": EVERYBODY,
    "GET /console/exports": CHIEFS,
    "POST /console/exports": CHIEFS,
    "POST /console/exports/{id}/cancel": CHIEFS,
    "GET /console/exports/{id}/file": CHIEFS,
    # A call.
    "GET /console/calls/{id}": EVERYBODY,
    "POST /console/calls/{id}/recording": CHIEFS,
    "GET /console/calls/{id}/recording/{grant}/audio": CHIEFS,
    "GET /console/calls/{id}/recording/{grant}/wave": CHIEFS,
    "POST /console/calls/{id}/reveal/{side}": CHIEFS,
    "POST /console/calls/{id}/notes": HELPERS,
    "POST /console/calls/{id}/tags": HELPERS,
    "POST /console/calls/{id}/tags/remove": HELPERS,
    "POST /console/calls/{id}/disposition": HELPERS,
    "POST /console/calls/{id}/complaints": HELPERS,
    "POST /console/calls/{id}/complaints/{complaint}/decision": CHIEFS,
    # What was said by SIP.
    "GET /console/calls/{id}/sip": WATCHERS,
    "GET /console/sip": WATCHERS,
    "POST /console/sip": WATCHERS,
    # Look-ups, and what may be done there.
    "GET /console/sessions": EVERYBODY,
    "POST /console/sessions/find": EVERYBODY,
    "POST /console/sessions/by-phone": HELPERS,
    "GET /console/sessions/{id}": EVERYBODY,
    "GET /console/sessions/{id}/close": CHIEFS,
    "POST /console/sessions/{id}/close": CHIEFS,
    "GET /console/sessions/{id}/extend": CHIEFS,
    "POST /console/sessions/{id}/extend": CHIEFS,
    "GET /console/sessions/{id}/join": CHIEFS,
    "POST /console/sessions/{id}/join": CHIEFS,
    "GET /console/inspect": EVERYBODY,
    "POST /console/inspect": EVERYBODY,
    "GET /console/blocks": EVERYBODY,
    "POST /console/blocks/find": EVERYBODY,
    "GET /console/blocks/add": CHIEFS,
    "POST /console/blocks/add": CHIEFS,
    "GET /console/blocks/lift": CHIEFS,
    "POST /console/blocks/lift": CHIEFS,
    "GET /console/complaints": EVERYBODY,
    "GET /console/pools": EVERYBODY,
    "GET /console/pools/{name}": EVERYBODY,
    "GET /console/pools/{name}/add": KEEPERS,
    "POST /console/pools/{name}/add": KEEPERS,
    "GET /console/new-pool": KEEPERS,
    "POST /console/new-pool": KEEPERS,
    "GET /console/pools/{name}/rules": KEEPERS,
    "POST /console/pools/{name}/rules": KEEPERS,
    "GET /console/numbers/{number}/{change}": KEEPERS,
    "POST /console/numbers/{number}/{change}": KEEPERS,
    "GET /console/trunks": EVERYBODY,
    "GET /console/trunks/{name}": EVERYBODY,
    "GET /console/new-trunk": KEEPERS,
    "POST /console/new-trunk": KEEPERS,
    "GET /console/trunks/{name}/edit": KEEPERS,
    "POST /console/trunks/{name}/edit": KEEPERS,
    "GET /console/trunks/{name}/carrier": KEEPERS,
    "POST /console/trunks/{name}/carrier": KEEPERS,
    "GET /console/trunks/{name}/change/{change}": KEEPERS,
    "POST /console/trunks/{name}/change/{change}": KEEPERS,
    "GET /console/webhooks": EVERYBODY,
    "GET /console/webhooks/{id}": EVERYBODY,
    "GET /console/webhooks/{id}/resend": KEEPERS,
    "POST /console/webhooks/{id}/resend": KEEPERS,
    "GET /console/webhooks/{id}/deliveries/{delivery}/resend": KEEPERS,
    "POST /console/webhooks/{id}/deliveries/{delivery}/resend": KEEPERS,
    "GET /console/webhooks/{id}/change/{change}": KEEPERS,
    "POST /console/webhooks/{id}/change/{change}": KEEPERS,
    "GET /console/new-webhook": KEEPERS,
    "POST /console/new-webhook": KEEPERS,
    "GET /console/webhooks/{id}/edit": KEEPERS,
    "POST /console/webhooks/{id}/edit": KEEPERS,
    "GET /console/webhooks/{id}/secret": KEEPERS,
    "POST /console/webhooks/{id}/secret": KEEPERS,
    "GET /console/webhooks/{id}/remove": KEEPERS,
    "POST /console/webhooks/{id}/remove": KEEPERS,
    # The board.
    "GET /console/board": WATCHERS,
    "GET /console/board/events": WATCHERS,
    "GET /console/board/alarms/{id}": WATCHERS,
    "POST /console/board/alarms/{id}": WATCHERS,
    # What was done, by whom.
    "GET /console/audit": CHIEFS,
    "GET /console/audit/check": CHIEFS,
    "POST /console/audit/check": CHIEFS,
    "POST /console/audit/export": CHIEFS,
    # One's own account, and the way in.
    "GET /console/account": EVERYBODY,
    "POST /console/account": EVERYBODY,
    "POST /console/account/password": EVERYBODY,
    "POST /console/account/sessions/end-others": EVERYBODY,
    "POST /console/account/sessions/{id}/end": EVERYBODY,
    "GET /console/account/second-factor": EVERYBODY,
    "POST /console/account/second-factor": EVERYBODY,
    "POST /console/account/second-factor/remove": EVERYBODY,
    "GET /console/sign-in/password": EVERYBODY,
    "POST /console/sign-in/password": EVERYBODY,
    "GET /console/sign-in/code": EVERYBODY,
    "POST /console/sign-in/code": EVERYBODY,
    "GET /console/sign-in/enrol": EVERYBODY,
    "POST /console/sign-in/enrol": EVERYBODY,
    # Everybody's accounts.
    "GET /console/accounts": "admin",
    "POST /console/accounts": "admin",
    "GET /console/accounts/{id}": "admin",
    "POST /console/accounts/{id}": "admin",
    "POST /console/accounts/{id}/lock": "admin",
    "POST /console/accounts/{id}/unlock": "admin",
    "POST /console/accounts/{id}/password": "admin",
    "POST /console/accounts/{id}/remove": "admin",
}
# Values of parameters whose pattern is not that of an id.
EXAMPLES: Final = {
    r"[a-z0-9][a-z0-9-]{0,31}": "nothing",
    r"\+[1-9][0-9]{6,14}": "+74951119999",
    r"[1-9][0-9]{0,17}": "7",
    r"[A-Za-z0-9_-]{40,600}": "A" * 40,
    r"[0-9]{1,12}": "7",
    r"sss_[0-9a-f]{20}": "sss_" + "0" * 20,
    r"caller|callee": "callee",
    r"drain|use": "drain",
    r"drain|open|disable": "drain",
    r"enable|disable|test": "test",
}
# Answers that do not end by themselves: not asked for by those who may have them.
STREAMS: Final = {"GET /console/live-calls", "GET /console/board/events"}


NOT_ALLOWED: Final = texts_of()["en"]("problem.not_allowed")


def decided() -> list[Page]:
    return [page for page in PAGES if named(page) in DECISIONS]


def named(page: Page) -> str:
    return f"{page.method} {page.path}"


def address(page: Page) -> str:
    """An address of the page, of something that does not exist."""
    path = page.path
    for name, allowed in page.parameters.items():
        one = EXAMPLES.get(allowed, allowed.replace("[0-9a-z]{26}", "0" * 26))
        assert re.fullmatch(allowed, one), f"no example of {name} for {named(page)}"
        path = path.replace(f"{{{name}}}", one)
    return path


async def asked(desk: Desk, page: Page) -> Shown:
    if page.method == "GET":
        return await desk.get(address(page))
    return await desk.post(address(page), {"reason": "a test"})


def test_somebody_has_decided_of_every_page() -> None:
    assert {named(page) for page in PAGES} == DECISIONS.keys()


async def test_nobody_sees_or_does_anything(lite: House) -> None:
    nobody = Desk(lite)
    for page in decided():
        shown = await asked(nobody, page)
        assert shown.status == 303, named(page)
        assert shown.location.startswith("/console/sign-in"), named(page)
        assert shown.html == "", named(page)


@pytest.mark.parametrize("role", list(StaffRole))
async def test_each_role_has_what_is_decided(lite: House, role: StaffRole) -> None:
    desk = await Desk.of(lite, role)
    for page in decided():
        case = (named(page), role.value)
        may = role.value in DECISIONS[named(page)].split()
        if may and named(page) in STREAMS:
            continue
        shown = await asked(desk, page)
        # A password or a grant that is wrong is refused with this status as well.
        refused = shown.status == 403 and NOT_ALLOWED in shown.words
        assert refused is not may, case
        assert may or shown.reply.headers["Cache-Control"] == "no-store", case
        assert shown.status < 500, case
        if page.path == "/console/sign-out":
            await desk.sign_in()


@pytest.mark.parametrize("role", list(StaffRole))
async def test_who_asks_for_what_is_not_theirs_is_remembered(lite: House, role: StaffRole) -> None:
    desk = await Desk.of(lite, role)
    account = desk.account
    assert account is not None
    kept = [
        page
        for page in decided()
        if page.refusal is not None and role.value not in DECISIONS[named(page)].split()
    ]
    for page in kept:
        assert (await asked(desk, page)).status == 403, named(page)
    entries = await lite.db.read(lambda conn: audit.page(conn, audit.Filter(actor_id=account.id)))
    assert [one.entry.refused for one in entries.items] == [True] * len(kept)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/console/find", {"q": "+79161234567"}),
        ("/console/find", {"q": "8 (916) 123-45-67"}),
        ("/console/calls", {"phone": "+79161234567"}),
        ("/console/sessions/by-phone", {"phone": "+79161234567"}),
    ],
)
async def test_an_operator_finds_nothing_by_a_phone(
    lite: House, path: str, form: dict[str, str]
) -> None:
    desk = await Desk.of(lite, StaffRole.OPERATOR)
    lite.memory.phones.add("+79161234567")
    shown = await desk.post(path, form)
    assert shown.status == 403
    assert "Location" not in shown.reply.headers


async def test_what_a_role_may_not_do_is_not_offered_to_it(lite: House) -> None:
    for role in StaffRole:
        desk = await Desk.of(lite, role)
        offered = {link.partition("?")[0] for link in (await desk.get("/console/account")).links()}
        for page in decided():
            if page.method == "GET" and not page.parameters and page.path in offered:
                assert role.value in DECISIONS[named(page)].split(), (named(page), role.value)
