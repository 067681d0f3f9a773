"""A call as plain text, for a ticket: what happened, without anybody's phone, name or card.

Pure. Proxy numbers are ours and may stand in it; free text of a platform goes in without digits
that could be a phone.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.console.call_timeline import Timeline, who_key
from api.console.call_words import spoken
from api.console.look import duration, figure, in_full, proxy
from api.console.texts import Texts
from cdr.ledger import public_name
from cdr.model import CallRecord, Quality
from masking.outcome import EndedBy
from storage.ratings import Rating
from storage.struck_out import struck_out


def as_text(
    record: CallRecord, line: Timeline, rated: tuple[Rating, ...], zone: str, texts: Texts
) -> str:
    """The text, some ten to thirty lines."""
    return "\n".join(_lines(record, line, rated, zone, texts)) + "\n"


def _lines(
    record: CallRecord, line: Timeline, rated: tuple[Rating, ...], zone: str, texts: Texts
) -> Iterator[str]:
    yield f"{texts('call.text.call')}: {record.call_id}"
    yield f"{texts('call.text.when')}: {in_full(record.offered_at, zone)}"
    outcome = texts(f"calls.outcome.{record.outcome.value}")
    talk = f"{texts('call.text.talk')} {_span(record, texts)}"
    yield f"{texts('call.text.outcome')}: {outcome}, {talk}"
    for side in (EndedBy.CALLER, EndedBy.CALLEE):
        user = record.caller_user_id if side is EndedBy.CALLER else record.callee_user_id
        who = texts(who_key(record, side))
        yield f"{texts(f'call.text.{side.value}')}: {who}, {user or texts('call.text.unknown')}"
    for key, value in (
        ("conversation", record.conversation_id),
        ("session", record.session_id),
        ("listing", _listing(record)),
        ("number_in", record.number_in and proxy(record.number_in)),
        ("number_out", record.number_out and proxy(record.number_out)),
        ("trunk_in", record.trunk_in),
        ("trunk_out", record.trunk_out),
        ("node", public_name(record.node)),
    ):
        if value:
            yield f"{texts(f'call.text.{key}')}: {value}"
    yield ""
    for moment in line.moments:
        codes = f" [{moment.detail}]" if moment.detail else ""
        after = duration(moment.after_ms, texts.language)
        yield f"+{after:>6}  {spoken(moment.said, texts)}{codes}"
    told = [*_heard(record, texts), *_rated(rated, texts)]
    if told:
        yield ""
        yield from told


def _span(record: CallRecord, texts: Texts) -> str:
    return duration(record.talk_ms, texts.language) if record.answered_at is not None else "0:00"


def _listing(record: CallRecord) -> str | None:
    if record.listing_id is None:
        return None
    title = struck_out(" ".join((record.listing_title or "").split()))
    return f"{title} ({record.listing_id})" if title else record.listing_id


def _heard(record: CallRecord, texts: Texts) -> Iterator[str]:
    for one in record.quality:
        who = texts(who_key(record, one.side))
        yield f"{texts('call.text.quality')}, {who}: MOS {_scores(one, texts)}"


def _scores(one: Quality, texts: Texts) -> str:
    return texts(
        "call.text.scores",
        least=figure(one.mos_min, texts.language, 1),
        mean=figure(one.mos_avg, texts.language, 1),
    )


def _rated(rated: tuple[Rating, ...], texts: Texts) -> Iterator[str]:
    for one in rated:
        issues = ", ".join(texts(f"call.issue.{issue.value}") for issue in one.issues)
        stars = f"{one.stars}/5"
        yield f"{texts('call.text.rating')} ({one.user_id}): {stars}" + (issues and f", {issues}")
