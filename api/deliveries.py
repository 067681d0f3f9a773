"""Deliveries of webhooks over HTTP: the log of each, dead letters, sending again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from api import errors
from api.outbound import message
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.webhooks import (
    DeliveriesQuery,
    DeliveryOut,
    DeliveryPage,
    ResendIn,
    Resent,
    TryOut,
)
from api.webhooks import LOOK, WEBHOOK_ID, known
from storage import deliveries, webhooks
from storage.deliveries import Delivery


async def list_deliveries(request: Request[NoBody, DeliveriesQuery]) -> Answer:
    """The delivery log, newest first; dead letters with `state=dead`."""
    query, wanted = request.query, request.path["id"]

    def work(conn: Connection) -> DeliveryPage:
        known(webhooks.get(conn, wanted))
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
        known(webhooks.get(conn, wanted))
        return answer(
            Resent(resent=deliveries.resend_dead(conn, wanted, now, at_most=at_most)), 202
        )

    return await request.commit(work)


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


_DELIVERY: Final = PathParameter("delivery_id", r"[1-9][0-9]{0,17}", "The delivery's id", "1")

ROUTES: Final = (
    Route(
        "list_deliveries",
        "GET",
        "/v1/webhooks/{id}/deliveries",
        "List what was and is to be delivered",
        Tag.WEBHOOKS,
        list_deliveries,
        roles=LOOK,
        query=DeliveriesQuery,
        answers=DeliveryPage,
        parameters=(WEBHOOK_ID,),
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
        roles=LOOK,
        answers=DeliveryOut,
        status=202,
        parameters=(WEBHOOK_ID, _DELIVERY),
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
        roles=LOOK,
        body=ResendIn,
        body_optional=True,
        answers=Resent,
        status=202,
        parameters=(WEBHOOK_ID,),
        missing=errors.WebhookNotFound,
    ),
)
