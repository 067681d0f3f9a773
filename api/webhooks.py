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
    DeliveriesQuery,
    DeliveryOut,
    DeliveryPage,
    Receiver,
    ResendIn,
    Resent,
    SecretIn,
    TestSent,
    TryOut,
    WebhookIn,
    WebhookMade,
    WebhookOut,
    WebhookPage,
    WebhookPatch,
)
from masking.ids import webhook_id
from masking.notice import Notice, NoticeKind
from storage import deliveries, webhooks
from storage.deliveries import Delivery
from storage.errors import ConstraintViolated
from storage.keys import KeyRole
from storage.outbox import owe
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
        try:
            made = webhooks.add(
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
        return answer(WebhookMade(**_out(made, request).model_dump(), secret=nonce.hex()), 201)

    return _with_secret(request.bearer, await request.commit(work))


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
    return answer(_out(_known(found), request))


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
        return answer(_out(_known(changed), request))

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
        changed = _out(_known(found), request)
        return answer(WebhookMade(**changed.model_dump(), secret=nonce.hex()), 201)

    return _with_secret(request.bearer, await request.commit(work))


async def test_webhook(request: Request[NoBody, NoQuery]) -> Answer:
    """Send it a test by the way that all events go."""
    wanted, now = request.path["id"], request.now
    key = f"{NoticeKind.WEBHOOK_TEST} {wanted} {request.services.entropy(10).hex()}"

    def work(conn: Connection) -> Answer:
        _known(webhooks.get(conn, wanted))
        owe(conn, Notice(NoticeKind.WEBHOOK_TEST, key, now, data={"webhook_id": wanted}))
        return answer(TestSent(event_id=message.message_id(key)), 202)

    return await request.commit(work)


async def list_deliveries(request: Request[NoBody, DeliveriesQuery]) -> Answer:
    """The delivery log, newest first; dead letters with `state=dead`."""
    query, wanted = request.query, request.path["id"]

    def work(conn: Connection) -> DeliveryPage:
        _known(webhooks.get(conn, wanted))
        page = deliveries.page(
            conn, wanted, state=query.state, limit=query.limit, cursor=query.cursor
        )
        items = [_delivery(one) for one in page.items]
        return DeliveryPage(items=items, next_cursor=page.next_cursor)

    return answer(await request.services.db.read(work))


async def resend_delivery(request: Request[NoBody, NoQuery]) -> Answer:
    """Send one again, under the same id."""
    path, now = request.path, request.now

    def work(conn: Connection) -> Answer:
        again = deliveries.resend(conn, path["id"], int(path["delivery_id"]), now)
        if again is None:
            raise errors.DeliveryNotFound
        return answer(_delivery(again), 202)

    return await request.commit(work)


async def resend_dead(request: Request[ResendIn, NoQuery]) -> Answer:
    """Send dead ones again, the oldest first."""
    wanted, now, at_most = request.path["id"], request.now, request.body.at_most

    def work(conn: Connection) -> Answer:
        _known(webhooks.get(conn, wanted))
        return answer(
            Resent(resent=deliveries.resend_dead(conn, wanted, now, at_most=at_most)), 202
        )

    return await request.commit(work)


def _check(request: Request[Any, Any], url: str) -> None:
    try:
        check_url(url, request.services.settings.outbound_allow)
    except OutboundError as error:
        raise errors.ValidationFailed(errors=[FieldError("url", str(error))]) from None


def _known(found: Webhook | None) -> Webhook:
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
        receiver=_receiver(webhook, request),
        previous_secret_until=until if until is not None and until > request.now else None,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
    )


def _receiver(webhook: Webhook, request: Request[Any, Any]) -> Receiver:
    until = webhook.open_until
    paused = until if until is not None and until > request.now else None
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


def _delivery(one: Delivery) -> DeliveryOut:
    return DeliveryOut(
        id=one.id,
        event_id=message.message_id(one.key),
        type=one.kind,
        conversation_id=one.conversation_id,
        state=one.state,
        tries=one.tries,
        created_at=one.created_at,
        next_try_at=one.due_at,
        finished_at=one.finished_at,
        log=[
            TryOut(at=each.at, status=each.status, error=each.error, took_ms=each.took_ms)
            for each in one.log
        ],
    )


_ID: Final = PathParameter(
    "id", r"whk_[0-9a-z]{26}", "The webhook's id", "whk_01hx3m8w5c0000000000000000"
)
_DELIVERY: Final = PathParameter("delivery_id", r"[1-9][0-9]{0,17}", "The delivery's id", "1")
_MANAGE: Final = frozenset({KeyRole.PLATFORM, KeyRole.OPERATOR})
_LOOK: Final = _MANAGE | {KeyRole.STAFF}
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
        roles=_LOOK,
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
        roles=_LOOK,
        answers=WebhookOut,
        parameters=(_ID,),
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
        parameters=(_ID,),
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
        parameters=(_ID,),
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
        answers=WebhookMade,
        status=201,
        parameters=(_ID,),
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
        parameters=(_ID,),
        missing=errors.WebhookNotFound,
        description="`webhook.test`, by the way that all events go; see its deliveries.",
    ),
    Route(
        "list_deliveries",
        "GET",
        "/v1/webhooks/{id}/deliveries",
        "List what was and is to be delivered",
        Tag.WEBHOOKS,
        list_deliveries,
        roles=_LOOK,
        query=DeliveriesQuery,
        answers=DeliveryPage,
        parameters=(_ID,),
        missing=errors.WebhookNotFound,
        description="`state=dead`: what was given up after 3 days.",
    ),
    Route(
        "resend_delivery",
        "POST",
        "/v1/webhooks/{id}/deliveries/{delivery_id}/resend",
        "Deliver once more",
        Tag.WEBHOOKS,
        resend_delivery,
        roles=_LOOK,
        answers=DeliveryOut,
        status=202,
        parameters=(_ID, _DELIVERY),
        missing=errors.DeliveryNotFound,
        description="Whether it was delivered or given up; the same `webhook-id`.",
    ),
    Route(
        "resend_dead",
        "POST",
        "/v1/webhooks/{id}/resend",
        "Deliver dead letters once more",
        Tag.WEBHOOKS,
        resend_dead,
        roles=_LOOK,
        body=ResendIn,
        answers=Resent,
        status=202,
        parameters=(_ID,),
        missing=errors.WebhookNotFound,
    ),
)
