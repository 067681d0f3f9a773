"""Outcomes: how a call ended for those concerned, in the words of the glossary."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    MISSED = "missed"
    BUSY = "busy"
    DECLINED = "declined"
    CANCELLED = "cancelled"  # the caller gave up before the callee's phone rang
    UNREACHABLE = "unreachable"
    BLOCKED = "blocked"
    FAILED = "failed"


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    SYSTEM = "system"
