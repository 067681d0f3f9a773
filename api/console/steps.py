"""From step to step of signing in: each ends the session so far and makes a new token."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection

from api.console import gate, session
from api.console.page import Guest, Visit
from api.console.render import see
from api.console.session import COOKIE, Opened, Where
from api.services import ApiSettings
from storage import audit, staff, staff_sessions
from storage.audit import Action, Actor, ActorKind, Entry
from storage.staff import Account
from storage.staff_sessions import Stage

SIGN_IN: Final = "/console/sign-in"
_ORDER: Final = (Stage.CODE, Stage.PASSWORD, Stage.ENROL)


def after(account: Account, settings: ApiSettings, done: Stage | None = None) -> Stage:
    """What comes next for this account, after `done`; None: after the password."""
    asked = {
        Stage.CODE: account.second_factor,
        Stage.PASSWORD: account.must_change,
        Stage.ENROL: account.role in settings.console_second_factor and not account.second_factor,
    }
    left = _ORDER if done is None else _ORDER[_ORDER.index(done) + 1 :]
    return next((stage for stage in left if asked[stage]), Stage.IN)


def admit(
    conn: Connection, at: Guest | Visit, account: Account, stage: Stage, *, where: Where, how: str
) -> Opened:
    """Make the next session of who has come to `stage`, in place of the one so far."""
    if isinstance(at, Visit):
        staff_sessions.end(conn, at.session.id, at.account.id)
    opened = session.open_session(conn, at.services, account, stage, at.now, where)
    if stage is Stage.IN and not (isinstance(at, Visit) and at.session.stage is Stage.IN):
        _note(conn, account, at.now, how)
    return opened


def go_on(at: Guest | Visit, account: Account, opened: Opened, to: str) -> web.StreamResponse:
    """Send the browser to the next step with its new token."""
    stage = opened.session.stage
    if stage is Stage.IN:
        response = see(session.own_path(to))
        gate.remember(response, at.services, account, secure=at.secure)
    else:
        response = see(f"{SIGN_IN}/{stage.value}?to={quote(session.own_path(to), safe='')}")
    session.set_cookie(response, COOKIE, opened.token, secure=at.secure, max_age_s=None)
    return response


async def advance(visit: Visit, account: Account, *, how: str, to: str) -> web.StreamResponse:
    """The step that `visit` is at is done."""
    done = None if visit.session.stage is Stage.IN else visit.session.stage
    settings = visit.services.settings
    stage = Stage.IN if done is None else after(account, settings, done)
    where = Where(visit.session.device, visit.peer, visit.session.known)
    opened = await visit.services.db.write(
        lambda conn: admit(conn, visit, account, stage, where=where, how=how)
    )
    return go_on(visit, account, opened, to)


def _note(conn: Connection, account: Account, now: datetime, how: str) -> None:
    staff.change(conn, account.id, now, signed_in_at=now)
    entry = Entry(
        at=now,
        actor=Actor(ActorKind.STAFF, account.id, account.name),
        action=Action.STAFF_SIGNED_IN,
        object_kind="staff",
        object_id=account.id,
        facts={"how": how},
    )
    audit.append(conn, entry)


def refused(conn: Connection, account: Account, now: datetime, how: str) -> None:
    """Somebody failed at this account; its owner may see it."""
    entry = Entry(
        at=now,
        actor=Actor(ActorKind.STAFF, account.id, account.name),
        action=Action.STAFF_SIGNED_IN,
        object_kind="staff",
        object_id=account.id,
        refused=True,
        facts={"how": how},
    )
    audit.append(conn, entry)
