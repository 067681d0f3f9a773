"""Webhooks in the console: how each receiver fares, what went there, and sending it again.

What was sent is not shown, only that it was; secrets are nowhere here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import known, one_of
from api.console.page import Page, Visit
from api.console.render import render, see
from api.outbound import message
from api.schemas.webhooks import Receiver
from api.webhooks import receiver_of
from masking.notice import Notice, NoticeKind
from masking.staff import Right
from storage import deliveries, webhooks
from storage.audit import Action
from storage.deliveries import Delivery, State
from storage.outbox import owe
from storage.webhooks import Webhook

_ID: Final = r"whk_[0-9a-z]{26}"
_DELIVERY: Final = r"[1-9][0-9]{0,17}"
_AT_ONCE: Final = 50
_MOST_RESENT: Final = 1_000
_CHANGES: Final = {"enable": True, "disable": False}
_DONE: Final = frozenset({*_CHANGES, "resent", "test", "edited"})
_GONE: Final = frozenset({"removed"})


@dataclass(frozen=True, slots=True)
class Row:
    """A webhook and how it fares."""

    webhook: Webhook
    receiver: Receiver
    dead: int  # deliveries that were given up


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery and the id under which its receiver knows it."""

    delivery: Delivery
    event_id: str


async def list_webhooks(visit: Visit) -> web.StreamResponse:
    """Every webhook: there are a few dozen at most."""

    def work(conn: Connection) -> list[Row]:
        return [_row(conn, one, visit) for one in webhooks.everyone(conn)]

    done = known(visit.query, "done", _GONE)
    return render(visit, "look/webhooks.html", rows=await visit.services.db.read(work), done=done)


async def show_webhook(visit: Visit) -> web.StreamResponse:
    """One webhook, and its deliveries, the newest first."""
    wanted = visit.path["id"]
    state = one_of(visit.query, "state", State)

    def work(conn: Connection) -> dict[str, Any]:
        found = _known(webhooks.get(conn, wanted))
        page = deliveries.page(
            conn,
            wanted,
            state=state,
            limit=_AT_ONCE,
            cursor=visit.asked("cursor") or None,
        )
        return {
            "row": _row(conn, found, visit),
            "sent": [Sent(one, message.message_id(one.key)) for one in page.items],
            "cursor": page.next_cursor,
        }

    view = await visit.services.db.read(work)
    done = known(visit.query, "done", _DONE)
    return render(visit, "look/webhook.html", state=state, states=[*State], done=done, **view)


async def ask_resend(visit: Visit) -> web.StreamResponse:
    """Say what is sent again: one delivery, or all that were given up."""
    return await _confirm(visit, "resend")


async def resend(visit: Visit) -> web.StreamResponse:
    """Send again what was given up, the oldest first."""
    wanted, now = visit.path["id"], visit.now

    def work(conn: Connection) -> Facts:
        _known(webhooks.get(conn, wanted))
        return {"resent": deliveries.resend_dead(conn, wanted, now, at_most=_MOST_RESENT)}

    await act(visit, Deed(Action.DELIVERY_RESENT, "webhook", wanted, {"what": "dead"}), work)
    return see(f"/console/webhooks/{wanted}?done=resent")


async def resend_one(visit: Visit) -> web.StreamResponse:
    """Send one again, under the same id."""
    wanted, delivery, now = visit.path["id"], int(visit.path["delivery"]), visit.now

    def work(conn: Connection) -> Facts:
        if deliveries.resend(conn, wanted, delivery, now) is None:
            raise ConsoleProblem(404, "look.delivery.missing")
        return {}

    facts: Facts = {"what": "one", "delivery": delivery}
    await act(visit, Deed(Action.DELIVERY_RESENT, "webhook", wanted, facts), work)
    return see(f"/console/webhooks/{wanted}?done=resent")


async def ask_change(visit: Visit) -> web.StreamResponse:
    """Say what enabling, disabling or a test means."""
    return await _confirm(visit, visit.path["change"])


async def change(visit: Visit) -> web.StreamResponse:
    """Enable, disable, or send a test."""
    wanted, what, now = visit.path["id"], visit.path["change"], visit.now
    nonce = visit.services.entropy(10).hex()

    def work(conn: Connection) -> Facts:
        _known(webhooks.get(conn, wanted))
        if what in _CHANGES:
            webhooks.change(conn, wanted, {"enabled": _CHANGES[what]}, now)
        else:
            key = f"{NoticeKind.WEBHOOK_TEST} {wanted} {nonce}"
            owe(conn, Notice(NoticeKind.WEBHOOK_TEST, key, now, data={"webhook_id": wanted}))
        return {}

    await act(visit, Deed(Action.WEBHOOK_CHANGED, "webhook", wanted, {"what": what}), work)
    return see(f"/console/webhooks/{wanted}?done={what}")


async def _confirm(visit: Visit, what: str) -> web.StreamResponse:
    wanted = visit.path["id"]
    delivery = visit.path.get("delivery")

    def work(conn: Connection) -> tuple[Row, Delivery | None]:
        row = _row(conn, _known(webhooks.get(conn, wanted)), visit)
        if delivery is None:
            return row, None
        one = deliveries.get(conn, wanted, int(delivery))
        if one is None:
            raise ConsoleProblem(404, "look.delivery.missing")
        return row, one

    row, one = await visit.services.db.read(work)
    return render(
        visit,
        "look/webhook_change.html",
        row=row,
        delivery=one,
        what=what if one is None else "resend_one",
        most=_MOST_RESENT,
        once=fresh(visit),
    )


def _known(found: Webhook | None) -> Webhook:
    if found is None:
        raise ConsoleProblem(404, "look.webhook.missing")
    return found


def _row(conn: Connection, one: Webhook, visit: Visit) -> Row:
    return Row(one, receiver_of(one, visit.now), deliveries.dead(conn, one.id))


_ONE: Final = {"id": _ID}
_CHANGE: Final = {"id": _ID, "change": "enable|disable|test"}
_SENT: Final = {"id": _ID, "delivery": _DELIVERY}
_RESEND_ONE: Final = "/console/webhooks/{id}/deliveries/{delivery}/resend"
_CHANGE_PATH: Final = "/console/webhooks/{id}/change/{change}"
_RIGHT: Final = Right.WEBHOOKS_CHANGE
_RESENT: Final = Action.DELIVERY_RESENT

PAGES: Final = (
    Page("GET", "/console/webhooks", list_webhooks, Right.LOOK_UP),
    Page("GET", "/console/webhooks/{id}", show_webhook, Right.LOOK_UP, _ONE),
    *form("/console/webhooks/{id}/resend", ask_resend, resend, _RIGHT, _RESENT, _ONE),
    *form(_RESEND_ONE, ask_resend, resend_one, _RIGHT, _RESENT, _SENT),
    *form(_CHANGE_PATH, ask_change, change, _RIGHT, Action.WEBHOOK_CHANGED, _CHANGE),
)
