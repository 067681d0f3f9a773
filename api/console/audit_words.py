"""What the audit log keeps beside a deed, in words. An entry of a later version keeps its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.console.texts import Texts
from storage.audit import Fact

_DONE: Final = "what"
_SAID: Final[Mapping[str, tuple[str, ...]]] = {
    "decision": ("look.badge.",),
    "disposition": ("call.disposition.",),
    "role": ("role.", "look.role."),
}
"""How the keys of a value's words begin, where other pages have them."""
KINDS: Final = (
    *("call", "record", "records", "recording", "session", "sessions", "number", "phone"),
    *("user", "person", "sip", "export", "audit", "pool", "trunk", "webhook", "delivery"),
    *("block", "alarm", "complaint", "staff", "keys", "vault"),
)
"""Every kind of object that an entry is about; of a deed that was refused, what it was about."""


def told(facts: Mapping[str, Fact], texts: Texts) -> list[tuple[str, str]]:
    """Names and values, in words where there are any; what was done comes first, and by itself."""
    ordered = sorted(facts, key=lambda name: (name != _DONE, name))
    return [
        ("" if name == _DONE else name_of(name, texts) or name, _value(name, facts[name], texts))
        for name in ordered
    ]


def kind_of(kind: str, texts: Texts) -> str:
    """What kind of object an entry is about."""
    key = f"audit.object_of.{kind}"
    return texts(key) if key in texts else kind


def name_of(name: str, texts: Texts) -> str | None:
    """What a fact is called, a rule of a pool as its form calls it; None: it has no words."""
    keys = (f"audit.fact.{name}", f"look.rule.{name}")
    return next((texts(key) for key in keys if key in texts), None)


def _value(name: str, value: Fact, texts: Texts) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return texts("look.yes" if value else "look.no")
    word = str(value).replace(" ", "_")
    keys = [f"{prefix}{word}" for prefix in (f"audit.said.{name}.", *_SAID.get(name, ()))]
    return next((texts(key) for key in keys if key in texts), str(value))
