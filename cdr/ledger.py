"""The ledger's arithmetic: what of a record is hashed, and how one hash follows from another.

The records of a node are a chain for each day, in the order in which they were kept:

    content  = canonical JSON of what is not personal: keys sorted, no spaces, null left out
    link     = SHA-256(content ‖ personal)
    hash     = SHA-256(hash before ‖ place, 8 bytes ‖ link)

and a day's first record follows on `genesis`, which names node and day and holds the head of the
node's day before. What is personal is in the chain only as three digests, keyed by the vault and
salted (`personal`); whoever erases it destroys the salt, and the chain stays whole.

Pure. What was hashed once must hash the same for ever: a column may join `CONTENT` as long as it is
null in all older records; any other change needs another `FORM`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from hashlib import blake2b, sha256
from types import MappingProxyType
from typing import Any, Final

import orjson

from storage.columns import to_ms

FORM: Final = 1
TIMES: Final = ("offered_at", "rang_at", "answered_at", "ended_at", "recorded_at")
"""Among the content as milliseconds since 1970."""

_PLAIN: Final = (
    "announcement",
    "attempts",
    "call_id",
    "callee_role",
    "caller_role",
    "category",
    "cause",
    "channel",
    "channel_in",
    "corrected_by",
    "corrected_why",
    "direction",
    "ended_by",
    "handovers",
    "legs",
    "number_in",
    "number_out",
    "outcome",
    "prompts",
    "quality",
    "reason",
    "recording",
    "ring_ms",
    "session_id",
    "talk_ms",
    "trunk_in",
    "trunk_out",
    "variant",
    "version",
)
CONTENT: Final = frozenset((*_PLAIN, *TIMES, "node"))
"""Columns of `calls` that are hashed as they are; of the node its public name.

`linked_id` is not among them: the call's id is a hash of it and the node.
"""

_SALT_BYTES: Final = 16
_DIGEST_BYTES: Final = 16
_NOTHING: Final = bytes(_SALT_BYTES)
_EPOCH: Final = date(1970, 1, 1)


class Group(Enum):
    """What is personal in a record, by whom it concerns. The value: its place."""

    CALLER = 0
    CALLEE = 1
    ABOUT = 2  # which conversation it belongs to, and which listing


_PURPOSES: Final = tuple((group, group.name.encode()) for group in Group)
PERSONAL: Final[Mapping[Group, tuple[str, ...]]] = MappingProxyType(
    {
        Group.CALLER: ("caller_user_id",),  # and the phone in `caller_sealed`
        Group.CALLEE: ("callee_user_id",),
        Group.ABOUT: ("conversation_id", "listing_id", "listing_title"),
    }
)
ERASABLE: Final[Mapping[Group, tuple[str, ...]]] = MappingProxyType(
    {**PERSONAL, Group.CALLER: ("caller_user_id", "caller_sealed", "caller_index")}
)
"""The columns that are to be null where a group is erased."""

_BEGIN: Final = {group: group.value * _DIGEST_BYTES for group in Group}

Commit = Callable[[bytes, bytes, bytes], bytes]
"""Purpose, salt (16 bytes) and data to 16 bytes: `Vault.commitment`."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record ready to take its place in a chain."""

    content: bytes
    personal: bytes
    openings: bytes  # the salts of `personal`

    @property
    def link(self) -> bytes:
        """What the record adds to the chain, wherever it will stand."""
        return link_of(self.content, self.personal)


def seal(row: Mapping[str, Any], phone: str | None, salts: bytes, commit: Commit) -> Sealed:
    """`row` (of `calls`) as the chain holds it. `phone`: what `caller_sealed` seals.

    `salts`: 48 unpredictable bytes.
    """
    digests = openings = b""
    for group, purpose in _PURPOSES:
        said = _said(group, row, phone)
        salt = _of(salts, group) if said else _NOTHING
        openings += salt
        digests += commit(purpose, salt, said) if said else _NOTHING
    return Sealed(content_of(row), digests, openings)


def content_of(row: Mapping[str, Any]) -> bytes:
    """The canonical content of `row` (of `calls`, times as aware datetimes), as UTF-8."""
    content = {name: value for name in _PLAIN if (value := row.get(name)) is not None}
    content["node"] = public_name(row["node"])
    for name in TIMES:
        at = row[name]
        if at is not None:
            content[name] = to_ms(at)
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def read(content: str | bytes) -> dict[str, Any]:
    """What a canonical content says; times in milliseconds. Raises ValueError if it is none."""
    found = orjson.loads(content)
    return found if isinstance(found, dict) else {}


def link_of(content: bytes, personal: bytes) -> bytes:
    """What a record adds to its chain."""
    return sha256(content + personal).digest()


def hash_of(previous: bytes, seq: int, link: bytes) -> bytes:
    """The hash of the record at place `seq` behind the one whose hash is `previous`."""
    return sha256(previous + seq.to_bytes(8, "big") + link).digest()


def genesis(node: str, day: int, previous: bytes) -> bytes:
    """What a day's first record follows on. `previous`: the head of the node's day before, or none.

    "None" is an empty string of bytes.
    """
    said = ["maskline ledger", FORM, public_name(node), day_text(day), previous.hex()]
    return sha256(orjson.dumps(said)).digest()


@lru_cache(maxsize=1024)
def public_name(node: str) -> str:
    """What the node is called in the ledger and outside: its own name is nobody's to know.

    Who is given a public name gets the same.
    """
    if _PUBLIC.fullmatch(node):
        return node
    return "node_" + blake2b(node.encode(), digest_size=8).hexdigest()


_PUBLIC: Final = re.compile(r"node_[0-9a-f]{16}")


def day_of(at: datetime) -> int:
    """The UTC day of `at`, in days since 1970."""
    return (at.astimezone(UTC).date() - _EPOCH).days


def day_text(day: int) -> str:
    """The day as ISO 8601 writes it."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_from(text: str) -> int:
    """What `day_text` was given. Raises ValueError."""
    return (date.fromisoformat(text) - _EPOCH).days


class Personal(Enum):
    """What the digests say of the personal columns."""

    WHOLE = "whole"
    ERASED = "erased"
    CHANGED = "changed"


def judge(
    group: Group,
    row: Mapping[str, Any],
    phone: str | None,
    session_id: str | None,
    commit: Commit,
) -> Personal:
    """Whether the group's columns in `row` are what was recorded.

    A conversation that had no name yet was recorded under its session's id; it may be named since.
    """
    digest = _of(row["ledger_personal"], group)
    salt = _of(row["ledger_openings"], group)
    said = _said(group, row, phone)
    if salt == _NOTHING:
        if said or any(row[name] is not None for name in ERASABLE[group]):
            return Personal.CHANGED
        return Personal.WHOLE if digest == _NOTHING else Personal.ERASED
    purpose = group.name.encode()
    if said and commit(purpose, salt, said) == digest:
        return Personal.WHOLE
    if group is Group.ABOUT and session_id is not None:
        held = _said(group, {**row, "conversation_id": session_id}, phone)
        if commit(purpose, salt, held) == digest:
            return Personal.WHOLE
    return Personal.CHANGED


def erased(openings: bytes, groups: Collection[Group]) -> bytes:
    """The openings without the salts of `groups`: nobody can ever tell what their digests held."""
    return b"".join(_NOTHING if group in groups else _of(openings, group) for group in Group)


def exported(row: Mapping[str, Any]) -> dict[str, str | int]:
    """What an exported record carries so that its chain can be walked without the database.

    `row`: of `calls`, with a place in a chain.
    """
    return {
        "node": public_name(row["node"]),
        "day": day_text(row["ledger_day"]),
        "seq": row["ledger_seq"],
        "hash": row["ledger_hash"].hex(),
        "personal": row["ledger_personal"].hex(),
        "content": content_of(row).decode(),
    }


def _said(group: Group, row: Mapping[str, Any], phone: str | None) -> bytes:
    """The group's values as they are digested; empty where there are none."""
    values = [row[name] for name in PERSONAL[group]]
    if group is Group.CALLER:
        values.append(phone)
    if not any(values):
        return b""
    try:
        return orjson.dumps(values)
    except TypeError:  # halves of surrogate pairs, which only SQLite keeps
        return json.dumps(values).encode()


def _of(packed: bytes, group: Group) -> bytes:
    begin = _BEGIN[group]
    return packed[begin : begin + _DIGEST_BYTES]
