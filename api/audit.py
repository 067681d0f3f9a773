"""The audit log over HTTP: read only. Entries are written by those whose deeds they tell of."""

from __future__ import annotations

from typing import Final

from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.audit import ActorOut, AuditEntryOut, AuditPage, AuditQuery
from api.schemas.common import NoBody
from storage import audit
from storage.audit import Actor, ActorKind, Filter, Kept
from storage.keys import ApiKey, KeyRole


def actor_of(key: ApiKey | None) -> Actor:
    """The holder of the key, as the log names them."""
    assert key is not None, "what is audited needs a key"
    return Actor(ActorKind.KEY, key.id, key.name)


async def list_audit(request: Request[NoBody, AuditQuery]) -> Answer:
    """Entries, newest first."""
    query = request.query
    wanted = Filter(
        actor_id=query.actor_id,
        action=query.action,
        object_kind=query.object_kind,
        object_id=query.object_id,
        refused=query.refused,
        since=query.from_,
        until=query.until,
    )
    page = await request.services.db.read(
        lambda conn: audit.page(conn, wanted, limit=query.limit, cursor=query.cursor)
    )
    return answer(AuditPage(items=[_out(one) for one in page.items], next_cursor=page.next_cursor))


def _out(kept: Kept) -> AuditEntryOut:
    entry = kept.entry
    return AuditEntryOut(
        id=kept.id,
        at=entry.at,
        actor=ActorOut(kind=entry.actor.kind, id=entry.actor.id, name=entry.actor.name),
        action=entry.action,
        refused=entry.refused,
        object_kind=entry.object_kind,
        object_id=entry.object_id,
        reason=entry.reason,
        facts=dict(entry.facts),
        hash=kept.hash.hex(),
    )


ROUTES: Final = (
    Route(
        "list_audit",
        "GET",
        "/v1/audit",
        "Read the audit log",
        Tag.AUDIT,
        list_audit,
        roles=frozenset({KeyRole.OPERATOR}),
        query=AuditQuery,
        answers=AuditPage,
        description="Who heard, read or took what is not theirs, and who was refused.",
    ),
)
