"""Accounts of the staff, for admins: who there is, in what role; add, change, lock, reset, remove.

A change of role or a lock ends every session of the account at once. The last admin stays one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.console import roster
from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import render, see
from api.console.texts import LANGUAGES
from masking.staff import RIGHTS, Right, StaffRole
from storage import staff, staff_attempts, staff_sessions
from storage.audit import Action
from storage.errors import ConstraintViolated
from storage.staff import Account
from storage.staff_sessions import Session

ALL: Final = "/console/accounts"
_ID: Final = {"id": "stf_[0-9a-z]{26}"}
_LONGEST_NAME: Final = 100


async def index(visit: Visit) -> web.StreamResponse:
    """All accounts."""
    found = await visit.services.db.read(staff.every)
    return render(
        visit, "accounts/list.html", accounts=found, roles=tuple(StaffRole), rights=RIGHTS
    )


async def add(visit: Visit) -> web.StreamResponse:
    """A new account; its first password is shown once."""
    login, name, role = staff.normal(visit.sent("login")), visit.sent("name"), _role(visit)
    language = visit.sent("language")
    if not roster.LOGIN.fullmatch(login):
        raise ConsoleProblem(422, "accounts.login_wrong")
    if language not in (*LANGUAGES, staff.AS_BROWSER) or len(name) > _LONGEST_NAME:
        raise ConsoleProblem(422, "account.choose")
    first = roster.first_password(visit.services.entropy)
    kept = await visit.running.console.checker.hash(first)

    def work(conn: Connection) -> Account:
        return roster.enlist(
            conn,
            by=visit.actor(),
            login=login,
            name=name or login,
            role=role,
            password_hash=kept,
            now=visit.now,
            entropy=visit.services.entropy,
            language=language,
        )

    try:
        account = await visit.services.db.write(work)
    except ConstraintViolated:
        raise ConsoleProblem(409, "accounts.login_taken") from None
    return render(visit, "accounts/first.html", 201, account=account, first=first)


async def show(visit: Visit) -> web.StreamResponse:
    """One account."""
    wanted = visit.path["id"]
    account = await visit.services.db.read(lambda conn: staff.by_id(conn, wanted))
    if account is None:
        raise ConsoleProblem(404, "problem.nothing_here")
    counters = staff_attempts.of_account(visit.services.vault, account)

    def work(conn: Connection) -> tuple[tuple[Session, ...], datetime | None]:
        held = staff_attempts.held_until(conn, counters, visit.now)
        return staff_sessions.of_account(conn, account.id), held

    sessions, held = await visit.services.db.read(work)
    return render(
        visit,
        "accounts/one.html",
        account=account,
        sessions=sessions,
        held=held,
        roles=tuple(StaffRole),
        own=account.id == visit.account.id,
    )


async def change(visit: Visit) -> web.StreamResponse:
    """Name and role."""
    name, role = visit.sent("name"), _role(visit)
    if not name or len(name) > _LONGEST_NAME:
        raise ConsoleProblem(422, "accounts.name_wrong")

    def work(conn: Connection, account: Account) -> None:
        if role is not account.role:
            _keep_an_admin(conn, account)
            staff_sessions.end_all(conn, account.id)
            facts = {"before": account.role.value, "role": role.value}
            roster.note(conn, visit.actor(), account, visit.now, what="role_changed", **facts)
        if name != account.name:
            roster.note(conn, visit.actor(), account, visit.now, what="renamed")
        staff.change(conn, account.id, visit.now, name=name, role=role.value)

    return await _do(visit, work)


async def lock(visit: Visit) -> web.StreamResponse:
    """Shut out, at once."""

    def work(conn: Connection, account: Account) -> None:
        _keep_an_admin(conn, account)
        staff.change(conn, account.id, visit.now, locked_at=visit.now)
        staff_sessions.end_all(conn, account.id)
        roster.note(conn, visit.actor(), account, visit.now, what="locked")

    return await _do(visit, work)


async def unlock(visit: Visit) -> web.StreamResponse:
    """Let in again; where nobody was shut out, end what holds attempts up."""

    def work(conn: Connection, account: Account) -> None:
        staff.change(conn, account.id, visit.now, locked_at=None)
        staff_attempts.forget_account(conn, visit.services.vault, account)
        what = "hold_ended" if account.locked_at is None else "unlocked"
        roster.note(conn, visit.actor(), account, visit.now, what=what)

    return await _do(visit, work)


async def reset(visit: Visit) -> web.StreamResponse:
    """A new first password, shown once; with it the second factor goes where that is asked for."""
    first = roster.first_password(visit.services.entropy)
    kept = await visit.running.console.checker.hash(first)
    code_too = visit.sent("code_too") == "on"
    found: list[Account] = []

    def work(conn: Connection, account: Account) -> None:
        values: dict[str, object] = {"password_hash": kept, "must_change": True}
        if code_too:
            values |= {"totp_sealed": None, "totp_step": 0}
            staff.set_recovery_codes(conn, account.id, ())
        staff.change(conn, account.id, visit.now, **values)
        staff_sessions.end_all(conn, account.id)
        staff_attempts.forget_account(conn, visit.services.vault, account)
        facts = {"second_factor": "removed" if code_too else "kept"}
        roster.note(conn, visit.actor(), account, visit.now, what="password_reset", **facts)
        found[:] = [account]

    await _do(visit, work)
    return render(visit, "accounts/first.html", account=found[0], first=first)


async def remove(visit: Visit) -> web.StreamResponse:
    """Forget an account; the audit log keeps who did what."""

    def work(conn: Connection, account: Account) -> None:
        _keep_an_admin(conn, account)
        staff.remove(conn, account.id)
        roster.note(conn, visit.actor(), account, visit.now, what="removed")

    await _do(visit, work)
    return see(ALL)


async def _do(visit: Visit, work: Callable[[Connection, Account], None]) -> web.StreamResponse:
    wanted = visit.path["id"]

    def found(conn: Connection) -> None:
        account = staff.by_id(conn, wanted)
        if account is None:
            raise ConsoleProblem(404, "problem.nothing_here")
        if account.id == visit.account.id:
            raise ConsoleProblem(409, "accounts.not_yourself")
        work(conn, account)

    await visit.services.db.write(found)
    return see(f"{ALL}/{wanted}")


def _role(visit: Visit) -> StaffRole:
    try:
        return StaffRole(visit.sent("role"))
    except ValueError:
        raise ConsoleProblem(422, "account.choose") from None


def _keep_an_admin(conn: Connection, account: Account) -> None:
    last = account.role is StaffRole.ADMIN and account.locked_at is None
    if last and staff.admins(conn) <= 1:
        raise ConsoleProblem(409, "accounts.last_admin")


_RIGHT: Final = Right.ACCOUNTS_CHANGE
_REFUSED: Final = Action.STAFF_CHANGED
PAGES: Final = (
    Page("GET", ALL, index, _RIGHT, refusal=_REFUSED),
    Page("POST", ALL, add, _RIGHT, refusal=_REFUSED),
    Page("GET", f"{ALL}/{{id}}", show, _RIGHT, _ID, _REFUSED),
    Page("POST", f"{ALL}/{{id}}", change, _RIGHT, _ID, _REFUSED),
    Page("POST", f"{ALL}/{{id}}/lock", lock, _RIGHT, _ID, _REFUSED),
    Page("POST", f"{ALL}/{{id}}/unlock", unlock, _RIGHT, _ID, _REFUSED),
    Page("POST", f"{ALL}/{{id}}/password", reset, _RIGHT, _ID, _REFUSED),
    Page("POST", f"{ALL}/{{id}}/remove", remove, _RIGHT, _ID, _REFUSED),
)
