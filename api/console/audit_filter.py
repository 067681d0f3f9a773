"""The audit page's filter, as it stands in the address: read, never guessed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from api.console.look import zone
from storage.audit import Action, Filter

FIELDS: Final = ("actor_id", "action", "object_kind", "object_id", "refused", "from", "until")
LONGEST: Final = 100  # characters of a field
_REFUSED: Final[Mapping[str, bool]] = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    fields: Mapping[str, str]  # as they were given; only those that were
    wanted: Filter
    wrong: frozenset[str]  # of the fields: what cannot be understood, and is left out


def read(given: Mapping[str, str], time_zone: str) -> Asked:
    """The filter of these fields; times are those of a clock in `time_zone`."""
    fields = {name: given[name][: LONGEST + 1] for name in FIELDS if given.get(name)}
    wrong = {name for name, value in fields.items() if not _plain(value)}
    action: Action | None = None
    if "action" in fields:
        try:
            action = Action(fields["action"])
        except ValueError:
            wrong.add("action")
    if fields.get("refused", "yes") not in _REFUSED:
        wrong.add("refused")
    times = {name: _time(fields[name], time_zone) for name in ("from", "until") if name in fields}
    wrong |= {name for name, at in times.items() if at is None}
    fine = {name: value for name, value in fields.items() if name not in wrong}
    wanted = Filter(
        actor_id=fine.get("actor_id"),
        action=action,
        object_kind=fine.get("object_kind"),
        object_id=fine.get("object_id"),
        refused=_REFUSED.get(fine.get("refused", "")),
        since=times.get("from"),
        until=times.get("until"),
    )
    return Asked(fields, wanted, frozenset(wrong))


def told(wanted: Filter) -> dict[str, str | bool]:
    """The filter as facts of an entry."""
    facts: dict[str, str | bool | datetime | None] = {
        "actor_id": wanted.actor_id,
        "action": None if wanted.action is None else wanted.action.value,
        "object_kind": wanted.object_kind,
        "object_id": wanted.object_id,
        "refused": wanted.refused,
        "from": wanted.since,
        "until": wanted.until,
    }
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in facts.items()
        if value is not None
    }


def _plain(value: str) -> bool:
    return len(value) <= LONGEST and value.isprintable()


def _time(text: str, time_zone: str) -> datetime | None:
    """A local time as a browser's field gives it, or one with its offset."""
    try:
        at = datetime.fromisoformat(text)
        local = at if at.tzinfo is not None else at.replace(tzinfo=zone(time_zone))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
