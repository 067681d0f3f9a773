"""What is personal in the database, column by column: the table that all the rest follows.

Every column of every table stands here, with what it says of a person, what becomes of it when the
person is erased, and by which rule it is let go in time. A test walks the schema and fails for a
column that is not here: who adds one decides this first. Values only; who carries it out:
`storage.erasure`, `cdr.erasing`, `storage.retention`, `storage.rotation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Column, Table

from storage.personal_kinds import About, Erasing, Kept, Personal, Term, kept
from storage.schema import metadata
from storage.vault import Purpose

ERASED_USER: Final = "~erased"
"""Stands where a user id has to stand and is no longer to be known. No user can have it: ids begin
with a letter or a digit."""

_LINK = Personal(About.LINK, Erasing.KEPT)
_USER_NULL = Personal(About.USER_ID, Erasing.NULL)
_USER_ROW = Personal(About.USER_ID, Erasing.ROW)
_USER_TOMBSTONE = Personal(About.USER_ID, Erasing.TOMBSTONE)
_CARD: Final = MappingProxyType(
    dict.fromkeys(("name", "rating", "facts"), Personal(About.CARD, Erasing.NULL))
)
_TITLE = Personal(About.TEXT, Erasing.NULL)
_LEDGER = (
    "ledger_day ledger_seq ledger_form ledger_hash ledger_personal ledger_openings "
    "corrected_why corrected_by"
)
_CALL_PEOPLE: Final[Mapping[str, Personal]] = MappingProxyType(
    {
        "conversation_id": Personal(About.LINK, Erasing.KEPT),
        "listing_id": Personal(About.LINK, Erasing.KEPT),
        "listing_title": _TITLE,
        "caller_user_id": _USER_NULL,
        "callee_user_id": _USER_NULL,
        "caller_sealed": Personal(About.PHONE, Erasing.NULL, Purpose.PHONE),
        "caller_index": Personal(About.PHONE_INDEX, Erasing.NULL),
    }
)

CLASSIFIED: Final[Mapping[str, Kept]] = MappingProxyType(
    {
        # -- who may ask, and of what they asked -------------------------------------------------
        "api_keys": kept(Term.SETTING, "id key_hash role name created_at revoked_at"),
        "idempotency_keys": kept(
            Term.ANSWERS,
            "key_id idempotency_key status claimed_at",
            request_hash=Personal(About.MIXED, Erasing.DIGEST),
            body=Personal(About.MIXED, Erasing.REWRITTEN),
        ),
        # -- who works in the console: staff, never a participant; no platform user is in it ------
        "staff_accounts": kept(
            Term.STAFF,
            "id login name role language theme time_zone password_hash must_change totp_step "
            "oidc_issuer oidc_subject locked_at created_at updated_at signed_in_at",
            totp_sealed=Purpose.SECRET,
        ),
        "staff_recovery_codes": kept(Term.STAFF, "account_id code_hash"),
        "staff_sessions": kept(
            Term.COUNTERS,
            "token_hash id account_id stage device address known created_at seen_at expires_at",
        ),
        "staff_attempts": kept(Term.COUNTERS, "kind key failures at locked_until"),
        # -- apps --------------------------------------------------------------------------------
        "app_credentials": kept(
            Term.CREDENTIALS,
            "transport_hint created_at expires_at revoked_at",
            username=Personal(About.LINK, Erasing.KEPT),  # made by chance; its owner is a tombstone
            user_id=_USER_TOMBSTONE,
            ha1_sealed=Personal(About.SECRET, Erasing.KEPT, Purpose.SECRET),  # it is revoked
            token_hash=Personal(About.SECRET, Erasing.KEPT),
            device=Personal(About.TEXT, Erasing.NULL),
        ),
        "app_users": kept(
            Term.PERSON,
            "updated_at",
            user_id=_USER_ROW,
            account=Personal(About.CHOICE, Erasing.ROW),
            in_app_calls=Personal(About.CHOICE, Erasing.ROW),
            quiet_hours=Personal(About.CHOICE, Erasing.ROW),
            timezone=Personal(About.CHOICE, Erasing.ROW),
            app_until=Personal(About.CHOICE, Erasing.ROW),
        ),
        "app_listings": kept(
            Term.PERSON, "", user_id=_USER_ROW, listing_id=Personal(About.CHOICE, Erasing.ROW)
        ),
        "call_tallies": kept(
            Term.COUNTERS, "scope hour calls", key=Personal(About.USER_ID, Erasing.ROW)
        ),
        "unanswered_runs": kept(Term.COUNTERS, "position run last_at", session_id=_LINK),
        "call_ratings": kept(
            Term.RECORDS,
            "at",
            call_id=_LINK,
            user_id=_USER_ROW,
            stars=Personal(About.CHOICE, Erasing.ROW),
            issues=Personal(About.CHOICE, Erasing.ROW),
        ),
        # -- sessions ----------------------------------------------------------------------------
        "sessions": kept(
            Term.SESSIONS,
            "id pool channel_policy created_at expires_at closed_at closed_why ttl_from ttl_s "
            "hard_expires_at last_call_at noticed_at conversation_held listing_category variant "
            "contact_at contact_variant contact_reached",
            conversation_id=_LINK,
            listing_id=_LINK,
            listing_title=_TITLE,
            pair_index=Personal(About.PHONE_INDEX, Erasing.NULL),
            listing_number_id=_LINK,
        ),
        "participants": kept(
            Term.SESSIONS,
            "session_id position role recording_consent number_id",
            user_id=_USER_TOMBSTONE,
            phone_sealed=Personal(About.PHONE, Erasing.NULL, Purpose.PHONE),
            **_CARD,
        ),
        "leases": kept(
            Term.SESSIONS,
            "session_id position slot number_id extension once since expires_at reserved_until "
            "active",
            phone_index=Personal(About.PHONE_INDEX, Erasing.ROW),
            pin=Personal(About.SECRET, Erasing.ROW),
            why=Personal(About.LINK, Erasing.ROW),
        ),
        "blocks": kept(
            Term.PERSON,
            "id created_at",
            user_id=_USER_ROW,
            blocked_user_id=_USER_ROW,
            reason=Personal(About.TEXT, Erasing.ROW),
        ),
        "listing_numbers": kept(
            Term.SESSIONS,
            "id pool role channel_policy created_at expires_at closed_at rotate_after_s "
            "rotate_after_callers turn listing_category",
            listing_id=_LINK,
            listing_title=_TITLE,
            user_id=_USER_TOMBSTONE,
            phone_sealed=Personal(About.PHONE, Erasing.TOMBSTONE, Purpose.PHONE),
            phone_index=Personal(About.PHONE_INDEX, Erasing.TOMBSTONE),
            **_CARD,
        ),
        "shown_numbers": kept(
            Term.SESSIONS,
            "listing_number_id turn pool number_id extension shown_at hidden_at callers active "
            "free_from rotate_at",
        ),
        # -- what is counted of phones -----------------------------------------------------------
        "dial_tries": kept(
            Term.COUNTERS,
            "number_id failed locked_until at",
            caller_index=Personal(About.PHONE_INDEX, Erasing.ROW),
        ),
        "caller_days": kept(
            Term.COUNTERS, "day new_links", phone_index=Personal(About.PHONE_INDEX, Erasing.ROW)
        ),
        "pool_pressure": kept(
            Term.COUNTERS,
            "pool held high at high_at warned_at",
            phone_index=Personal(About.PHONE_INDEX, Erasing.ROW),
            user_id=_USER_ROW,
        ),
        # -- calls -------------------------------------------------------------------------------
        "calls": kept(
            Term.RECORDS,
            "call_id node linked_id direction caller_role callee_role number_in number_out "
            "trunk_in trunk_out channel outcome reason announcement ended_by cause offered_at "
            "rang_at answered_at ended_at ring_ms talk_ms attempts channel_in handovers prompts "
            "quality recorded_at version category variant recording stars recorded mos_min "
            "mos_band ring_band talk_band " + _LEDGER,
            session_id=_LINK,
            legs=Personal(About.LINK, Erasing.KEPT),  # names of devices, whose owner is a tombstone
            **_CALL_PEOPLE,
        ),
        "call_versions": kept(
            Term.RECORDS,
            "call_id version node " + _LEDGER.replace("corrected_why corrected_by", ""),
            content=Personal(About.LINK, Erasing.KEPT),  # what is hashed: nobody is in it
            **_CALL_PEOPLE,
        ),
        "call_notes": kept(
            Term.RECORDS,
            "id about at by_id by_name",
            call_id=_LINK,
            text=Personal(About.TEXT, Erasing.ROW),
        ),
        "call_tags": kept(
            Term.RECORDS,
            "offered_at at by_id by_name",
            call_id=_LINK,
            tag=Personal(About.TEXT, Erasing.ROW),
        ),
        "call_dispositions": kept(Term.RECORDS, "id disposition at by_id by_name", call_id=_LINK),
        "complaints": kept(
            Term.RECORDS,
            "id about kind at by_id by_name state decided_at decided_by_id decided_by_name changes",
            call_id=_LINK,
            text=Personal(About.TEXT, Erasing.NULL),
            decision=Personal(About.TEXT, Erasing.NULL),
        ),
        "ledger_days": kept(Term.LEDGER, "node day calls head previous retired_at"),
        "cut_calls": kept(
            Term.OPEN,
            "call_id node reason alive_us kept_until late_at",
            events=Personal(About.LINK, Erasing.KEPT),
        ),
        "history_entries": kept(
            Term.HISTORY,
            "id call_id at kind",
            conversation_id=_LINK,
            body=Personal(About.MIXED, Erasing.REWRITTEN),
        ),
        "call_log_entries": kept(
            Term.CALL_LOG,
            "id call_id direction outcome at ring_ms talk_ms reason read_at",
            user_id=_USER_ROW,
            card=Personal(About.CARD, Erasing.REWRITTEN),
            listing=Personal(About.TEXT, Erasing.REWRITTEN),
            session_id=_LINK,
        ),
        "ingest_checkpoints": kept(Term.OPEN, "node file offset"),
        "open_calls": kept(
            Term.OPEN,
            "call_id node seen_at offered_at state caller_role callee_role trunk_in trunk_out",
            events=Personal(About.LINK, Erasing.KEPT),
            session_id=Personal(About.LINK, Erasing.KEPT),
        ),
        "recordings": kept(
            Term.RECORDINGS,
            "call_id node state why created_at tries due_at audio_bytes file_bytes digest "
            "duration_ms ready_at delete_at deleted_at removed_at",
            session_id=_LINK,
            conversation_id=_LINK,
            path=Personal(About.SOUND, Erasing.CALL),
            key_sealed=Personal(About.SOUND, Erasing.NULL, Purpose.SECRET),
        ),
        "sip_messages": kept(
            Term.SIP,
            "id leg channel trunk at messages",
            call_id=_LINK,
            dialog_digest=Personal(About.LINK, Erasing.ROW),
            searched=Personal(About.TEXT, Erasing.ROW),
            messages_sealed=Personal(About.MIXED, Erasing.ROW, Purpose.SIP),
        ),
        # -- what is told ------------------------------------------------------------------------
        "outbox": kept(
            Term.NOTICES,
            "id key kind at sequence stream_due",
            conversation_id=_LINK,
            data=Personal(About.MIXED, Erasing.REWRITTEN),
        ),
        "webhooks": kept(
            Term.SETTING,
            "id url events description enabled disabled_why previous_until created_at updated_at "
            "failures failing_since open_until succeeded_at",
            secret_sealed=Purpose.SECRET,
            previous_sealed=Purpose.SECRET,
        ),
        "deliveries": kept(
            Term.NOTICES,
            "id webhook_id notice_id sequence created_at since due_at claim tries log finished_at "
            "state",
            conversation_id=_LINK,
        ),
        # -- figures -----------------------------------------------------------------------------
        "funnel_contacts": kept(
            Term.FIGURES, "hour variant category shown pressed called rang answered talked"
        ),
        "funnel_calls": kept(
            Term.FIGURES,
            "hour variant came_by channel category called rang answered talked talk_ms",
        ),
        "funnel_categories": kept(Term.FIGURES, "day category"),
        "traffic": kept(
            Term.FIGURES,
            "hour node trunk direction seizures answered effective talk_ms delays delay_ms scores "
            "score_sum",
        ),
        "traffic_spread": kept(Term.FIGURES, "hour node trunk direction measure bucket count"),
        # -- the platform's numbers --------------------------------------------------------------
        "trunks": kept(
            Term.SETTING,
            "name host port transport auth_type username register number_format country codecs "
            "max_channels max_cps priority inbound outbound enabled trusted options_interval_s "
            "media_encryption created_at updated_at",
            password_sealed=Purpose.SECRET,
        ),
        "pools": kept(
            Term.SETTING,
            "name cool_down_s language ring_s max_call_s rules version created_at updated_at",
            secrets_sealed=Purpose.SECRET,
        ),
        "numbers": kept(Term.SETTING, "id e164 pool trunk state shown created_at"),
        # -- what staff keep of the list of calls ------------------------------------------------
        "console_views": kept(
            Term.SETTING,
            "id account_id shared created_at updated_at",
            name=Personal(About.TEXT, Erasing.ROW),
            query=Personal(About.LINK, Erasing.ROW),
            user_id=_USER_ROW,
        ),
        "console_columns": kept(Term.SETTING, "account_id columns updated_at"),
        "console_exports": kept(
            Term.EXPORTS,
            "id account_id by_phone format state runner created_at seen_at finished_at records "
            "thousandths file_bytes",
            query=Personal(About.LINK, Erasing.ROW),
            user_id=_USER_ROW,
        ),
        "alarms": kept(
            Term.ALARMS,
            "id condition subject grave facts times since raised_at observer seen_at cleared_at "
            "acknowledged_at acknowledged_by acknowledged_name",
        ),
        # -- the database about itself -----------------------------------------------------------
        "marks": kept(Term.SETTING, "name value"),
        "versions": kept(Term.SETTING, "name value"),
        "audit_entries": kept(
            Term.AUDIT,
            "id at actor_kind actor_id actor_name action refused object_kind reason facts hash",
            object_id=Personal(About.USER_ID, Erasing.DIGEST),  # of a user: `Vault.person_ref`
        ),
        "audit_heads": kept(Term.AUDIT, "name entries hash"),
        "vault_readers": kept(Term.COUNTERS, "id node knows uses on_disk seen_at"),
        "vault_rotations": kept(
            Term.FIGURES,
            "id to_key state at_column after pass_found passes looked_at resealed broken waits_for "
            "proof started_at state_at finished_at",
        ),
        "erasures": kept(
            Term.AUDIT,
            "id state step after counts asked_by requested_at finished_at watch_until",
            subject=Personal(About.USER_ID, Erasing.DIGEST),
            person_sealed=Personal(About.MIXED, Erasing.NULL, Purpose.SECRET),
        ),
        "retention_cursors": kept(Term.SETTING, "kind after"),
        "retention_days": kept(Term.FIGURES, "kind day removed"),
    }
)


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column whose values the vault sealed."""

    table: Table
    column: Column[Any]
    purpose: Purpose

    @property
    def name(self) -> str:
        """``table.column``."""
        return f"{self.table.name}.{self.column.name}"


def sealed_columns() -> tuple[SealedColumn, ...]:
    """All there are, by name."""
    found = []
    for name, table in sorted(metadata.tables.items()):
        known = CLASSIFIED.get(name)
        if known is None:
            continue
        purposes = {c: one.sealed for c, one in known.personal.items() if one.sealed is not None}
        for column, purpose in sorted({**purposes, **known.secrets}.items()):
            found.append(SealedColumn(table, table.c[column], purpose))
    return tuple(found)


def unclassified() -> dict[str, frozenset[str]]:
    """Columns of the schema that do not stand above, and those above that the schema lacks."""
    found: dict[str, frozenset[str]] = {}
    for name in sorted({*metadata.tables, *CLASSIFIED}):
        table, said = metadata.tables.get(name), CLASSIFIED.get(name)
        there = frozenset() if table is None else frozenset(table.c.keys())
        known = frozenset() if said is None else said.plain | {*said.personal, *said.secrets}
        if there != known:
            found[name] = there ^ known
    return found
