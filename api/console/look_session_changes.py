"""What may be changed about a session: its end, and who else takes part in the conversation.

Each is asked for on a page that says in words what will happen. Somebody who joins gets a session
of their own with each whom they are to reach, under the same conversation; their phone comes in the
form and goes nowhere but into the vault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Wrong, choice, identifier, phone, required, text
from api.console.look_sessions import SESSION_ID
from api.console.page import Visit
from api.console.render import render, see
from api.schemas.texts import holds_phone
from masking.digits import SECRET_BYTES
from masking.ids import session_id
from masking.lifecycle import MAX_TTL, MIN_TTL, SessionDraft
from masking.model import Card, Participant, Phone, Role, Session, SessionState
from masking.staff import Right
from storage import sessions
from storage.audit import Action

_HOURS: Final = (1, 6, 24, 72, 168, 336, 720)  # that a session may be given from now
_JOINING: Final = (Role.COURIER, Role.SUPPORT)
_ENTROPY_BYTES: Final = 10
_LONGEST_NAME: Final = 80


async def ask_close(visit: Visit) -> web.StreamResponse:
    """Say what closing means."""
    return await _asked(visit, "look/session_close.html", await _open(visit))


async def close(visit: Visit) -> web.StreamResponse:
    """End the permission; calls that are up stay up."""
    wanted, now = visit.path["id"], visit.now

    def work(conn: Connection) -> Facts:
        sessions.close(conn, wanted, now)
        return {}

    await act(visit, _deed(wanted, "closed"), work)
    return see(f"/console/sessions/{wanted}?done=closed")


async def ask_extend(visit: Visit) -> web.StreamResponse:
    """Ask for how long."""
    session = await _open(visit)
    return await _asked(visit, "look/session_extend.html", session, hours=_hours(session, visit))


async def extend(visit: Visit) -> web.StreamResponse:
    """Let it end so many hours from now."""
    wanted, now = visit.path["id"], visit.now
    try:
        hours = int(required(choice(visit.form, "hours", frozenset(map(str, _HOURS))), "hours"))
    except Wrong:
        raise ConsoleProblem(422, "look.wrong.hours") from None

    def work(conn: Connection) -> Facts:
        sessions.extend(conn, wanted, now + timedelta(hours=hours), now)
        return {"hours": hours}

    await act(visit, _deed(wanted, "extended"), work)
    return see(f"/console/sessions/{wanted}?done=extended")


async def ask_join(visit: Visit) -> web.StreamResponse:
    """Ask who joins, and whom they are to reach."""
    session = _named(await _open(visit))
    return await _asked(visit, "look/session_join.html", session, **_joining(visit))


async def join(visit: Visit) -> web.StreamResponse:
    """Open a session between the one who joins and each whom they are to reach."""
    wanted, now, services = visit.path["id"], visit.now, visit.services
    session = _named(await _open(visit))
    try:
        joining = _read(visit, session)
    except Wrong as error:
        view = _joining(visit, wrong=error)
        return await _asked(visit, "look/session_join.html", session, status=422, **view)
    made = [
        (
            session_id(now, services.entropy(_ENTROPY_BYTES)),
            services.entropy(SECRET_BYTES),
            next(visit.running.rotation),
        )
        for _ in joining.reach
    ]
    calls = services.live.live_calls()
    busy = frozenset(call.session_id for call in calls if call.session_id is not None)

    def work(conn: Connection) -> Facts:
        common = sessions.get(conn, services.vault, wanted)
        if common is None or common.state(now) is not SessionState.OPEN:
            raise ConsoleProblem(409, "look.session.over")
        if holds_phone(joining.who.card.name or "", [one.phone for one in common.participants]):
            raise ConsoleProblem(422, "look.wrong.name")
        for role, (new_id, secret, rotation) in zip(joining.reach, made, strict=True):
            sessions.open_session(
                conn,
                services.vault,
                _draft(common, role, joining.who, now),
                now=now,
                session_id=new_id,
                rotation=rotation,
                secret=secret,
                busy=busy,
            )
        return {"sessions": " ".join(new_id for new_id, _, _ in made)}

    done = await act(visit, _deed(wanted, "joined", role=joining.who.role.value), work)
    if not done.again:
        for _ in made:
            visit.running.metrics.sessions.add()
    return see(f"/console/sessions/{wanted}?done=joined")


@dataclass(frozen=True, slots=True)
class _Joining:
    """Who joins, and the roles of those whom they are to reach."""

    who: Participant
    reach: tuple[Role, ...]


def _read(visit: Visit, session: Session) -> _Joining:
    """What the form says. Raises Wrong."""
    typed = visit.form
    allowed = {one.value for one in _JOINING} - {one.role.value for one in session.participants}
    role = Role(required(choice(typed, "role", frozenset(allowed)), "role"))
    user_id = required(identifier(typed, "user_id"), "user_id")
    if any(one.user_id == user_id for one in session.participants):
        raise Wrong("user_id", says="takes_part")
    number: Phone | None = phone(typed, "phone")
    name = text(typed, "name", longest=_LONGEST_NAME)
    if name is not None and (not name.isprintable() or holds_phone(name, [number])):
        raise Wrong("name")
    if holds_phone(user_id, [number]):
        raise Wrong("user_id", says="phone_in_id")
    reach = tuple(one.role for one in session.participants if one.role.value in _reach(visit))
    if not reach:
        raise Wrong("reach")
    return _Joining(Participant(role, user_id, number, Card(name=name)), reach)


def _reach(visit: Visit) -> frozenset[str]:
    return frozenset(visit.form.get("reach", []))


def _draft(common: Session, role: Role, who: Participant, now: datetime) -> SessionDraft:
    """A session between `who` and the participant in `role` that lives no longer than `common`."""
    known = replace(common.participant(role), recording_consent=False)
    ttl = min(max(common.expires_at - now, MIN_TTL), MAX_TTL)
    hard = common.hard_expires_at
    return SessionDraft(
        conversation_id=common.conversation_id,
        participants=(known, who),
        pool=common.pool,
        ttl=ttl,
        hard_ttl=None if hard is None else min(max(hard - now, ttl), MAX_TTL),
        listing=common.listing,
        channel_policy=common.channel_policy,
    )


async def _open(visit: Visit) -> Session:
    """The session of the address, still open. Raises ConsoleProblem."""
    wanted = visit.path["id"]
    found = await visit.services.db.read(lambda conn: sessions.get(conn, None, wanted))
    if found is None:
        raise ConsoleProblem(404, "look.session.missing")
    if found.state(visit.now) is not SessionState.OPEN:
        raise ConsoleProblem(409, "look.session.over")
    return found


def _named(session: Session) -> Session:
    """The session, if its conversation has a name to join under. Raises ConsoleProblem."""
    if session.conversation_held:
        raise ConsoleProblem(409, "look.session.held")
    return session


def _hours(session: Session, visit: Visit) -> list[tuple[int, bool]]:
    """Hours to choose from, each with whether it is before the session's hard end."""
    hard = session.hard_expires_at
    return [(hours, hard is None or visit.now + timedelta(hours=hours) <= hard) for hours in _HOURS]


def _joining(visit: Visit, wrong: Wrong | None = None) -> dict[str, Any]:
    """What the form of somebody who joins shows; never the phone that was typed."""
    return {
        "roles": [(one.value, visit.texts(f"look.role.{one.value}")) for one in _JOINING],
        "wrong": wrong,
        "role": visit.sent("role"),
        "user_id": visit.sent("user_id"),
        "name": visit.sent("name"),
        "reach": _reach(visit),
    }


async def _asked(
    visit: Visit, template: str, session: Session, status: int = 200, **view: object
) -> web.StreamResponse:
    up = await visit.running.calls_up.of_session(visit.now, session.id)
    return render(visit, template, status, session=session, live=up, once=fresh(visit), **view)


def _deed(wanted: str, what: str, **facts: str | int) -> Deed:
    return Deed(Action.SESSION_CHANGED, "session", wanted, {"what": what, **facts})


_ONE: Final = {"id": SESSION_ID}
_RIGHT: Final = Right.SESSIONS_CHANGE
_REFUSAL: Final = Action.SESSION_CHANGED

PAGES: Final = (
    *form("/console/sessions/{id}/close", ask_close, close, _RIGHT, _REFUSAL, _ONE),
    *form("/console/sessions/{id}/extend", ask_extend, extend, _RIGHT, _REFUSAL, _ONE),
    *form("/console/sessions/{id}/join", ask_join, join, _RIGHT, _REFUSAL, _ONE),
)
