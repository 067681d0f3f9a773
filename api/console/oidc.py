"""Sign-in through the organisation's own provider: OpenID Connect Core 1.0, code flow with PKCE.

What the browser carries between is sealed in a cookie, for this browser and ten minutes. A role
comes of a claim by the mapping that is configured, at every sign-in; who has none does not get in.
Neither a token nor a claim is kept or logged.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Connection

from api.console import roster, session, steps
from api.console.errors import ConsoleProblem
from api.console.page import Guest
from api.console.session import Opened, Where
from api.console.sign_in import Door, to_of
from api.console.steps import SIGN_IN
from api.services import Oidc
from masking.staff import StaffRole
from storage import staff, staff_sessions
from storage.audit import SYSTEM
from storage.errors import ConstraintViolated, VaultError
from storage.staff import Account
from storage.staff_sessions import Stage

_log = logging.getLogger("maskline.console")
COOKIE: Final = "maskline_provider"
PATH: Final = f"{SIGN_IN}/provider"
BACK: Final = f"{PATH}/back"
_ON_THE_WAY: Final = timedelta(minutes=10)
_KEPT: Final = timedelta(hours=1)  # what a provider says of itself
_DEADLINE: Final = aiohttp.ClientTimeout(total=10)
_MOST_BYTES: Final = 256 * 1024
_ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]  # never `none`, never a shared secret
_LEEWAY_S: Final = 60  # between the provider's clock and ours
_STRONGEST: Final = (
    StaffRole.ADMIN,
    StaffRole.SUPERVISOR,
    StaffRole.OPERATOR,
    StaffRole.AGENT,
)


@dataclass
class Provider:
    """What the provider says of itself, asked for once an hour."""

    settings: Oidc
    _told: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _keys: KeySet | None = field(default=None, repr=False)
    _asked_at: datetime | None = None

    async def told(self, now: datetime) -> Mapping[str, Any]:
        """Its metadata (OpenID Connect Discovery 1.0, 4). Raises ConsoleProblem."""
        if self._asked_at is None or self._asked_at + _KEPT < now:
            issuer = self.settings.issuer
            told = await _json("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if told.get("issuer") != issuer:
                raise _failed("its metadata names another issuer")
            self._told, self._keys, self._asked_at = told, None, now
        return self._told

    async def keys(self, now: datetime, *, anew: bool = False) -> KeySet:
        """Its signing keys; `anew` where one was not among them. Raises ConsoleProblem."""
        told = await self.told(now)
        if self._keys is None or anew:
            found = await _json("GET", str(told["jwks_uri"]))
            self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        return self._keys


async def begin(guest: Guest, _request: web.Request) -> web.StreamResponse:
    """Send the browser to the provider."""
    provider = _provider(guest)
    told = await provider.told(guest.now)
    state, nonce, verifier = (session.new_token(guest.services.entropy) for _ in range(3))
    until = int((guest.now + _ON_THE_WAY).timestamp())
    kept = json.dumps([state, nonce, verifier, to_of(guest), until])
    sealed = urlsafe_b64encode(guest.services.vault.seal_secret(kept)).decode("ascii")
    asked = {
        "response_type": "code",
        "client_id": provider.settings.client_id,
        "redirect_uri": _back(guest),
        "scope": " ".join(provider.settings.scopes),
        "state": state,
        "nonce": nonce,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    where = str(told["authorization_endpoint"])
    glue = "&" if urlsplit(where).query else "?"
    response = web.Response(status=303, headers={"Location": where + glue + urlencode(asked)})
    session.set_cookie(
        response, COOKIE, sealed, secure=guest.secure, max_age_s=int(_ON_THE_WAY.total_seconds())
    )
    return response


async def back(guest: Guest, request: web.Request) -> web.StreamResponse:
    """They come back with a code: see who they are, and let them in."""
    provider = _provider(guest)
    nonce, verifier, to = _kept(guest, request)
    if "error" in guest.query or not guest.query.get("code"):
        raise _failed("it sent no code")
    claims = await _claims(guest, provider, guest.query["code"][-1], nonce, verifier)
    role = role_of(claims, provider.settings)
    if role is None:
        raise ConsoleProblem(403, "signin.provider_no_role")

    def work(conn: Connection) -> tuple[Account, Opened]:
        account = _account(conn, guest, provider.settings, claims, role)
        if account.locked_at is not None:
            raise ConsoleProblem(403, "signin.provider_no_role")
        where = Where(session.device_of(request), guest.peer)
        opened = steps.admit(conn, guest, account, Stage.IN, where=where, how="provider")
        return account, opened

    try:
        account, opened = await guest.services.db.write(work)
    except ConstraintViolated:
        raise ConsoleProblem(409, "signin.provider_login_taken") from None
    response = steps.go_on(guest, account, opened, to)
    session.drop_cookie(response, COOKIE, secure=guest.secure)
    return response


def role_of(claims: Mapping[str, Any], settings: Oidc) -> StaffRole | None:
    """The most that the claim gives: a text or a list of texts, perhaps inside another claim."""
    value: object = claims
    for name in settings.claim.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    given = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    found = {settings.roles[one] for one in given if isinstance(one, str) and one in settings.roles}
    return next((role for role in _STRONGEST if role in found), None)


async def _claims(
    guest: Guest, provider: Provider, code: str, nonce: str, verifier: str
) -> Mapping[str, Any]:
    """What the provider says of them (OpenID Connect Core 1.0, 3.1.3). Raises ConsoleProblem."""
    settings, told = provider.settings, await provider.told(guest.now)
    sent = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _back(guest),
        "code_verifier": verifier,
    }
    headers = {"Authorization": _basic(settings)}
    answered = await _json("POST", str(told["token_endpoint"]), data=sent, headers=headers)
    text = str(answered.get("id_token", ""))
    try:
        claims = jwt.decode(text, await provider.keys(guest.now), algorithms=_ALGORITHMS).claims
    except (JoseError, ValueError):
        try:
            keys = await provider.keys(guest.now, anew=True)
            claims = jwt.decode(text, keys, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            raise _failed("its token is not signed as it should be") from None
    wrong = wrong_with(claims, settings, nonce, guest.now)
    if wrong is not None:
        raise _failed(wrong)
    access = answered.get("access_token")
    if "userinfo_endpoint" in told and isinstance(access, str):
        bearer = {"Authorization": f"Bearer {access}"}
        more = await _json("GET", str(told["userinfo_endpoint"]), headers=bearer)
        if more.get("sub") == claims["sub"]:
            claims = {**more, **claims}
    return claims


def wrong_with(claims: Mapping[str, Any], settings: Oidc, nonce: str, now: datetime) -> str | None:
    """Why these claims are not to be believed (3.1.3.7); None: they are."""
    audience = claims.get("aud")
    meant = [audience] if isinstance(audience, str) else audience
    seconds = now.timestamp()
    expires, issued = claims.get("exp"), claims.get("iat")
    given = claims.get("nonce")
    if claims.get("iss") != settings.issuer:
        return "its token is of another issuer"
    if not isinstance(meant, list) or settings.client_id not in meant:
        return "its token is not for us"
    if len(meant) > 1 and claims.get("azp") != settings.client_id:
        return "its token is for several, and not ours"
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        return "its token belongs to another sign-in"
    if not isinstance(expires, int | float) or expires + _LEEWAY_S < seconds:
        return "its token is over"
    if not isinstance(issued, int | float) or issued - _LEEWAY_S > seconds:
        return "its token is of the future"
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        return "its token names nobody"
    return None


def _account(
    conn: Connection, guest: Guest, settings: Oidc, claims: Mapping[str, Any], role: StaffRole
) -> Account:
    """Their account, made or brought up to date. Raises ConstraintViolated."""
    subject = str(claims["sub"])
    name = str(claims.get("name") or claims.get("preferred_username") or subject)[:100]
    found = staff.by_subject(conn, settings.issuer, subject)
    if found is None:
        # Never an account that is there already: a login is no proof of who owns it.
        wanted = str(claims.get("preferred_username") or claims.get("email") or subject)
        login = staff.normal(wanted)
        if not roster.LOGIN.fullmatch(login):
            login = "oidc-" + hashlib.sha256(subject.encode()).hexdigest()[:12]
        found = roster.enlist(
            conn,
            by=SYSTEM,
            login=login,
            name=name,
            role=role,
            password_hash=None,
            now=guest.now,
            entropy=guest.services.entropy,
        )
        values = {"oidc_issuer": settings.issuer, "oidc_subject": subject}
        staff.change(conn, found.id, guest.now, **values)
        return found
    if found.role is not role:
        staff_sessions.end_all(conn, found.id)
        facts = {"before": found.role.value, "role": role.value}
        roster.note(conn, SYSTEM, found, guest.now, what="role_changed", **facts)
    staff.change(conn, found.id, guest.now, name=name, role=role.value)
    return staff.by_id(conn, found.id) or found


def _kept(guest: Guest, request: web.Request) -> tuple[str, str, str]:
    """Nonce, verifier and destination of this browser's sign-in. Raises ConsoleProblem."""
    text = request.cookies.get(session.name_of(COOKIE, secure=guest.secure), "")
    try:
        opened = guest.services.vault.open_secret(urlsafe_b64decode(text.encode()))
        state, nonce, verifier, to, until = json.loads(opened)
    except (ValueError, TypeError, VaultError):
        raise _failed("this browser began no sign-in") from None
    given = guest.query.get("state", [""])[-1]
    if not hmac.compare_digest(given.encode(), str(state).encode()):
        raise _failed("it belongs to another browser")
    if until < guest.now.timestamp():
        raise _failed("it took too long")
    return str(nonce), str(verifier), str(to)


def _provider(guest: Guest) -> Provider:
    found = guest.running.console.provider
    if not isinstance(found, Provider):
        raise ConsoleProblem(404, "problem.nothing_here")
    return found


def _back(guest: Guest) -> str:
    return guest.origin + BACK


def _basic(settings: Oidc) -> str:
    """The client's id and secret, each encoded as in a form (RFC 6749, 2.3.1)."""
    pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()  # RFC 7636, 4.2
    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def _failed(why: str) -> ConsoleProblem:
    _log.warning("sign-in through the provider did not come about: %s", why)
    return ConsoleProblem(403, "signin.provider_failed")


async def _json(method: str, url: str, **how: Any) -> Mapping[str, Any]:  # noqa: ANN401 (aiohttp's)
    """What the provider answers. Raises ConsoleProblem; never shows what was sent."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_DEADLINE) as http,
            http.request(method, url, allow_redirects=False, **how) as response,
        ):
            body = await response.content.read(_MOST_BYTES)
            if response.status != 200:
                raise _failed(f"it answered {response.status}")
            found = json.loads(body)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        _log.warning("the provider of sign-ins does not answer: %s", type(error).__name__)
        raise ConsoleProblem(503, "signin.provider_away") from None
    if not isinstance(found, dict):
        raise _failed("it answered no object")
    return found


DOORS: Final = (Door("GET", PATH, begin), Door("GET", BACK, back))
