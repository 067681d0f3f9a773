"""What the console's navigation shows, in its order: one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from masking.staff import Right


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation; its text is ``nav.KEY``."""

    key: str
    path: str
    right: Right | None  # None: whoever is signed in


ENTRIES: Final[tuple[Entry, ...]] = (
    # Each area has its line here, in the order in which people need them.
    Entry("calls", "/console/calls", Right.CALLS_READ),
    Entry("sessions", "/console/sessions", Right.LOOK_UP),
    Entry("inspect", "/console/inspect", Right.INSPECT),
    Entry("complaints", "/console/complaints", Right.LOOK_UP),
    Entry("blocks", "/console/blocks", Right.LOOK_UP),
    Entry("exports", "/console/exports", Right.EXPORT),
    Entry("board", "/console/board", Right.BOARD_READ),
    Entry("pools", "/console/pools", Right.LOOK_UP),
    Entry("trunks", "/console/trunks", Right.LOOK_UP),
    Entry("webhooks", "/console/webhooks", Right.LOOK_UP),
    Entry("sip", "/console/sip", Right.SIP_READ),
    Entry("audit", "/console/audit", Right.AUDIT_READ),
    Entry("accounts", "/console/accounts", Right.ACCOUNTS_CHANGE),
)
