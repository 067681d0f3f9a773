"""Takes a person out of JSON: their id becomes a tombstone, what was shown of them goes.

Pure. It knows the shapes that are written here (histories, notices, kept answers): whoever is named
stands in an object with a `user_id`, with the card beside it or around it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from storage.personal import ERASED_USER

_SHOWN: Final = frozenset({"name", "rating", "phone", "device"})
_OWNER: Final = frozenset({"seller"})
_ROLES: Final = frozenset({"caller", "callee", "seller", "participant"})


def without(value: Any, user_ids: Collection[str]) -> Any:  # noqa: ANN401 (JSON)
    """`value` without these users; equal to it where none of them is in it."""
    return _without(value, frozenset(user_ids))


def _without(value: Any, users: frozenset[str]) -> Any:  # noqa: ANN401
    match value:
        case dict():
            return _object(value, users)
        case list():
            return [_without(one, users) for one in value]
        case str() if value in users:
            return ERASED_USER
        case _:
            return value


def _object(value: dict[str, Any], users: frozenset[str]) -> dict[str, Any]:
    made = {name: _without(one, users) for name, one in value.items()}
    if value.get("user_id") in users:
        made |= dict.fromkeys(_SHOWN & made.keys())
        _take_facts(made)
    named = {name for name in _ROLES if _is_of(value.get(name), users)}
    if "caller" in named and "user_id" in value:  # a notice for the callee, with the caller's card
        _take_facts(made)
    if _owns(value, users, named) and isinstance(made.get("listing"), dict):
        made["listing"] = {**made["listing"], "title": None}
    return made


def _take_facts(made: dict[str, Any]) -> None:
    if "facts" in made:
        made["facts"] = [] if isinstance(made["facts"], list) else {}


def _is_of(value: Any, users: frozenset[str]) -> bool:  # noqa: ANN401
    return isinstance(value, dict) and value.get("user_id") in users


def _owns(value: dict[str, Any], users: frozenset[str], named: set[str]) -> bool:
    """Whether the listing in `value` is theirs: they are its seller."""
    people = [value, *(value[name] for name in named)]
    people += [one for one in value.get("participants") or () if isinstance(one, dict)]
    return bool(named & _OWNER) or any(
        one.get("user_id") in users and one.get("role") in _OWNER for one in people
    )
