"""The second factor: six digits by time (RFC 6238), or a recovery code. Each serves once.

The secret is shown while it is set up and never again; until it is, it travels in the form, sealed.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pyotp
import segno
from aiohttp import web
from sqlalchemy import Connection

from api.console import gate, roster, steps
from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import render, see
from api.console.sign_in import to_of
from api.console.steps import SIGN_IN
from storage import staff, staff_sessions
from storage.errors import VaultError
from storage.staff import Secrets
from storage.staff_sessions import Stage
from storage.vault import Vault

STEP_S: Final = 30
CODES: Final = 10
SETTING_UP: Final = timedelta(minutes=10)
_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
OWN: Final = "/console/account"


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step of which `code` is: this one, or one to either side; None: of none."""
    totp, at = pyotp.TOTP(secret, interval=STEP_S), int(now.timestamp()) // STEP_S
    found = None
    for step in (at - 1, at, at + 1):  # all of them, whichever fits
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def code_hash(vault: Vault, account_id: str, code: str) -> bytes:
    """What is kept of a recovery code."""
    plain = "".join(one for one in code.lower() if one in _LETTERS)
    return vault.digest(f"staff recovery\0{account_id}\0{plain}".encode())


async def ask(visit: Visit) -> web.StreamResponse:
    """The form for the code."""
    return _asked(visit, 200, None)


def _asked(visit: Visit, status: int, refused: str | None) -> web.Response:
    return render(visit, "sign_in/code.html", status, to=to_of(visit), refused=refused)


async def enter(visit: Visit) -> web.StreamResponse:
    """Check the code."""
    services, account = visit.services, visit.account
    attempt = gate.by_code(services, visit.session)
    try:
        await gate.take(services, attempt, visit.now)
    except gate.Held as held:
        return _asked(visit, held.status, visit.texts(held.key, **held.values))
    typed = visit.sent("code").replace(" ", "")
    found = await services.db.look_up(lambda conn: staff.secrets_by_id(conn, account.id))

    def work(conn: Connection) -> bool:
        fits = found is not None and _fits(conn, visit, found, typed)
        if fits:
            gate.take_back(conn, attempt)
        else:
            steps.refused(conn, account, visit.now, "code")
        return fits

    if not await services.db.write(work):
        return _asked(visit, 403, visit.texts("signin.code_refused"))
    return await steps.advance(visit, account, how="code", to=to_of(visit))


def _fits(conn: Connection, visit: Visit, found: Secrets, typed: str) -> bool:
    vault, account = visit.services.vault, visit.account
    if found.totp_sealed is None:
        return False
    step = step_of(vault.open_secret(found.totp_sealed), typed, visit.now)
    if step is not None:
        return staff.use_step(conn, account.id, step)
    return staff.use_recovery_code(conn, account.id, code_hash(vault, account.id, typed))


async def offer(visit: Visit) -> web.StreamResponse:
    """Show a new secret to be set up."""
    return _offer(visit, 200, _sealed(visit, pyotp.random_base32()), None)


async def take(visit: Visit) -> web.StreamResponse:
    """Set it up, if the code is of it; show the recovery codes, once."""
    services, account = visit.services, visit.account
    secret = _opened(visit)
    attempt = gate.by_code(services, visit.session)
    try:
        await gate.take(services, attempt, visit.now)
    except gate.Held as held:
        refused = visit.texts(held.key, **held.values)
        return _offer(visit, held.status, visit.sent("sealed"), refused)
    step = step_of(secret, visit.sent("code").replace(" ", ""), visit.now)
    if step is None:
        return _offer(visit, 403, visit.sent("sealed"), visit.texts("signin.code_refused"))
    codes = tuple(_code(services.entropy(10)) for _ in range(CODES))
    hashes = tuple(code_hash(services.vault, account.id, code) for code in codes)
    sealed = services.vault.seal_secret(secret)

    def work(conn: Connection) -> None:
        gate.take_back(conn, attempt)
        staff.change(conn, account.id, visit.now, totp_sealed=sealed, totp_step=step)
        staff.set_recovery_codes(conn, account.id, hashes)
        staff_sessions.end_all(conn, account.id, but=visit.session.id)
        roster.note(conn, visit.actor(), account, visit.now, what="second_factor_added")

    await services.db.write(work)
    shown = render(visit, "sign_in/codes.html", codes=codes, to=to_of(visit))
    if visit.session.stage is Stage.ENROL:
        on = await steps.advance(
            visit, replace(account, second_factor=True), how="code", to=to_of(visit)
        )
        for cookie in on.cookies.values():
            shown.cookies[cookie.key] = cookie
    return shown


async def remove(visit: Visit) -> web.StreamResponse:
    """Take it off, for who shows it once more."""
    services, account = visit.services, visit.account
    if account.role in services.settings.console_second_factor:
        raise ConsoleProblem(403, "second.required")
    attempt = gate.by_code(services, visit.session)
    await gate.take(services, attempt, visit.now)
    typed = visit.sent("code").replace(" ", "")
    found = await services.db.look_up(lambda conn: staff.secrets_by_id(conn, account.id))

    def work(conn: Connection) -> bool:
        if found is None or not _fits(conn, visit, found, typed):
            return False
        gate.take_back(conn, attempt)
        staff.change(conn, account.id, visit.now, totp_sealed=None, totp_step=0)
        staff.set_recovery_codes(conn, account.id, ())
        staff_sessions.end_all(conn, account.id, but=visit.session.id)
        roster.note(conn, visit.actor(), account, visit.now, what="second_factor_removed")
        return True

    if not await services.db.write(work):
        raise ConsoleProblem(403, "signin.code_refused")
    return see(f"{OWN}?done=second_off")


def _code(entropy: bytes) -> str:
    number, text = int.from_bytes(entropy, "big"), ""
    for _ in range(12):
        number, digit = divmod(number, len(_LETTERS))
        text += _LETTERS[digit]
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"


def _sealed(visit: Visit, secret: str) -> str:
    until = int((visit.now + SETTING_UP).timestamp())
    text = json.dumps([visit.account.id, until, secret])
    return urlsafe_b64encode(visit.services.vault.seal_secret(text)).decode("ascii")


def _opened(visit: Visit) -> str:
    """The secret that was offered to this account lately. Raises ConsoleProblem."""
    try:
        raw = urlsafe_b64decode(visit.sent("sealed").encode())
        owner, until, secret = json.loads(visit.services.vault.open_secret(raw))
    except (ValueError, TypeError, VaultError):
        raise ConsoleProblem(403, "problem.stale_form") from None
    if owner != visit.account.id or until < visit.now.timestamp():
        raise ConsoleProblem(403, "problem.stale_form")
    return str(secret)


def _offer(visit: Visit, status: int, sealed: str, refused: str | None) -> web.Response:
    secret = json.loads(visit.services.vault.open_secret(urlsafe_b64decode(sealed.encode())))[2]
    uri = pyotp.TOTP(secret).provisioning_uri(name=visit.account.login, issuer_name="Maskline")
    picture = segno.make(uri, error="m").svg_data_uri(scale=5, border=3, light="#fff")
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return render(
        visit,
        "sign_in/enrol.html",
        status,
        sealed=sealed,
        picture=picture,
        secret=groups,
        refused=refused,
        to=to_of(visit),
        action=visit.address,
        on_the_way=visit.session.stage is Stage.ENROL,
    )


_CODE: Final = frozenset({Stage.CODE.value})
_ENROL: Final = frozenset({Stage.ENROL.value})
PAGES: Final = (
    Page("GET", f"{SIGN_IN}/code", ask, None, stages=_CODE),
    Page("POST", f"{SIGN_IN}/code", enter, None, stages=_CODE),
    Page("GET", f"{SIGN_IN}/enrol", offer, None, stages=_ENROL),
    Page("POST", f"{SIGN_IN}/enrol", take, None, stages=_ENROL),
    Page("GET", f"{OWN}/second-factor", offer, None),
    Page("POST", f"{OWN}/second-factor", take, None),
    Page("POST", f"{OWN}/second-factor/remove", remove, None),
)
