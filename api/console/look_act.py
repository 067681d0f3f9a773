"""Changes made on the look-up pages: each once, remembered, all or nothing.

The change, the entry in the audit log and the claim of the form that asked for it are one
transaction. A form that is sent twice changes nothing the second time. Facts of a deed are of ours
and never hold a phone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, assert_never

from sqlalchemy import Connection

from api.console.page import Handler, Page, Visit
from api.errors import IdempotencyInFlight, IdempotencyKeyReused, ValidationFailed
from masking.staff import Right
from storage import audit, idempotency
from storage.audit import Action, Entry, Fact
from storage.idempotency import Fresh, InFlight, Mismatch, Replay

ONCE: Final = "once"
"""The hidden field by which a form is known again when it is sent twice."""

NO_PARAMETERS: Final[Mapping[str, str]] = MappingProxyType({})
_BYTES: Final = 16
_DONE: Final = 200
_OURS: Final = frozenset({ONCE, "csrf"})

Facts = Mapping[str, Fact]
Work = Callable[[Connection], Facts]
"""Makes the change; what came of it, to be remembered with the deed."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is about to be done, as the audit log keeps it."""

    action: Action
    object_kind: str
    object_id: str | None = None  # never a phone
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    facts: Facts
    again: bool  # the same form came before; nothing was done this time


def form(
    path: str,
    ask: Handler,
    do: Handler,
    right: Right,
    refusal: Action,
    parameters: Mapping[str, str] = NO_PARAMETERS,
) -> tuple[Page, Page]:
    """The page that asks for a deed, and what its form is sent to; `refusal` is remembered."""
    return (
        Page("GET", path, ask, right, parameters),
        Page("POST", path, do, right, parameters, refusal),
    )


def fresh(visit: Visit) -> str:
    """The value of `ONCE` in a form that is shown now."""
    return visit.services.entropy(_BYTES).hex()


async def act(visit: Visit, deed: Deed, work: Work) -> Done:
    """Do `work` and remember it, unless this very form was sent before.

    Raises IdempotencyKeyReused, IdempotencyInFlight, ValidationFailed, and whatever `work` raises:
    then nothing was done, and the form may be sent again.
    """
    given = visit.form.get(ONCE, [])
    if len(given) != 1 or len(given[0]) != 2 * _BYTES or not given[0].isalnum():
        raise ValidationFailed
    sent_once, account = given[0], visit.account.id
    meaning = _meaning(visit)

    def once(conn: Connection) -> Done:
        match idempotency.claim(conn, account, sent_once, meaning, visit.now):
            case Replay(body=kept):
                return Done(json.loads(kept), again=True)
            case Mismatch():
                raise IdempotencyKeyReused
            case InFlight():
                raise IdempotencyInFlight
            case Fresh():
                pass
            case never:
                assert_never(never)
        came = work(conn)
        _remember(conn, visit, deed, came)
        body = json.dumps(dict(came))
        idempotency.settle(conn, account, sent_once, status=_DONE, body=body)
        return Done(came, again=False)

    return await visit.services.db.write(once)


async def remember(visit: Visit, deed: Deed) -> None:
    """Keep in the audit log that something was looked up."""
    await visit.services.db.write(lambda conn: _remember(conn, visit, deed, {}))


def _remember(conn: Connection, visit: Visit, deed: Deed, came: Facts) -> None:
    audit.append(
        conn,
        Entry(
            at=visit.now,
            actor=visit.actor(),
            action=deed.action,
            object_kind=deed.object_kind,
            object_id=deed.object_id,
            facts={**deed.facts, **came},
        ),
    )


def _meaning(visit: Visit) -> bytes:
    """What makes two forms the same. Keyed: a plain digest would let phones in them be guessed."""
    sent = sorted((name, values) for name, values in visit.form.items() if name not in _OURS)
    text = json.dumps([sorted(visit.path.items()), sent])
    return visit.services.vault.digest(text.encode())
