"""Who asks: cookies, tokens, and whether a form came from one of our own pages.

A token is 32 random bytes that only the browser and, hashed, the database have. The token for
forms is made of it by HMAC, so that whoever has the one has the other and nothing is kept of it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.services import ApiSettings, Services
from storage import staff_sessions
from storage.staff import Account
from storage.staff_sessions import Session, Stage

COOKIE: Final = "maskline_console"
FRONT: Final = "/console/"
TOKEN_BYTES: Final = 32
GUEST_COOKIE: Final = "maskline_guest"  # for the forms of the way in
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
TOUCH: Final = timedelta(minutes=1)  # a session is written that often at most
HALFWAY: Final = timedelta(minutes=10)  # for the second factor, or a new password
_OWN: Final = re.compile(r"/console/[A-Za-z0-9/_.~%?&=+,:;@!*'()-]{0,2000}")
_LONGEST: Final = 64  # of a token that is looked at


@dataclass(frozen=True, slots=True)
class Caller:
    """How a request came: from where, and whether by https as the browser sees it."""

    peer: str
    secure: bool
    origin: str  # of our own pages, as this browser knows it


def caller(request: web.Request, settings: ApiSettings) -> Caller:
    """Who asks; headers of proxies are believed only of those that are trusted."""
    peer, scheme, host = request.remote or "", request.scheme, request.headers.get("Host", "")
    if peer and _trusted(peer, settings):
        scheme = request.headers.get("X-Forwarded-Proto", scheme).split(",")[-1].strip().lower()
        hops = [one.strip() for one in request.headers.get("X-Forwarded-For", "").split(",")]
        for hop in reversed([one for one in hops if one]):
            peer = hop if _address(hop) else peer
            if not _trusted(peer, settings):
                break
    if settings.public_url is not None and urlsplit(settings.public_url).netloc == host:
        scheme = urlsplit(settings.public_url).scheme
    return Caller(peer, scheme == "https", f"{scheme}://{host}")


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _trusted(peer: str, settings: ApiSettings) -> bool:
    try:
        found = ip_address(peer)
    except ValueError:
        return False
    return any(found in network for network in settings.trusted_proxies)


def name_of(cookie: str, *, secure: bool) -> str:
    """A cookie's name; over https no other host or path can set it (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{cookie}" if secure else cookie


def new_token(entropy: Callable[[int], bytes]) -> str:
    """A token's text."""
    return urlsafe_b64encode(entropy(TOKEN_BYTES)).decode("ascii").rstrip("=")


def csrf_of(token: str) -> str:
    """What forms carry for the holder of this token."""
    digest = hmac.digest(token.encode(), b"maskline console form", hashlib.sha256)
    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def cookie(request: web.Request, name: str, *, secure: bool) -> str:
    """The value of a cookie of ours; empty where there is none."""
    found = request.cookies.get(name_of(name, secure=secure), "")
    return found if len(found) <= _LONGEST else ""


def set_cookie(
    response: web.StreamResponse, name: str, value: str, *, secure: bool, max_age_s: int | None
) -> None:
    """Give the browser a cookie that scripts cannot read."""
    response.set_cookie(
        name_of(name, secure=secure),
        value,
        path="/",
        httponly=True,
        secure=secure,
        samesite="Lax",
        max_age=max_age_s,
    )


def drop_cookie(response: web.StreamResponse, name: str, *, secure: bool) -> None:
    """Take it away."""
    response.del_cookie(
        name_of(name, secure=secure), path="/", httponly=True, secure=secure, samesite="Lax"
    )


def require_own(request: web.Request, who: Caller) -> None:
    """A deed must come from one of our own pages. Raises ConsoleProblem.

    Every browser that is in use sends one of the two headers with a form; what sends neither is no
    browser that could be made to, and still needs the token.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site not in ("same-origin", "none"):
        raise ConsoleProblem(403, "problem.foreign")
    if origin is not None and origin != who.origin:
        raise ConsoleProblem(403, "problem.foreign")


def require_token(request: web.Request, form: Mapping[str, list[str]], wanted: str) -> None:
    """The form must carry the token of who sends it. Raises ConsoleProblem."""
    given = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD, [""])[-1]
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise ConsoleProblem(403, "problem.stale_form")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser with a session that is not over."""

    token: str
    session: Session
    account: Account


async def who(request: web.Request, services: Services, by: Caller) -> SignedIn | None:
    """Whose browser this is; None: nobody's that we know."""
    token = cookie(request, COOKIE, secure=by.secure)
    if not token:
        return None
    hashed = staff_sessions.hashed(token)
    found = await services.db.look_up(lambda conn: staff_sessions.find(conn, hashed))
    if found is None:
        return None
    session, account = found
    now = services.clock()
    settings = services.settings
    idle = timedelta(seconds=settings.console_idle_s)
    if account.locked_at or session.expires_at <= now or session.seen_at + idle <= now:
        return None
    if session.seen_at + TOUCH <= now and not unattended(request):
        await services.db.write(lambda conn: staff_sessions.touch(conn, session.id, now))
    return SignedIn(token, session, account)


def unattended(request: web.Request) -> bool:
    """What a page asks for by itself keeps no session alive."""
    return (
        "text/event-stream" in request.headers.get("Accept", "")
        or request.headers.get("X-Unattended") == "1"
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was just made."""

    token: str
    session: Session


@dataclass(frozen=True, slots=True)
class Where:
    """From where somebody signs in."""

    device: str  # browser and system, in words
    address: str
    known: str | None = None  # the mark of a device that signed in to the account before


def open_session(
    conn: Connection, services: Services, account: Account, stage: Stage, now: datetime, at: Where
) -> Opened:
    """Make a session."""
    lasts = timedelta(seconds=services.settings.console_session_s)
    session = Session(
        id="sss_" + services.entropy(10).hex(),
        account_id=account.id,
        stage=stage,
        device=at.device,
        address=at.address,
        known=at.known,
        created_at=now,
        seen_at=now,
        expires_at=now + (lasts if stage is Stage.IN else HALFWAY),
    )
    token = new_token(services.entropy)
    staff_sessions.add(conn, token, session)
    return Opened(token, session)


_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("YaBrowser/", "Yandex"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def device_of(request: web.Request) -> str:
    """Browser and system in words; never the header itself."""
    agent = request.headers.get("User-Agent", "")
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return ", ".join(one for one in (browser, system) if one) or "–"


def own_path(wanted: str) -> str:
    """`wanted` if it is one of our pages, else the front door: nobody is sent elsewhere."""
    fine = _OWN.fullmatch(wanted) and "//" not in wanted and ".." not in wanted
    if wanted.startswith("/console/sign-"):  # in, or out: that would lead round and round
        return FRONT
    return wanted if fine else FRONT
