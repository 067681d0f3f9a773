"""Pools made and given other rules in the console. What is right for the API is right here.

Where a static destination leads and what signs a hook is written here and never read again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.console import look, pool_rules
from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Wrong, required, text
from api.console.page import Visit
from api.console.pool_rules import CHOICES, SEALED, SECTIONS, Kind, Rule, Value, rules
from api.console.render import render, see
from api.console.texts import Texts
from api.errors import ValidationFailed
from api.pools import check_hooks, pool_of, pool_out, secrets_change
from api.schemas.patterns import NAME
from api.schemas.pools import PoolIn, PoolOut
from masking.errors import MaskingError
from masking.staff import Right
from storage import numbers, pool_changes
from storage.audit import Action
from storage.pool_changes import Keep
from storage.pool_rules import secrets_of

_ONE: Final = {"name": NAME.strip("^$")}
_NEW: Final = "/console/new-pool"
_SEEN: Final = "seen"
_CONFLICT: Final = "conflict"
_LONGEST_NAME: Final = 32


@dataclass(frozen=True, slots=True)
class Field:
    """One rule in the form."""

    rule: Rule
    value: str
    on: bool  # of a flag
    is_set: bool  # of what is kept sealed
    options: tuple[tuple[str, str], ...]
    hint: str
    wrong: str


async def ask_new(visit: Visit) -> web.StreamResponse:
    """Ask for a name and its rules: they stand as the API would take them left out."""
    return _asking(visit, None, pool_rules.values(None))


async def add(visit: Visit) -> web.StreamResponse:
    """Make the pool."""
    try:
        name = required(text(visit.form, "name", longest=_LONGEST_NAME), "name")
        sent = _read(visit)
        if not re.fullmatch(NAME, name):
            raise Wrong("name")

        def work(conn: Connection) -> Facts:
            if numbers.pool(conn, name) is not None:
                raise Wrong("name", says="pool_exists")
            _put(conn, visit, name, sent)
            return _told(pool_rules.values(None), _out(conn, visit, name), sent)

        await act(visit, Deed(Action.POOL_CHANGED, "pool", name, {"what": "made"}), work)
    except Wrong as error:
        return _asking(visit, None, pool_rules.typed(visit.form), wrong=error)
    return see(f"/console/pools/{name}?done=made")


async def ask_edit(visit: Visit) -> web.StreamResponse:
    """Ask for other rules."""
    found = await _found(visit)
    return _asking(visit, found, pool_rules.values(found))


async def edit(visit: Visit) -> web.StreamResponse:
    """Give the pool other rules, unless somebody did so since the form was opened."""
    found = await _found(visit)
    name = found.name
    try:
        sent = _read(visit)

        def work(conn: Connection) -> Facts:
            before = _out(conn, visit, name)
            if _seen(before) != visit.sent(_SEEN):
                raise ConsoleProblem(409, "look.pool.changed_since")
            _put(conn, visit, name, sent)
            return _told(pool_rules.values(before), _out(conn, visit, name), sent)

        await act(visit, Deed(Action.POOL_CHANGED, "pool", name, {"what": "rules"}), work)
    except Wrong as error:
        return _asking(visit, found, pool_rules.typed(visit.form), wrong=error)
    return see(f"/console/pools/{name}?done=rules")


def _read(visit: Visit) -> PoolIn:
    """The rules that were asked for. Raises Wrong."""
    sent = pool_rules.read(visit.form)
    try:
        check_hooks(sent, visit.services)
    except ValidationFailed as error:
        raise Wrong(error.errors[0].field) from None
    return sent


def _put(conn: Connection, visit: Visit, name: str, sent: PoolIn) -> None:
    """Keep the rules. Raises Wrong where they cannot work together."""
    vault = visit.services.vault
    try:
        pool_changes.put(conn, vault, pool_of(name, sent), secrets_change(sent), visit.now)
    except MaskingError as error:
        if error.field is None:
            raise
        raise Wrong(error.field, _CONFLICT) from None


def _out(conn: Connection, visit: Visit, name: str) -> PoolOut:
    found = numbers.pool(conn, name)
    if found is None:
        raise ConsoleProblem(404, "look.pool.missing")
    return pool_out(conn, found, secrets_of(conn, visit.services.vault, name))


def _told(before: Mapping[str, Value], after: PoolOut, sent: PoolIn) -> Facts:
    """What is different now, for the log: of addresses and what is sealed, only that it is."""
    facts: dict[str, str] = {}
    for name, value in pool_rules.values(after).items():
        part = name.partition(".")[0]
        unused = part in pool_rules.PARTS and getattr(after, part) is None
        if value == before[name] or (unused and rules()[name].kind is not Kind.URL):
            continue
        if rules()[name].kind is Kind.URL:
            facts[name] = "set" if value else "removed"
        else:
            facts[name] = f"{_plain(before[name])} → {_plain(value)}"
    change = secrets_change(sent)
    for name, one in (
        ("strangers.static", change.static),
        ("hook.secret", change.hook_secret),
        ("push.secret", change.push_secret),
    ):
        if one is not None and not isinstance(one, Keep):
            facts[name] = "set"
        elif one is None and name == "strangers.static":
            facts[name] = "removed"
    return facts


def _plain(value: Value) -> str:
    """As the API spells it."""
    return value if isinstance(value, str) else json.dumps(value)


def _seen(pool: PoolOut) -> str:
    """Tells whether the rules are those that the form showed."""
    shown = [pool_rules.values(pool), sorted(pool_rules.sealed(pool))]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]


async def _found(visit: Visit) -> PoolOut:
    name = visit.path["name"]
    return await visit.services.db.read(lambda conn: _out(conn, visit, name))


def _asking(
    visit: Visit, pool: PoolOut | None, values: Mapping[str, Value], *, wrong: Wrong | None = None
) -> web.StreamResponse:
    there = pool_rules.sealed(pool)
    sections = {
        section: [_field(visit, rules()[name], values, there, wrong) for name in names]
        for section, names in SECTIONS.items()
    }
    return render(
        visit,
        "look/pool_edit.html",
        200 if wrong is None else 422,
        pool=pool,
        sections=sections,
        name=visit.sent("name")[:_LONGEST_NAME],
        wrong=wrong,
        once=fresh(visit),
        # As it was when the form was opened: one that is mended does not see what came since.
        seen=visit.sent(_SEEN) or (_seen(pool) if pool else ""),
    )


def _field(
    visit: Visit,
    rule: Rule,
    values: Mapping[str, Value],
    there: frozenset[str],
    wrong: Wrong | None,
) -> Field:
    words, value = visit.texts, values.get(rule.name)
    prefix = CHOICES.get(rule.name, "")
    says = ""
    if wrong is not None and wrong.field == rule.name:
        says = _wrong_words(words, rule, conflict=wrong.says == _CONFLICT)
    return Field(
        rule=rule,
        value=value if isinstance(value, str) else pool_rules.spelt(rule, value, visit.language),
        on=bool(value),
        is_set=rule.name in there,
        options=tuple((one, words(f"{prefix}{one}")) for one in rule.choices),
        hint=_hint(words, rule),
        wrong=says,
    )


def _hint(words: Texts, rule: Rule) -> str:
    """What the rule is for, and between what it may be."""
    key = f"look.rule_hint.{rule.name}"
    parts = [words(key)] if key in words else []
    if rule.least is not None:
        parts.append(words("look.rule_between", **_bounds(words, rule)))
    if rule.optional and rule.kind not in SEALED:
        parts.append(words("look.rule_optional"))
    return " ".join(parts)


def _wrong_words(words: Texts, rule: Rule, *, conflict: bool) -> str:
    key = f"look.rule_conflict.{rule.name}"
    if conflict and key in words:
        return words(key)
    return words(f"look.rule_wrong.{rule.kind.value}", **_bounds(words, rule))


def _bounds(words: Texts, rule: Rule) -> dict[str, str]:
    def told(end: float | None) -> str:
        if end is not None and rule.kind is Kind.WHOLE:
            return look.figure(end, words.language)
        return pool_rules.spelt(rule, end, words.language)

    return {"least": told(rule.least), "most": told(rule.most)}


_RIGHT: Final = Right.POOLS_CHANGE
_REFUSAL: Final = Action.POOL_CHANGED

PAGES: Final = (
    # Not below /console/pools: every name there is a pool's.
    *form(_NEW, ask_new, add, _RIGHT, _REFUSAL),
    *form("/console/pools/{name}/rules", ask_edit, edit, _RIGHT, _REFUSAL, _ONE),
)
