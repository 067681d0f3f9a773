"""Webhooks over HTTP. The text of a secret goes out once, in the answer that makes it."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from api import errors
from api.errors import FieldError
from api.outbound import OutboundError, check_url, message, new_secret
from api.outbound.signing import SECRET_BYTES
from api.routing import NOTHING, Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery, PageQuery
from api.schemas.webhooks import (
    Receiver,
    SecretIn,
    TestSent,
    WebhookIn,
    WebhookMade,
    WebhookOut,
    WebhookPage,
    WebhookPatch,
)
from masking.ids import webhook_id
from masking.notice import Notice, NoticeKind
from storage import webhooks
from storage.errors import ConstraintViolated
from storage.keys import KeyRole
from storage.outbox import owe
from storage.vault import Vault
from storage.webhooks import Webhook

_NONCE_BYTES: Final = 32


async def make_webhook(request: Request[WebhookIn, NoQuery]) -> Answer:
    """Make a webhook.

    What may be kept for a repetition of this request holds a nonce in the place of the secret.
    """
    sent, now, vault = request.body, request.now, request.services.vault
    _check(request, sent.url)
    entropy = request.services.entropy
    made_id, nonce = webhook_id(now, entropy(10)), entropy(_NONCE_BYTES)
    secret = _derive(request.bearer, nonce)

    def work(conn: Connection) -> Answer:
        made = keep(conn, vault, made_id, sent, secret, now)
        return answer(WebhookMade(**_out(made, request).model_dump(), secret=nonce.hex()), 201)

    return _with_secret(request.bearer, await request.commit(work))


def keep(
    conn: Connection, vault: Vault, made_id: str, sent: WebhookIn, secret: str, now: datetime
) -> Webhook:
    """Keep a new webhook. Raises TooManyWebhooks."""
    try:
        return webhooks.add(
            conn,
            vault,
            webhook_id=made_id,
            url=sent.url,
            events=sent.events,
            description=sent.description,
            secret=secret,
            now=now,
        )
    except ConstraintViolated:
        raise errors.TooManyWebhooks from None


async def list_webhooks(request: Request[NoBody, PageQuery]) -> Answer:
    """Webhooks, newest first."""
    query = request.query
    page = await request.services.db.read(
        lambda conn: webhooks.page(conn, limit=query.limit, cursor=query.cursor)
    )
    items = [_out(one, request) for one in page.items]
    return answer(WebhookPage(items=items, next_cursor=page.next_cursor))


async def get_webhook(request: Request[NoBody, NoQuery]) -> Answer:
    """One webhook."""
    found = await request.services.db.read(lambda conn: webhooks.get(conn, request.path["id"]))
    return answer(_out(known(found), request))


async def change_webhook(request: Request[WebhookPatch, NoQuery]) -> Answer:
    """Change some of it."""
    sent, now = request.body, request.now
    changes: dict[str, Any] = sent.model_dump(exclude_none=True, exclude={"all_events"})
    if sent.all_events:
        changes["events"] = None
    if sent.url is not None:
        _check(request, sent.url)

    def work(conn: Connection) -> Answer:
        changed = webhooks.change(conn, request.path["id"], changes, now)
        return answer(_out(known(changed), request))

    return await request.commit(work)


async def delete_webhook(request: Request[NoBody, NoQuery]) -> Answer:
    """Forget it, with all its deliveries."""

    def work(conn: Connection) -> Answer:
        if not webhooks.remove(conn, request.path["id"]):
            raise errors.WebhookNotFound
        return NOTHING

    return await request.commit(work)


async def rotate_secret(request: Request[SecretIn, NoQuery]) -> Answer:
    """Sign with a new secret; kept like that of a new webhook."""
    now, vault = request.now, request.services.vault
    nonce = request.services.entropy(_NONCE_BYTES)
    secret = _derive(request.bearer, nonce)
    until = now + timedelta(seconds=request.body.overlap_s)

    def work(conn: Connection) -> Answer:
        found = webhooks.rotate(conn, vault, request.path["id"], secret, until=until, now=now)
        changed = _out(known(found), request)
        return answer(WebhookMade(**changed.model_dump(), secret=nonce.hex()), 201)

    return _with_secret(request.bearer, await request.commit(work))


async def test_webhook(request: Request[NoBody, NoQuery]) -> Answer:
    """Send it a test by the way that all events go."""
    wanted, now = request.path["id"], request.now
    key = f"{NoticeKind.WEBHOOK_TEST} {wanted} {request.services.entropy(10).hex()}"

    def work(conn: Connection) -> Answer:
        known(webhooks.get(conn, wanted))
        owe(conn, Notice(NoticeKind.WEBHOOK_TEST, key, now, data={"webhook_id": wanted}))
        return answer(TestSent(event_id=message.message_id(key)), 202)

    return await request.commit(work)


def _check(request: Request[Any, Any], url: str) -> None:
    try:
        check_url(url, request.services.settings.outbound_allow)
    except OutboundError as error:
        raise errors.ValidationFailed(errors=[FieldError("url", str(error))]) from None


def known(found: Webhook | None) -> Webhook:
    """The webhook. Raises WebhookNotFound where there is none."""
    if found is None:
        raise errors.WebhookNotFound
    return found


def _derive(bearer: str, nonce: bytes) -> str:
    """A secret that follows from the maker's key and a nonce, as `auth.derive_key` explains."""
    digest = hmac.digest(bearer.encode(), b"maskline webhook secret\n" + nonce, "sha256")
    return new_secret(digest[:SECRET_BYTES])


def _with_secret(bearer: str, kept: Answer) -> Answer:
    shown = from_json(kept.body)
    shown["secret"] = _derive(bearer, bytes.fromhex(shown["secret"]))
    return replace(kept, body=to_json(shown))


def _out(webhook: Webhook, request: Request[Any, Any]) -> WebhookOut:
    until = webhook.previous_until
    return WebhookOut(
        id=webhook.id,
        url=webhook.url,
        events=None if webhook.events is None else list(webhook.events),
        description=webhook.description,
        enabled=webhook.enabled,
        disabled_why=webhook.disabled_why,
        receiver=receiver_of(webhook, request.now),
        previous_secret_until=until if until is not None and until > request.now else None,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
    )


def receiver_of(webhook: Webhook, now: datetime) -> Receiver:
    """How the webhook's receiver fares."""
    until = webhook.open_until
    paused = until if until is not None and until > now else None
    return Receiver(
        state=_state(webhook, paused),
        failures=webhook.failures,
        failing_since=webhook.failing_since,
        next_try_at=paused,
        succeeded_at=webhook.succeeded_at,
    )


def _state(
    webhook: Webhook, paused: datetime | None
) -> Literal["well", "failing", "circuit_open", "disabled"]:
    if not webhook.enabled:
        return "disabled"
    if paused is not None:
        return "circuit_open"
    return "failing" if webhook.failures else "well"


WEBHOOK_ID: Final = PathParameter(
    "id", r"whk_[0-9a-z]{26}", "The webhook's id", "whk_01hx3m8w5c0000000000000000"
)
_MANAGE: Final = frozenset({KeyRole.PLATFORM, KeyRole.OPERATOR})
LOOK: Final = _MANAGE | {KeyRole.STAFF}
_ORDER: Final = (
    "Signed as Standard Webhooks has it. Events of one conversation come in order; each at least "
    "once, always under the same `webhook-id`. Tried for 3 days."
)

ROUTES: Final = (
    Route(
        "make_webhook",
        "POST",
        "/v1/webhooks",
        "Make a webhook",
        Tag.WEBHOOKS,
        make_webhook,
        roles=_MANAGE,
        body=WebhookIn,
        answers=WebhookMade,
        status=201,
        errors=(errors.TooManyWebhooks,),
        description=_ORDER,
        location="/v1/webhooks/{id}",
    ),
    Route(
        "list_webhooks",
        "GET",
        "/v1/webhooks",
        "List webhooks",
        Tag.WEBHOOKS,
        list_webhooks,
        roles=LOOK,
        query=PageQuery,
        answers=WebhookPage,
    ),
    Route(
        "get_webhook",
        "GET",
        "/v1/webhooks/{id}",
        "Get a webhook",
        Tag.WEBHOOKS,
        get_webhook,
        roles=LOOK,
        answers=WebhookOut,
        parameters=(WEBHOOK_ID,),
        missing=errors.WebhookNotFound,
    ),
    Route(
        "change_webhook",
        "PATCH",
        "/v1/webhooks/{id}",
        "Change, disable or enable a webhook",
        Tag.WEBHOOKS,
        change_webhook,
        roles=_MANAGE,
        body=WebhookPatch,
        answers=WebhookOut,
        parameters=(WEBHOOK_ID,),
        missing=errors.WebhookNotFound,
    ),
    Route(
        "delete_webhook",
        "DELETE",
        "/v1/webhooks/{id}",
        "Remove a webhook",
        Tag.WEBHOOKS,
        delete_webhook,
        roles=_MANAGE,
        answers=None,
        status=204,
        parameters=(WEBHOOK_ID,),
        missing=errors.WebhookNotFound,
        description="What was still to be delivered to it is dropped.",
    ),
    Route(
        "rotate_secret",
        "POST",
        "/v1/webhooks/{id}/secret",
        "Replace a webhook's secret",
        Tag.WEBHOOKS,
        rotate_secret,
        roles=_MANAGE,
        body=SecretIn,
        body_optional=True,
        answers=WebhookMade,
        status=201,
        parameters=(WEBHOOK_ID,),
        missing=errors.WebhookNotFound,
        description="For `overlap_s` both secrets sign, and the receiver may check with either.",
    ),
    Route(
        "test_webhook",
        "POST",
        "/v1/webhooks/{id}/test",
        "Send a test event",
        Tag.WEBHOOKS,
        test_webhook,
        roles=_MANAGE,
        answers=TestSent,
        status=202,
        parameters=(WEBHOOK_ID,),
        missing=errors.WebhookNotFound,
        description="`webhook.test`, by the way that all events go; see its deliveries.",
    ),
)
