"""Apps' credentials over HTTP: each lets one device of one user register, call and ask /v1/app.

Password and token follow from the platform's own key and a nonce, as `auth.derive_key` explains:
what is kept for a repeated request opens nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import Connection

from api import errors
from api.routing import NOTHING, Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.apps import (
    CredentialIn,
    CredentialOut,
    DeviceOut,
    DevicePage,
    IceServerOut,
    TransportsOut,
)
from api.schemas.common import NoBody, NoQuery
from api.schemas.patterns import IDENTIFIER
from api.services import AppTransports, Turn
from masking.ids import app_username
from storage import apps
from storage.apps import AppCredential, NewCredential
from storage.errors import StorageError
from storage.keys import KeyRole

_log = logging.getLogger("maskline.api")
APPLIED: Final = "X-Maskline-Applied"  # now: no node lets it in any more; later: within seconds
_NONCE_BYTES: Final = 32
_ENTROPY_BYTES: Final = 10
_DISPLAY: Final = "app"


class _Kept(BaseModel):
    """What is kept of a credential's answer."""

    nonce: str
    username: str
    device: str | None
    transport: str
    expires_at: datetime
    ended: tuple[str, ...]


async def make_credential(request: Request[CredentialIn, NoQuery]) -> Answer:
    """Give a device a credential."""
    services, sent, now = request.services, request.body, request.now
    user_id = request.path["id"]
    ttl_s = services.settings.credential_ttl_s if sent.ttl_s is None else sent.ttl_s
    nonce = services.entropy(_NONCE_BYTES)
    username = app_username(now, services.entropy(_ENTROPY_BYTES))
    password, token = _secrets(request.bearer, username, nonce)
    new = NewCredential(
        username=username,
        user_id=user_id,
        ha1_sealed=services.vault.seal_secret(apps.ha1(username, password)),
        token_hash=apps.token_hash(token),
        device=sent.device,
        transport=sent.transport,
        created_at=now,
        expires_at=now + timedelta(seconds=ttl_s),
    )

    def work(conn: Connection) -> Answer:
        ended = apps.create(conn, new)
        kept = _Kept(
            nonce=nonce.hex(),
            username=username,
            device=sent.device,
            transport=sent.transport,
            expires_at=new.expires_at,
            ended=ended,
        )
        return answer(kept, 201)

    made = await request.commit(work)
    kept = _Kept.model_validate_json(made.body)
    if kept.ended and not made.replayed:
        made = await _shut_out(request, kept.ended, made)
    return replace(made, body=answer(_credential_out(request, user_id, kept)).body)


async def list_credentials(request: Request[NoBody, NoQuery]) -> Answer:
    """A user's devices."""
    user_id, now = request.path["id"], request.now
    found = await request.services.db.read(lambda conn: apps.of_users(conn, [user_id], now))
    mine = found.get(user_id, ())
    registered = request.services.devices.registered([one.username for one in mine])
    return answer(DevicePage(items=[_device_out(one, registered) for one in mine]))


async def revoke_credentials(request: Request[NoBody, NoQuery]) -> Answer:
    """Shut out all of a user's devices."""
    return await _shut_out(request, await _revoked(request, None), NOTHING)


async def revoke_credential(request: Request[NoBody, NoQuery]) -> Answer:
    """Shut out one device."""
    ended = await _revoked(request, request.path["username"])
    if not ended:
        raise errors.CredentialNotFound
    return await _shut_out(request, ended, NOTHING)


async def _revoked(request: Request[Any, Any], username: str | None) -> tuple[str, ...]:
    user_id, now = request.path["id"], request.now
    return await request.services.db.write(lambda conn: apps.revoke(conn, user_id, username, now))


async def _shut_out(request: Request[Any, Any], ended: Sequence[str], made: Answer) -> Answer:
    """Tell the nodes and end the event streams. Calls that are up go on."""
    request.running.streams.shut_out(ended)
    applied = "now"
    try:
        async with asyncio.timeout(request.services.settings.trunks_timeout_s):
            await request.services.apps_changed(ended)
    except (TimeoutError, OSError, StorageError) as error:
        _log.warning("the node has not shut the apps out yet: %s", type(error).__name__)
        applied = "later"
    return replace(made, headers={**made.headers, APPLIED: applied})


def _secrets(bearer: str, username: str, nonce: bytes) -> tuple[str, str]:
    """Password and token: each 32 characters of 24 bytes."""

    def derived(what: bytes) -> str:
        digest = hmac.digest(bearer.encode(), b"maskline app " + what + b"\n" + nonce, "sha256")
        return base64.urlsafe_b64encode(digest[:24]).decode("ascii")

    return derived(b"password"), f"{username}.{derived(b'token')}"


def _credential_out(request: Request[Any, Any], user_id: str, kept: _Kept) -> CredentialOut:
    services = request.services
    password, token = _secrets(request.bearer, kept.username, bytes.fromhex(kept.nonce))
    ways = services.transports()
    return CredentialOut(
        username=kept.username,
        password=password,
        realm=apps.REALM,
        ws_url=ways.ws_url,
        sip_uri=f"sip:{kept.username}@{services.settings.sip_host}",
        transports=TransportsOut(udp=ways.udp, tcp=ways.tcp, tls=ways.tls),
        ice_servers=ice_servers(ways, kept.username, kept.expires_at),
        token=token,
        app_url=services.settings.app_url,
        display=_DISPLAY,
        user_id=user_id,
        device=kept.device,
        transport=kept.transport,
        expires_at=kept.expires_at,
    )


def ice_servers(ways: AppTransports, username: str, until: datetime) -> list[IceServerOut]:
    """What a browser finds its relays by; a relay's password is good as long as the credential."""
    found = [IceServerOut(urls=list(ways.stun))] if ways.stun else []
    if ways.turn is not None:
        found.append(_relay(ways.turn, username, until))
    return found


def _relay(turn: Turn, username: str, until: datetime) -> IceServerOut:
    """By coturn's REST scheme: the name says until when, the password is its HMAC-SHA1."""
    name = f"{int(until.timestamp())}:{username}"
    password = hmac.digest(turn.secret.encode(), name.encode(), hashlib.sha1)
    credential = base64.b64encode(password).decode("ascii")
    return IceServerOut(urls=list(turn.urls), username=name, credential=credential)


def _device_out(one: AppCredential, registered: frozenset[str]) -> DeviceOut:
    return DeviceOut(
        username=one.username,
        device=one.device,
        transport=one.transport,
        created_at=one.created_at,
        expires_at=one.expires_at,
        registered=one.username in registered,
    )


USER_ID: Final = PathParameter("id", IDENTIFIER, "The user's id", "u-1")
_USERNAME: Final = PathParameter(
    "username",
    r"app_[0-9a-z]{26}",
    "The credential's username",
    "app_01jd8n2k9hq3v6tbx4w7ymzcfe",
)
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})
_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF})

ROUTES: Final = (
    Route(
        "make_app_credential",
        "POST",
        "/v1/users/{id}/app-credentials",
        "Give a device of a user a credential",
        Tag.IN_APP,
        make_credential,
        roles=_PLATFORM,
        body=CredentialIn,
        body_optional=True,
        answers=CredentialOut,
        status=201,
        parameters=(USER_ID,),
        missing=errors.NotFound,
        description="With it the device registers as a SIP client (over WebSocket, TLS, TCP or "
        "UDP), is rung for the user's sessions and may call them, and asks /v1/app with its token. "
        f"A user has {apps.MOST_DEVICES} devices at most: one more ends the oldest.",
    ),
    Route(
        "list_app_credentials",
        "GET",
        "/v1/users/{id}/app-credentials",
        "List a user's devices",
        Tag.IN_APP,
        list_credentials,
        roles=_READERS,
        answers=DevicePage,
        parameters=(USER_ID,),
        missing=errors.NotFound,
    ),
    Route(
        "revoke_app_credentials",
        "DELETE",
        "/v1/users/{id}/app-credentials",
        "Shut out all of a user's devices",
        Tag.IN_APP,
        revoke_credentials,
        roles=_PLATFORM,
        answers=None,
        status=204,
        parameters=(USER_ID,),
        missing=errors.NotFound,
        description="Their registrations end at once; calls that are up go on.",
    ),
    Route(
        "revoke_app_credential",
        "DELETE",
        "/v1/users/{id}/app-credentials/{username}",
        "Shut out a device",
        Tag.IN_APP,
        revoke_credential,
        roles=_PLATFORM,
        answers=None,
        status=204,
        parameters=(USER_ID, _USERNAME),
        missing=errors.CredentialNotFound,
        description="Its registration ends at once; a call that is up goes on.",
    ),
)
