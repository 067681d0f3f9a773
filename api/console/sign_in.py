"""The way in and out: password, then what else is asked for. Says no in one way, whatever is wrong.

Whether an account exists shows neither in words nor in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web
from sqlalchemy import Connection

from api.console import gate, passwords, session, steps
from api.console.page import Guest, Page, Visit
from api.console.render import render, see
from api.console.session import COOKIE, Opened, Where
from api.console.steps import SIGN_IN
from storage import audit, staff, staff_sessions
from storage.audit import Action, Entry
from storage.staff import Secrets
from storage.staff_sessions import Stage

AT_PROVIDER: Final = f"{SIGN_IN}/provider/out"
"""Where who came by the organisation's provider signs out there too."""


@dataclass(frozen=True, slots=True)
class Door:
    """A page that needs no session."""

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[[Guest, web.Request], Awaitable[web.StreamResponse]]


async def ask(guest: Guest, request: web.Request) -> web.StreamResponse:
    """The form; who is signed in goes on, and whose session ended is told so."""
    caller = session.caller(request, guest.services.settings)
    found = await session.who(request, guest.services, caller)
    if found is not None and found.session.stage is Stage.IN:
        return see(to_of(guest))
    over = found is None and session.cookie(request, COOKIE, secure=guest.secure) != ""
    return _form(guest, 200, None, "", over=over)


async def enter(guest: Guest, request: web.Request) -> web.StreamResponse:
    """Check what was typed."""
    login = guest.form.get("login", [""])[-1][:200]
    password = guest.form.get("password", [""])[-1]
    services = guest.services
    attempt = gate.by_password(request, services, login, session.caller(request, services.settings))
    try:
        await gate.take(services, attempt, guest.now)
    except gate.Held as held:
        return _form(guest, held.status, guest.texts(held.key, **held.values), login)
    found = await services.db.look_up(lambda conn: staff.secrets_by_login(conn, login))
    kept = None if found is None else found.password_hash
    fits = await guest.running.console.checker.check(kept, password)
    if not fits or found is None or found.account.locked_at is not None:
        await _remember_failure(guest, found)
        return _form(guest, 403, guest.texts("signin.refused"), login)
    again = (
        await guest.running.console.checker.hash(password)
        if kept is not None and passwords.outdated(kept)
        else None
    )
    account = found.account
    stage = steps.after(account, services.settings)

    def work(conn: Connection) -> Opened:
        gate.take_back(conn, attempt)
        if again is not None:
            staff.change(conn, account.id, guest.now, password_hash=again)
        staff_sessions.end_token(conn, session.cookie(request, COOKIE, secure=guest.secure))
        where = Where(session.device_of(request), guest.peer, attempt.known)
        return steps.admit(conn, guest, account, stage, where=where, how="password")

    return steps.go_on(guest, account, await services.db.write(work), to_of(guest))


async def _remember_failure(guest: Guest, found: Secrets | None) -> None:
    """In the audit log, for an account that is there; the same work is done for one that is not."""

    def work(conn: Connection) -> None:
        if found is not None:
            steps.refused(conn, found.account, guest.now, "password")

    await guest.services.db.write(work)


async def leave(visit: Visit) -> web.StreamResponse:
    """End this session."""

    def work(conn: Connection) -> None:
        staff_sessions.end(conn, visit.session.id, visit.account.id)
        done = Action.STAFF_SIGNED_OUT
        audit.append(conn, Entry(visit.now, visit.actor(), done, "staff", visit.account.id))

    await visit.services.db.write(work)
    response = see(AT_PROVIDER if visit.account.oidc else SIGN_IN)
    session.drop_cookie(response, COOKIE, secure=visit.secure)
    # Nothing of what was read stays in this browser.
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


def to_of(at: Guest | Visit) -> str:
    """Where they wanted to go."""
    given = at.form.get("to") or at.query.get("to") or [""]
    return session.own_path(given[-1])


def _form(
    guest: Guest, status: int, refused: str | None, login: str, *, over: bool = False
) -> web.Response:
    return render(
        guest,
        "sign_in/password.html",
        status,
        to=to_of(guest),
        refused=refused,
        over=over,
        login=login,
        provider=guest.running.console.provider_name,
    )


DOORS: Final = (Door("GET", SIGN_IN, ask), Door("POST", SIGN_IN, enter))
PAGES: Final = (
    Page(
        "POST",
        "/console/sign-out",
        leave,
        None,
        stages=frozenset(stage.value for stage in Stage),
    ),
)
