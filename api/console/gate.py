"""How often somebody may try to sign in: by account, by address, and apart for known devices.

An attempt is counted before it is looked at and taken back when it was right, so that many at once
gain nothing. Whoever signed in from a device before is counted there alone: strangers who guess
at an account hold each other up, never its owner. Every hold ends by itself.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.console import session
from api.console.errors import ConsoleProblem
from api.services import Services
from storage import staff, staff_attempts
from storage.staff import Account
from storage.staff_attempts import Counter, Kind, counter
from storage.staff_sessions import Session
from storage.vault import Vault

KNOWN_COOKIE: Final = "maskline_known"
KNOWN_S: Final = 180 * 86_400
_NONCE: Final = 9


class Held(ConsoleProblem):
    """Too many attempts failed: for a while none is looked at."""

    error_id = "sign_in_held"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt is counted by."""

    own: Counter  # of the account or the device: forgotten when it was right
    address: Counter | None = None
    """Only taken back: who has one account of their own could else reset it. None: a device that
    is known is not held for what others at its address do."""
    known: str | None = None  # the device's mark

    @property
    def counters(self) -> tuple[Counter, ...]:
        """As they are counted."""
        return (self.own,) if self.address is None else (self.own, self.address)


def by_password(
    request: web.Request, services: Services, login: str, caller: session.Caller
) -> Attempt:
    """An attempt at the account with this login, whether there is one or not."""
    vault, login = services.vault, staff.normal(login)[:200]
    known = _device(request, vault, login, secure=caller.secure)
    if known is not None:
        return Attempt(counter(vault, Kind.DEVICE, f"{login}\0{known}"), known=known)
    own = counter(vault, Kind.ACCOUNT, login)
    return Attempt(own, counter(vault, Kind.ADDRESS, caller.peer))


def by_code(services: Services, at: Session) -> Attempt:
    """An attempt at the second factor, or at a password that is asked for once more.

    Whoever comes so far knows the password; who is known by the device is counted by it here too.
    """
    whose = at.account_id if at.known is None else f"{at.account_id}\0{at.known}"
    return Attempt(counter(services.vault, Kind.CODE, whose), known=at.known)


async def take(services: Services, attempt: Attempt, now: datetime) -> None:
    """Count it. Raises Held while attempts are not looked at."""

    def work(conn: Connection) -> datetime | None:
        held = staff_attempts.held_until(conn, attempt.counters, now)
        if held is None:
            staff_attempts.failed(conn, attempt.counters, now)
        return held

    held = await services.db.write(work)
    if held is not None:
        minutes = max(1, ceil((held - now).total_seconds() / 60))
        raise Held(429, "signin.held", n=minutes)


def take_back(conn: Connection, attempt: Attempt) -> None:
    """It was right."""
    staff_attempts.forget(conn, (attempt.own,))
    if attempt.address is not None:
        staff_attempts.forgive(conn, attempt.address)


def remember(
    response: web.StreamResponse, services: Services, account: Account, *, secure: bool
) -> None:
    """Let this browser be known at this account from now on."""
    nonce = services.entropy(_NONCE)
    mark = urlsafe_b64encode(nonce + _mac(services.vault, account.login, nonce))
    value = mark.decode("ascii").rstrip("=")
    session.set_cookie(response, KNOWN_COOKIE, value, secure=secure, max_age_s=KNOWN_S)


def _device(request: web.Request, vault: Vault, login: str, *, secure: bool) -> str | None:
    """The device's mark, if it signed in to this account before."""
    try:
        text = session.cookie(request, KNOWN_COOKIE, secure=secure)
        raw = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except (ValueError, Error):
        return None
    nonce, mac = raw[:_NONCE], raw[_NONCE:]
    if not hmac.compare_digest(mac, _mac(vault, login, nonce)):
        return None
    return nonce.hex()


def _mac(vault: Vault, login: str, nonce: bytes) -> bytes:
    return vault.digest(b"staff device\0" + login.encode() + b"\0" + nonce)
