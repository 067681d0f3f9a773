"""The columns of the list of calls: which there are, and which somebody looks at. Values only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

COLUMNS: Final = (
    *("time", "outcome", "caller", "callee", "ring", "talk", "quality", "listing"),
    *("conversation", "rated", "recorded", "tags", "number", "channel", "came_by", "shown"),
    *("session", "trunk", "node", "cause", "ended_by", "reason", "call_id"),
)
"""In their order. Their texts are ``calls.column.NAME``."""

ALWAYS: Final = ("time",)  # it is the way to the call
USUAL: Final = COLUMNS[: COLUMNS.index("number")]


def chosen(names: Iterable[str] | None) -> tuple[str, ...]:
    """What is shown of what somebody chose; an unknown name is as good as none."""
    if names is None:
        return USUAL
    wanted = {*names, *ALWAYS}
    return tuple(one for one in COLUMNS if one in wanted)
