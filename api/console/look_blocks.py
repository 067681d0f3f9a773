"""Blocks and complaints in the console: who wants no calls from whom, what people complain of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Fields, Wrong, identifier, known, one_of, required, text
from api.console.page import Page, Visit
from api.console.render import render, see
from masking.staff import Right
from storage import blocks, complaints
from storage.audit import Action
from storage.blocks import Block
from storage.complaints import State
from storage.struck_out import struck_out

_AT_ONCE: Final = 50
_LONGEST_REASON: Final = 200
_DONE: Final = frozenset({"set", "lifted"})


async def list_blocks(visit: Visit) -> web.StreamResponse:
    """Blocks, the newest first, of one user or of all."""
    try:
        user_id = identifier(visit.query, "user_id")
    except Wrong as error:
        return _refused(visit, error)
    page = await visit.services.db.read(
        lambda conn: blocks.page(
            conn, user_id=user_id, limit=_AT_ONCE, cursor=visit.asked("cursor") or None
        )
    )
    return _listed(visit, page.items, user_id or "", cursor=page.next_cursor)


async def find(visit: Visit) -> web.StreamResponse:
    """On to one user's blocks, once what was typed is sure to be no phone."""
    try:
        user_id = identifier(visit.form, "user_id")
    except Wrong as error:
        return _refused(visit, error)
    return see("/console/blocks" + (f"?{urlencode({'user_id': user_id})}" if user_id else ""))


async def ask_set(visit: Visit) -> web.StreamResponse:
    """Ask who is to be blocked for whom, and why."""
    return _asking(visit)


async def set_block(visit: Visit) -> web.StreamResponse:
    """Refuse calls of one user to the other in every session."""
    sent, now = visit.form, visit.now
    try:
        user_id = required(identifier(sent, "user_id"), "user_id")
        blocked = required(identifier(sent, "blocked_user_id"), "blocked_user_id")
        reason = text(sent, "reason", longest=_LONGEST_REASON)
        if blocked == user_id:
            raise Wrong("blocked_user_id", says="same_user")
        if reason is not None and not reason.isprintable():
            raise Wrong("reason")
    except Wrong as error:
        return _asking(visit, wrong=error, status=422)

    def work(conn: Connection) -> Facts:
        kept = None if reason is None else struck_out(reason)
        blocks.block(conn, user_id, blocked, kept, now)
        return {}

    await act(visit, _deed(visit, "set", user_id, blocked), work)
    return see("/console/blocks?done=set")


async def ask_lift(visit: Visit) -> web.StreamResponse:
    """Say what lifting a block means."""
    user_id, blocked = _pair(visit.query)
    return render(
        visit,
        "look/block_lift.html",
        user_id=user_id,
        blocked_user_id=blocked,
        once=fresh(visit),
    )


async def lift(visit: Visit) -> web.StreamResponse:
    """Let calls through again."""
    user_id, blocked = _pair(visit.form)

    def work(conn: Connection) -> Facts:
        if not blocks.unblock(conn, user_id, blocked):
            raise ConsoleProblem(404, "look.block.missing")
        return {}

    await act(visit, _deed(visit, "lifted", user_id, blocked), work)
    return see("/console/blocks?done=lifted")


async def list_complaints(visit: Visit) -> web.StreamResponse:
    """Complaints, the newest first; each is decided on the page of its call."""
    state = one_of(visit.query, "state", State)
    page = await visit.services.db.read(
        lambda conn: complaints.page(
            conn,
            state=state,
            limit=_AT_ONCE,
            cursor=visit.asked("cursor") or None,
        )
    )
    return render(
        visit,
        "look/complaints.html",
        rows=page.items,
        state=state,
        states=[*State],
        cursor=page.next_cursor,
    )


def _pair(fields: Fields) -> tuple[str, str]:
    try:
        return (
            required(identifier(fields, "user_id"), "user_id"),
            required(identifier(fields, "blocked_user_id"), "blocked_user_id"),
        )
    except Wrong:
        raise ConsoleProblem(404, "look.block.missing") from None


def _refused(visit: Visit, error: Wrong) -> web.StreamResponse:
    return _listed(visit, (), "", wrong=error, status=422)


def _listed(
    visit: Visit,
    found: Sequence[Block],
    user_id: str,
    *,
    wrong: Wrong | None = None,
    cursor: str | None = None,
    status: int = 200,
) -> web.StreamResponse:
    return render(
        visit,
        "look/blocks.html",
        status,
        rows=found,
        user_id=user_id,
        wrong=wrong,
        cursor=cursor,
        done=known(visit.query, "done", _DONE),
    )


def _asking(visit: Visit, wrong: Wrong | None = None, status: int = 200) -> web.StreamResponse:
    names = ("user_id", "blocked_user_id", "reason")
    given = {name: visit.sent(name) or visit.asked(name) for name in names}
    return render(visit, "look/block_set.html", status, given=given, wrong=wrong, once=fresh(visit))


def _deed(visit: Visit, what: str, user_id: str, blocked: str) -> Deed:
    """Named by what stands for the two: the audit log outlives what is kept of them."""
    ref = visit.services.vault.person_ref
    facts = {"what": what, "blocked": ref(blocked)}
    return Deed(Action.BLOCK_CHANGED, "user", ref(user_id), facts)


_RIGHT: Final = Right.BLOCKS_CHANGE
_REFUSAL: Final = Action.BLOCK_CHANGED

PAGES: Final = (
    Page("GET", "/console/blocks", list_blocks, Right.LOOK_UP),
    Page("POST", "/console/blocks/find", find, Right.LOOK_UP),
    *form("/console/blocks/add", ask_set, set_block, _RIGHT, _REFUSAL),
    *form("/console/blocks/lift", ask_lift, lift, _RIGHT, _REFUSAL),
    Page("GET", "/console/complaints", list_complaints, Right.LOOK_UP),
)
