"""The words in which `storage.personal` says of every column what it is. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from storage.vault import Purpose


class About(StrEnum):
    """What a column says of a person."""

    USER_ID = "user id"
    PHONE = "phone, sealed"
    PHONE_INDEX = "keyed index of a phone"
    CARD = "name, rating or facts shown of them"
    TEXT = "free text about them or theirs"
    SECRET = "what only they or their device know"  # noqa: S105 (says what a secret is)
    CHOICE = "what they chose or said"
    MIXED = "JSON with user ids or cards in it"
    LINK = "an id by which the platform can tell who it is"
    SOUND = "the way to what they said"


class Erasing(StrEnum):
    """What becomes of a person's value."""

    ROW = "the row is deleted"
    NULL = "null"
    TOMBSTONE = "a tombstone, the same for all"
    REWRITTEN = "rewritten without them"
    SESSION = "goes with the participant, or says nothing without"
    CALL = "goes with the call's personal data"
    DIGEST = "never was but as a keyed digest"
    KEPT = "kept: says nothing of whom"


class Term(StrEnum):
    """Until when a row is kept; the settings are in docs/personal-data.md."""

    SETTING = "as long as it is set"  # by operators: trunks, pools, webhooks, keys
    PERSON = "until its person is erased or changes it"
    SESSIONS = "keep_sessions_days"
    RECORDS = "keep_records_days"
    CALLER_PHONES = "keep_caller_phones_days"
    HISTORY = "keep_history_days"
    CALL_LOG = "keep_call_log_days"
    AUDIT = "for good"
    LEDGER = "the chain, for good"
    RECORDINGS = "the pool's retention_days"
    SIP = "sip_ladder_days"
    ANSWERS = "24 hours"
    NOTICES = "until delivered, and some days"
    CREDENTIALS = "30 days after they ended"
    STAFF = "until an admin removes the account"  # those who work here, never a participant
    EXPORTS = "30 days; their files one"
    COUNTERS = "hours to days"
    ALARMS = "90 days after they were over"
    OPEN = "until the call is over"
    FIGURES = "for good: figures about nobody"


@dataclass(frozen=True, slots=True)
class Personal:
    """A column that is about a person."""

    about: About
    erasing: Erasing
    sealed: Purpose | None = None  # for what it is sealed; None: it is not


@dataclass(frozen=True, slots=True)
class Kept:
    """A table: how long its rows stay, and each of its columns."""

    term: Term
    personal: Mapping[str, Personal] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()  # columns that say nothing of any person
    secrets: Mapping[str, Purpose] = field(default_factory=dict)  # sealed, and nobody's


def kept(term: Term, plain: str, /, **columns: Personal | Purpose) -> Kept:
    """A table with these columns about a person; those with a purpose alone are nobody's secrets.

    `plain` names the others, with blanks between.
    """
    return Kept(
        term,
        MappingProxyType({n: one for n, one in columns.items() if isinstance(one, Personal)}),
        frozenset(plain.split()),
        MappingProxyType({n: one for n, one in columns.items() if isinstance(one, Purpose)}),
    )
