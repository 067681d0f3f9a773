"""Who works in the console and what each role may do there: one table. Pure; knows no account."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class StaffRole(StrEnum):
    """What somebody's work is."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"
    ADMIN = "admin"


class Right(StrEnum):
    """What may be done. A page or a deed asks for one of these, never for a role."""

    CALLS_READ = "calls_read"
    SEARCH_PHONE = "search_phone"  # find calls by a phone that is typed in full
    NOTES_WRITE = "notes_write"  # notes, tags, disposition
    LOOK_UP = "look_up"  # sessions, pools, trunks, blocks: read
    INSPECT = "inspect"  # whom would this number reach
    REVEAL = "reveal"  # one person's phone, with a reason
    PLAY = "play"  # a recording, with a reason
    EXPORT = "export"
    SIP_READ = "sip_read"
    SESSIONS_CHANGE = "sessions_change"
    BLOCKS_CHANGE = "blocks_change"
    COMPLAINTS_CHANGE = "complaints_change"
    AUDIT_READ = "audit_read"
    BOARD_READ = "board_read"
    POOLS_CHANGE = "pools_change"
    TRUNKS_CHANGE = "trunks_change"
    WEBHOOKS_CHANGE = "webhooks_change"
    ACCOUNTS_CHANGE = "accounts_change"


_AGENT: Final = frozenset(
    {
        Right.CALLS_READ,
        Right.SEARCH_PHONE,
        Right.NOTES_WRITE,
        Right.LOOK_UP,
        Right.INSPECT,
    }
)
_SUPERVISOR: Final = _AGENT | {
    Right.REVEAL,
    Right.PLAY,
    Right.EXPORT,
    Right.SIP_READ,
    Right.SESSIONS_CHANGE,
    Right.BLOCKS_CHANGE,
    Right.COMPLAINTS_CHANGE,
    Right.AUDIT_READ,
    Right.BOARD_READ,
}
# Keeps the machinery going: never a person's phone, nor what they said.
_OPERATOR: Final = frozenset(
    {
        Right.CALLS_READ,
        Right.LOOK_UP,
        Right.INSPECT,
        Right.SIP_READ,
        Right.BOARD_READ,
        Right.POOLS_CHANGE,
        Right.TRUNKS_CHANGE,
        Right.WEBHOOKS_CHANGE,
    }
)

RIGHTS: Final[Mapping[StaffRole, frozenset[Right]]] = MappingProxyType(
    {
        StaffRole.AGENT: _AGENT,
        StaffRole.SUPERVISOR: _SUPERVISOR,
        StaffRole.OPERATOR: _OPERATOR,
        StaffRole.ADMIN: frozenset(Right),
    }
)


def may(role: StaffRole, right: Right) -> bool:
    """Whether `role` may do that."""
    return right in RIGHTS[role]
