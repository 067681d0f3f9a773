"""The rules of a pool as fields of a form, taken from the API's model: it says what is right.

A field has the name that the API gives the rule. What was typed is turned into what the API would
be sent, and goes through `PoolIn`; nothing is checked twice, and a rule added there has to be given
its place here (`tests/unit/console/test_pool_rules.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from api.console import spans
from api.console.look_fields import Fields, Wrong, flag, phone, text
from api.schemas.pools import PoolIn, PoolOut

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "numbers": (
        "numbers.exhausted",
        "numbers.recycle_after_s",
        "numbers.extension_length",
        "numbers.max_sessions",
        "numbers.low_percent",
        "numbers.sticky",
        "cool_down_s",
        "numbers.geo",
        "numbers.areas",
    ),
    "calls": (
        "language",
        "ring_s",
        "app.ring_s",
        "max_call_s",
        "ending.warn_before_s",
        "ending.notice_s",
    ),
    "recording": ("recording.mode", "recording.announcement", "recording.retention_days"),
    "strangers": (
        "strangers.unknown",
        "strangers.withheld",
        "strangers.late",
        "strangers.static",
        "strangers.pin.length",
        "strangers.pin.attempts",
        "strangers.pin.lock_out_s",
        "strangers.pin.enrol",
    ),
    "listings": (
        "listings.shared",
        "listings.extension_length",
        "listings.rotate_after_s",
        "listings.rotate_after_callers",
        "listings.rest_s",
        "listings.link_s",
        "listings.links_a_day",
    ),
    "caps": ("caps.unanswered_in_row", "caps.pair_an_hour", "caps.caller_an_hour"),
    "handover": ("handover.mode", "handover.below_mos", "handover.above_mos"),
    "hook": ("hook.url", "hook.secret", "hook.deadline_ms", "hook.on_failure"),
    "push": ("push.url", "push.secret", "push.deadline_ms", "push.wake_s"),
}
"""Every rule, in the order in which it is asked for."""

CHOICES: Final[Mapping[str, str]] = {
    "numbers.exhausted": "look.exhausted.",
    "numbers.sticky": "look.sticky.",
    "language": "look.spoken_",
    "recording.mode": "look.recording.",
    "recording.announcement": "look.notice.",
    "strangers.unknown": "look.stranger.",
    "strangers.withheld": "look.stranger.",
    "strangers.late": "look.late.",
    "handover.mode": "look.handover.",
    "hook.on_failure": "look.on_failure.",
}
"""How the keys of the words of a choice begin."""

Value = str | float | list[str] | None  # a whole number and a flag are numbers too

_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_DECIMAL: Final = re.compile(r"[0-9]{1,3}([.,][0-9]{1,3})?")
_BETWEEN: Final = re.compile(r"[\s,;]+")
_LONGEST: Final = 2048
REMOVED: Final = "remove:"  # before the name of a rule that is kept sealed
PARTS: Final = ("hook", "push")  # wholly left out where they have no address


class Kind(StrEnum):
    """What stands in a field."""

    FLAG = "flag"
    CHOICE = "choice"
    WHOLE = "whole"
    DECIMAL = "decimal"
    SPAN = "span"
    LIST = "list"
    URL = "url"
    PHONE = "phone"  # never shown
    SECRET = "secret"  # noqa: S105 - a kind of field; never shown


SEALED: Final = frozenset({Kind.PHONE, Kind.SECRET})


_TEXTS: Final = {
    "strangers.static": Kind.PHONE,
    "hook.url": Kind.URL,
    "hook.secret": Kind.SECRET,
    "push.url": Kind.URL,
    "push.secret": Kind.SECRET,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as the API's model has it."""

    name: str  # as the API spells it
    kind: Kind
    optional: bool  # nothing may stand there
    usual: Value
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule that the API's model has, by its name."""
    schema = PoolIn.model_json_schema()
    return {one.name: one for one in _walk(schema, schema["$defs"], "")}


def _walk(part: Mapping[str, Any], known: Mapping[str, Any], above: str) -> Iterator[Rule]:
    for name, given in part["properties"].items():
        path = f"{above}{name}"
        either = next(one for one in given.get("anyOf", [given]) if one.get("type") != "null")
        found = either | known.get(either.get("$ref", "").rpartition("/")[2], {})
        if "properties" in found:
            yield from _walk(found, known, f"{path}.")
            continue
        yield Rule(
            name=path,
            kind=_kind(path, found),
            optional="anyOf" in given,
            usual=given.get("default", [] if found["type"] == "array" else None),
            least=found.get("minimum"),
            most=found.get("maximum"),
            choices=tuple(found.get("enum", ())),
        )


def _kind(path: str, found: Mapping[str, Any]) -> Kind:
    match found:
        case {"enum": _}:
            return Kind.CHOICE
        case {"type": "boolean"}:
            return Kind.FLAG
        case {"type": "integer"}:
            return Kind.SPAN if path.endswith("_s") else Kind.WHOLE
        case {"type": "number"}:
            return Kind.DECIMAL
        case {"type": "array"}:
            return Kind.LIST
        case _:
            return _TEXTS[path]


def values(pool: PoolOut | None) -> dict[str, Value]:
    """The rules of a pool, or of a new one; without what is kept sealed."""
    sent = {} if pool is None else pool.model_dump(mode="json")
    shown = [one for one in rules().values() if one.kind not in SEALED]
    return {one.name: _value(sent, one) for one in shown}


def _value(sent: Mapping[str, Any], rule: Rule) -> Value:
    found: Any = sent
    for name in rule.name.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return rule.usual
        found = found[name]
    value: Value = found
    return value


def sealed(pool: PoolOut | None) -> frozenset[str]:
    """Which of the sealed rules there are."""
    if pool is None:
        return frozenset()
    there = {
        "strangers.static": pool.strangers.static_set,
        "hook.secret": pool.hook is not None and pool.hook.secret_set,
        "push.secret": pool.push is not None and pool.push.secret_set,
    }
    return frozenset(name for name, is_set in there.items() if is_set)


def spelt(rule: Rule, value: Value, language: str) -> str:
    """A value as it stands in its field."""
    match value:
        case None:
            return ""
        case list():
            return ", ".join(value)
        case int() if rule.kind is Kind.SPAN:
            return spans.spelt(value, language)
        case float() if language == "ru":
            return str(value).replace(".", ",")
    return str(value)


def typed(form: Fields) -> dict[str, str]:
    """What stands in the form's fields, to be shown again; nothing of what is kept sealed."""
    shown = [one for one in rules().values() if one.kind not in SEALED]
    return {one.name: form.get(one.name, [""])[-1][:_LONGEST].strip() for one in shown}


def read(form: Fields) -> PoolIn:
    """The rules that the form asks for. Raises Wrong."""
    sent: dict[str, Any] = {}
    missing = [part for part in PARTS if text(form, f"{part}.url", longest=_LONGEST) is None]
    for rule in rules().values():
        if rule.name.partition(".")[0] in missing:
            continue
        is_asked, value = _asked(form, rule)
        if is_asked:
            _put(sent, rule.name, value)
    try:
        return PoolIn.model_validate_json(json.dumps(sent))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Wrong(named(first["loc"])) from None


def named(place: tuple[int | str, ...]) -> str:
    """The rule at which a model's error is."""
    names = [str(one) for one in place]
    for end in range(len(names), 0, -1):
        if (name := ".".join(names[:end])) in rules():
            return name
    return next(iter(rules()))


def _asked(form: Fields, rule: Rule) -> tuple[bool, Value]:
    """Whether something is asked for, and what. What cannot be is left for the model to refuse."""
    if rule.kind is Kind.FLAG:
        return True, flag(form, rule.name)
    if rule.kind is Kind.PHONE:
        found: str | None = phone(form, rule.name)
        return found is not None or flag(form, REMOVED + rule.name), found
    found = text(form, rule.name, longest=_LONGEST)
    if rule.kind is Kind.SECRET:
        return found is not None, found
    return True, _value_of(rule.kind, found)


def _value_of(kind: Kind, found: str | None) -> Value:
    match kind:
        case Kind.LIST:
            return [one for one in _BETWEEN.split(found or "") if one]
        case Kind.SPAN if found is not None:
            seconds = spans.read(found)
            return found if seconds is None else seconds
        case Kind.WHOLE if found is not None and _WHOLE.fullmatch(found):
            return int(found)
        case Kind.DECIMAL if found is not None and _DECIMAL.fullmatch(found):
            return float(found.replace(",", "."))
    return found


def _put(sent: dict[str, Any], name: str, value: Value) -> None:
    *above, last = name.split(".")
    for part in above:
        sent = sent.setdefault(part, {})
    sent[last] = value
