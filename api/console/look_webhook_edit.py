"""Webhooks made, moved, given a new secret and removed in the console; valid as the API says.

The text of a secret goes out once, in the answer to the form that made it; to that form sent again
too, while that secret is the one that signs. It is in no address and in no entry of the log.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, get_args

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Wrong, choice, required, text
from api.console.page import Visit
from api.console.render import render, see
from api.outbound import OutboundError, check_url, new_secret
from api.outbound.signing import SECRET_BYTES
from api.schemas.webhooks import OVERLAP_S, Event, WebhookIn
from api.webhooks import keep
from masking.ids import webhook_id
from masking.staff import Right
from storage import webhooks
from storage.audit import Action
from storage.webhooks import Webhook

_ID: Final = {"id": r"whk_[0-9a-z]{26}"}
_ALL: Final = "/console/webhooks"
_EVENTS: Final[tuple[str, ...]] = get_args(Event)
_LONGEST_URL: Final = 2048
_OVERLAPS_H: Final = (0, 1, 24, 168)
_HOUR_S: Final = 3600
_FIELDS: Final = {"url": "webhook_url", "events": "events", "description": "description"}


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form."""

    url: str
    description: str
    events: frozenset[str] | None  # None: all, those of later versions too


async def ask_new(visit: Visit) -> web.StreamResponse:
    """Ask where the platform's notices are to go, and which."""
    return _asking(visit, None, Typed("", "", None))


async def add(visit: Visit) -> web.StreamResponse:
    """Make the webhook; its secret is shown now and never again."""
    now, vault, entropy = visit.now, visit.services.vault, visit.services.entropy
    made, secret = webhook_id(now, entropy(10)), new_secret(entropy(SECRET_BYTES))
    try:
        sent = _read(visit)
    except Wrong as error:
        return _asking(visit, None, _typed(visit), wrong=error, status=422)

    def work(conn: Connection) -> Facts:
        keep(conn, vault, made, sent, secret, now)
        return {"webhook": made, "secret_mark": _mark(visit, secret)}

    deed = Deed(Action.WEBHOOK_CHANGED, "webhook", made, {"what": "added"})
    return await _secret(visit, (await act(visit, deed, work)).facts, "added")


async def ask_edit(visit: Visit) -> web.StreamResponse:
    """Ask what is to be different."""
    found = await _found(visit)
    events = None if found.events is None else frozenset(found.events)
    return _asking(visit, found, Typed(found.url, found.description or "", events))


async def edit(visit: Visit) -> web.StreamResponse:
    """Move it, or let it be told of other events."""
    found, now = await _found(visit), visit.now
    try:
        sent = _read(visit)
    except Wrong as error:
        return _asking(visit, found, _typed(visit), wrong=error, status=422)
    if not _changes(found, sent):
        return see(f"{_ALL}/{found.id}")

    def work(conn: Connection) -> Facts:
        before = _known(webhooks.get(conn, found.id))
        changes = _changes(before, sent)
        webhooks.change(conn, found.id, changes, now)
        return {"changed": ", ".join(sorted(changes))}

    deed = Deed(Action.WEBHOOK_CHANGED, "webhook", found.id, {"what": "edited"})
    await act(visit, deed, work)
    return see(f"{_ALL}/{found.id}?done=edited")


async def ask_rotate(visit: Visit) -> web.StreamResponse:
    """Ask how long the secret of now is to sign beside the new one."""
    return _rotating(visit, await _found(visit))


async def rotate(visit: Visit) -> web.StreamResponse:
    """Sign with a new secret, which is shown now and never again."""
    found, now, vault = await _found(visit), visit.now, visit.services.vault
    secret = new_secret(visit.services.entropy(SECRET_BYTES))
    allowed = frozenset(str(one) for one in _OVERLAPS_H)
    try:
        hours = int(required(choice(visit.form, "hours", allowed), "hours"))
    except Wrong as error:
        return _rotating(visit, found, wrong=error, status=422)
    until = now + timedelta(hours=hours)

    def work(conn: Connection) -> Facts:
        _known(webhooks.rotate(conn, vault, found.id, secret, until=until, now=now))
        return {"webhook": found.id, "secret_mark": _mark(visit, secret)}

    facts: Facts = {"what": "secret", "hours": hours}
    deed = Deed(Action.WEBHOOK_CHANGED, "webhook", found.id, facts)
    return await _secret(visit, (await act(visit, deed, work)).facts, "secret")


async def ask_remove(visit: Visit) -> web.StreamResponse:
    """Say what is lost with it."""
    found = await _found(visit)
    return render(visit, "look/webhook_remove.html", webhook=found, once=fresh(visit))


async def remove(visit: Visit) -> web.StreamResponse:
    """Forget it, with all its deliveries."""
    wanted = visit.path["id"]

    def work(conn: Connection) -> Facts:
        if not webhooks.remove(conn, wanted):
            raise ConsoleProblem(404, "look.webhook.missing")
        return {}

    await act(visit, Deed(Action.WEBHOOK_CHANGED, "webhook", wanted, {"what": "removed"}), work)
    return see(f"{_ALL}?done=removed")


def _read(visit: Visit) -> WebhookIn:
    """What the form asks for. Raises Wrong."""
    typed = visit.form
    sent: dict[str, Any] = {
        "url": text(typed, "url", longest=_LONGEST_URL) or "",
        "description": text(typed, "description"),
    }
    if required(choice(typed, "which", frozenset({"all", "some"})), "which") == "some":
        sent["events"] = typed.get("events", [])
    try:
        checked = WebhookIn.model_validate_json(json.dumps(sent))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = str(first["loc"][0])
        raise Wrong(name, _FIELDS.get(name, "")) from None
    try:
        check_url(checked.url, visit.services.settings.outbound_allow)
    except OutboundError:
        raise Wrong("url", _FIELDS["url"]) from None
    return checked


def _typed(visit: Visit) -> Typed:
    """The form as it was sent, to be mended."""
    chosen = frozenset(visit.form.get("events", [])) & frozenset(_EVENTS)
    return Typed(
        visit.sent("url")[:_LONGEST_URL],
        visit.sent("description")[:500],
        chosen if visit.sent("which") == "some" else None,
    )


def _changes(before: Webhook, sent: WebhookIn) -> dict[str, Any]:
    """What differs: a receiver that was not moved keeps what is known of it."""
    wanted: Mapping[str, Any] = {
        "url": sent.url,
        "description": sent.description,
        "events": None if sent.events is None else tuple(sent.events),
    }
    different = {name: one for name, one in wanted.items() if one != getattr(before, name)}
    if different.get("events") is not None:
        different["events"] = list(different["events"])
    return different


def _mark(visit: Visit, secret: str) -> str:
    """Tells one secret from another and nothing else: keyed, and four bytes of it."""
    return visit.services.vault.digest(secret.encode())[:4].hex()


async def _secret(visit: Visit, came: Facts, what: str) -> web.StreamResponse:
    """The page that shows the secret that this form made, while it is the one that signs."""
    wanted, vault = str(came["webhook"]), visit.services.vault

    def work(conn: Connection) -> tuple[Webhook, str]:
        found = _known(webhooks.get(conn, wanted))
        return found, webhooks.secrets_of(conn, vault, wanted, visit.now)[0]

    found, secret = await visit.services.db.read(work)
    if not hmac.compare_digest(_mark(visit, secret), str(came["secret_mark"])):
        raise ConsoleProblem(409, "look.webhook.secret_replaced")
    return render(visit, "look/webhook_secret.html", 201, webhook=found, secret=secret, what=what)


async def _found(visit: Visit) -> Webhook:
    wanted = visit.path["id"]
    return _known(await visit.services.db.read(lambda conn: webhooks.get(conn, wanted)))


def _known(found: Webhook | None) -> Webhook:
    if found is None:
        raise ConsoleProblem(404, "look.webhook.missing")
    return found


def _asking(
    visit: Visit,
    webhook: Webhook | None,
    typed: Typed,
    *,
    wrong: Wrong | None = None,
    status: int = 200,
) -> web.StreamResponse:
    return render(
        visit,
        "look/webhook_edit.html",
        status,
        webhook=webhook,
        typed=typed,
        events=_EVENTS,
        longest=_LONGEST_URL,
        wrong=wrong,
        once=fresh(visit),
    )


def _rotating(
    visit: Visit, webhook: Webhook, *, wrong: Wrong | None = None, status: int = 200
) -> web.StreamResponse:
    words = visit.texts
    choices = [
        (str(one), words("look.hours", n=one) if one else words("look.webhook.at_once"))
        for one in _OVERLAPS_H
    ]
    return render(
        visit,
        "look/webhook_rotate.html",
        status,
        webhook=webhook,
        choices=choices,
        usual=str(OVERLAP_S // _HOUR_S),
        wrong=wrong,
        once=fresh(visit),
    )


_RIGHT: Final = Right.WEBHOOKS_CHANGE
_REFUSAL: Final = Action.WEBHOOK_CHANGED

PAGES: Final = (
    # Not below /console/webhooks, as with trunks and pools.
    *form("/console/new-webhook", ask_new, add, _RIGHT, _REFUSAL),
    *form("/console/webhooks/{id}/edit", ask_edit, edit, _RIGHT, _REFUSAL, _ID),
    *form("/console/webhooks/{id}/secret", ask_rotate, rotate, _RIGHT, _REFUSAL, _ID),
    *form("/console/webhooks/{id}/remove", ask_remove, remove, _RIGHT, _REFUSAL, _ID),
)
