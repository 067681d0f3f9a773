"""Everybody's own account: how pages look, password, second factor, where they are signed in."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

from aiohttp import web
from sqlalchemy import Connection

from api.console import gate, passwords, roster, steps
from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import HEADERS, render, see
from api.console.sign_in import to_of
from api.console.steps import SIGN_IN
from api.console.texts import LANGUAGES
from storage import staff, staff_sessions
from storage.staff import Theme
from storage.staff_sessions import Stage

OWN: Final = "/console/account"
_DONE: Final = frozenset({"saved", "password", "second_off", "ended"})


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """Names of IANA's time zones that people choose among."""
    regions = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Pacific/")
    return ("UTC", *sorted(one for one in available_timezones() if one.startswith(regions)))


async def show(visit: Visit) -> web.StreamResponse:
    """The account."""
    done = visit.asked("done")
    account = visit.account

    def work(conn: Connection) -> tuple[object, int]:
        theirs = staff_sessions.of_account(conn, account.id)
        return theirs, staff.recovery_codes_left(conn, account.id)

    sessions, codes = await visit.services.db.read(work)
    return render(
        visit,
        "accounts/own.html",
        sessions=sessions,
        codes=codes,
        zones=zones(),
        done=done if done in _DONE else None,
        required=account.role in visit.services.settings.console_second_factor,
    )


async def still(_: Visit) -> web.StreamResponse:
    """Nothing, for who is signed in: a script asks before it goes on by itself."""
    return web.Response(status=204, headers=HEADERS)


async def save(visit: Visit) -> web.StreamResponse:
    """How pages look to them."""
    language, theme, zone = visit.sent("language"), visit.sent("theme"), visit.sent("time_zone")
    languages = (*LANGUAGES, staff.AS_BROWSER)
    if language not in languages or theme not in set(Theme) or zone not in zones():
        raise ConsoleProblem(422, "account.choose")
    values = {"language": language, "theme": theme, "time_zone": zone}
    await visit.services.db.write(
        lambda conn: staff.change(conn, visit.account.id, visit.now, **values)
    )
    return see(f"{OWN}?done=saved")


async def ask_password(visit: Visit) -> web.StreamResponse:
    """The form for a password of their own choice, on the way in."""
    return render(visit, "sign_in/new_password.html", to=to_of(visit), wrong=None)


async def choose_password(visit: Visit) -> web.StreamResponse:
    """On the way in: the first password was right a moment ago, and is not asked for again."""
    wrong = _wrong(visit)
    account = visit.account
    if wrong is None and await _is_kept(visit, visit.form.get("password", [""])[-1]):
        wrong = "password.same"
    if wrong is not None:
        words = visit.texts(wrong, n=passwords.SHORTEST)
        return render(visit, "sign_in/new_password.html", 422, to=to_of(visit), wrong=words)
    await _set_password(visit)
    changed = replace(account, must_change=False)
    return await steps.advance(visit, changed, how="password", to=to_of(visit))


async def change_password(visit: Visit) -> web.StreamResponse:
    """Later: the present one is asked for, and every other session ends."""
    services, account = visit.services, visit.account
    attempt = gate.by_code(services, visit.session)
    await gate.take(services, attempt, visit.now)
    if not await _is_kept(visit, visit.form.get("present", [""])[-1]):
        raise ConsoleProblem(403, "password.present_wrong")
    await services.db.write(lambda conn: gate.take_back(conn, attempt))
    wrong = _wrong(visit)
    if wrong is not None:
        raise ConsoleProblem(422, wrong, n=passwords.SHORTEST)
    await _set_password(visit)
    return await steps.advance(visit, account, how="password", to=f"{OWN}?done=password")


def _wrong(visit: Visit) -> str | None:
    password = visit.form.get("password", [""])[-1]
    if password != visit.form.get("again", [""])[-1]:
        return "password.differ"
    return passwords.weakness(password, visit.account.login)


async def _is_kept(visit: Visit, password: str) -> bool:
    account_id = visit.account.id
    found = await visit.services.db.look_up(lambda conn: staff.secrets_by_id(conn, account_id))
    kept = None if found is None else found.password_hash
    return await visit.running.console.checker.check(kept, password)


async def _set_password(visit: Visit) -> None:
    kept = await visit.running.console.checker.hash(visit.form.get("password", [""])[-1])
    account = visit.account

    def work(conn: Connection) -> None:
        staff.change(conn, account.id, visit.now, password_hash=kept, must_change=False)
        staff_sessions.end_all(conn, account.id, but=visit.session.id)
        roster.note(conn, visit.actor(), account, visit.now, what="password_changed")

    await visit.services.db.write(work)


async def end(visit: Visit) -> web.StreamResponse:
    """End one of their sessions."""
    wanted = visit.path["id"]

    def work(conn: Connection) -> bool:
        ended = staff_sessions.end(conn, wanted, visit.account.id)
        if ended:
            roster.note(conn, visit.actor(), visit.account, visit.now, what="session_ended")
        return ended

    if not await visit.services.db.write(work):
        raise ConsoleProblem(404, "problem.nothing_here")
    return see(f"{OWN}?done=ended")


async def end_others(visit: Visit) -> web.StreamResponse:
    """Sign out everywhere else."""

    def work(conn: Connection) -> None:
        ended = staff_sessions.end_all(conn, visit.account.id, but=visit.session.id)
        roster.note(conn, visit.actor(), visit.account, visit.now, what="sessions_ended", n=ended)

    await visit.services.db.write(work)
    return see(f"{OWN}?done=ended")


_PASSWORD: Final = frozenset({Stage.PASSWORD.value})
PAGES: Final = (
    Page("GET", "/console/session", still, None),
    Page("GET", OWN, show, None),
    Page("POST", OWN, save, None),
    Page("POST", f"{OWN}/password", change_password, None),
    Page("POST", f"{OWN}/sessions/end-others", end_others, None),
    Page("POST", f"{OWN}/sessions/{{id}}/end", end, None, {"id": "sss_[0-9a-f]{20}"}),
    Page("GET", f"{SIGN_IN}/password", ask_password, None, stages=_PASSWORD),
    Page("POST", f"{SIGN_IN}/password", choose_password, None, stages=_PASSWORD),
)
