"""From the filters that were sent to the filter of `cdr`. A phone becomes its blind index here."""

from __future__ import annotations

from api.schemas.call_filter import CallsFilterIn, CallsFilterQuery
from cdr.bands import Range
from cdr.record_filter import Filter
from masking.model import Phone
from storage.vault import Vault


def filter_of(sent: CallsFilterQuery | CallsFilterIn, vault: Vault) -> Filter:
    """What is asked for."""
    phone = sent.phone if isinstance(sent, CallsFilterIn) else None
    return Filter(
        session_id=sent.session_id,
        conversation_id=sent.conversation_id,
        listing_id=sent.listing_id,
        user_id=sent.user_id,
        phone_index=None if phone is None else vault.index(Phone(phone)),
        outcomes=tuple(sent.outcome),
        channels=tuple(sent.channel),
        came_by=tuple(sent.came_by),
        number=sent.number,
        trunk=sent.trunk,
        node=sent.node,
        causes=tuple(sent.cause),
        ring_ms=_seconds(sent.ring_min_s, sent.ring_max_s),
        talk_ms=_seconds(sent.talk_min_s, sent.talk_max_s),
        mos=Range(_hundredths(sent.mos_min), _hundredths(sent.mos_max)),
        recorded=sent.recorded,
        rated=sent.rated,
        stars=Range(sent.stars_min, sent.stars_max),
        since=sent.from_,
        until=sent.until,
    )


def _seconds(least: int | None, most: int | None) -> Range:
    return Range(None if least is None else least * 1000, None if most is None else most * 1000)


def _hundredths(score: float | None) -> int | None:
    return None if score is None else round(score * 100)
