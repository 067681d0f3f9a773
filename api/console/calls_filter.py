"""Which calls the list shows: from its address to a filter of `cdr`, and back to an address.

The names are those of the API's query (`api.schemas.call_filter`), with a period, a tag, and in the
place of a phone a token (`phone_token`): what was typed stands in no address. One filter has one
spelling, so that an address can be compared, kept and sent on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

from pydantic import Field

from api.call_filter import filter_of
from api.console import look, phone_token
from api.console.page import Visit
from api.errors import ValidationFailed
from api.schemas.call_filter import CallsFilterQuery
from api.validation import parse_query
from cdr.record_filter import Filter
from masking.staff import Right
from storage.call_tags import LONGEST as LONGEST_TAG

NIGHT: Final = (20, 8)  # hours at which a night begins and ends


class Period(StrEnum):
    """A time that moves on: what a view of last night shows tomorrow is the night before that."""

    HOUR = "1h"
    DAY = "24h"
    TODAY = "today"
    NIGHT = "night"
    YESTERDAY = "yesterday"
    WEEK = "7d"
    MONTH = "30d"


class CallsAddress(CallsFilterQuery):
    """What may stand in the address of the list."""

    tag: Annotated[str | None, Field(max_length=LONGEST_TAG, pattern=r"^[\w-]+$")] = None
    period: Period | None = None
    phone: Annotated[str | None, Field(max_length=400, pattern=r"^[A-Za-z0-9_-]+$")] = None
    cursor: Annotated[str | None, Field(max_length=512)] = None


LISTED: Final = ("outcome", "channel", "came_by", "cause")
RANGES: Final = ("ring", "talk", "mos", "stars")
# The order of an address, of the form, and of the chips above the list.
NAMES: Final = (
    *("period", "from", "until", "outcome", "channel", "came_by"),
    *("conversation_id", "listing_id", "user_id", "session_id", "phone", "number"),
    *("trunk", "node", "cause", "ring_min_s", "ring_max_s", "talk_min_s", "talk_max_s"),
    *("mos_min", "mos_max", "recorded", "rated", "stars_min", "stars_max", "tag"),
)
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that is asked for, as the page names it, and the address without it."""

    name: str  # text ``calls.filter.NAME``
    values: tuple[str, ...]  # as they stand in the address
    least: str | None = None
    most: str | None = None
    without: str = ""


class Asked:
    """An address that was understood."""

    def __init__(self, address: CallsAddress) -> None:
        self.address = address
        self.pairs: Final = tuple(_pairs(address))
        self.values: Final[Mapping[str, str]] = dict(self.pairs)

    @property
    def query(self) -> str:
        """The one spelling of it, without the place in the list."""
        return spelt(self.pairs)

    @property
    def kept(self) -> str:
        """What may be kept and shown to others: without the phone."""
        return spelt([(name, value) for name, value in self.pairs if name != "phone"])

    @property
    def chips(self) -> tuple[Chip, ...]:
        """What is asked for, thing by thing."""
        return tuple(_chips(self.pairs))

    def listed(self, name: str) -> tuple[str, ...]:
        """The values of a filter that may have several."""
        found = self.values.get(name)
        return tuple(found.split(",")) if found else ()


def understood(query: Mapping[str, list[str]]) -> Asked:
    """What an address asks for. Raises ValidationFailed."""
    pairs = [(name, value) for name, values in query.items() for value in values]
    return Asked(parse_query(CallsAddress, pairs))


def understood_text(query: str) -> Asked:
    """The same of a query as text. Raises ValidationFailed."""
    pairs = parse_qsl(query, max_num_fields=2 * len(NAMES))
    return Asked(parse_query(CallsAddress, pairs))


def filter_now(asked: Asked, visit: Visit) -> Filter:
    """The filter that an address means for this visitor at this moment.

    Raises ValidationFailed, PhoneForgotten.
    """
    address = asked.address
    wanted = replace(filter_of(address, visit.services.vault), tag=address.tag)
    if address.period is not None:
        since, until = span(address.period, visit.now, visit.account.time_zone)
        wanted = replace(
            wanted,
            since=since if wanted.since is None else max(since, wanted.since),
            until=until if wanted.until is None else min(until or wanted.until, wanted.until),
        )
    if address.phone is not None:
        if not visit.may(Right.SEARCH_PHONE):
            raise phone_token.PhoneForgotten
        vault, account_id = visit.services.vault, visit.account.id
        index = phone_token.opened(vault, address.phone, account_id, visit.now)
        wanted = replace(wanted, phone_index=index)
    return wanted


def span(period: Period, now: datetime, zone: str) -> tuple[datetime, datetime | None]:
    """From when, and until when (None: now) a period is, for somebody in that zone."""
    here = now.astimezone(look.zone(zone))
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)  # by the clock on the wall, whatever daylight saving does
    match period:
        case Period.HOUR:
            return now - timedelta(hours=1), None
        case Period.DAY:
            return now - day, None
        case Period.TODAY:
            return midnight, None
        case Period.NIGHT:
            begins, ends = NIGHT
            return (midnight - day).replace(hour=begins), midnight.replace(hour=ends)
        case Period.YESTERDAY:
            return midnight - day, midnight
        case Period.WEEK:
            return now - 7 * day, None
        case Period.MONTH:
            return now - 30 * day, None


def spelt(pairs: Pairs) -> str:
    """As it stands behind the question mark."""
    return urlencode(pairs, safe=",:")


def without(pairs: Pairs, *names: str) -> str:
    """The same without some of it."""
    return spelt([(name, value) for name, value in pairs if name not in names])


def fields_wrong(error: ValidationFailed) -> tuple[str, ...]:
    """The names of what was not understood; never their values."""
    return tuple(dict.fromkeys(one.field.partition("[")[0] for one in error.errors))


def _pairs(address: CallsAddress) -> list[tuple[str, str]]:
    fields = {"from": "from_"}
    found = [(name, _text(getattr(address, fields.get(name, name)))) for name in NAMES]
    return [(name, text) for name, text in found if text]


def _text(value: Any) -> str:  # noqa: ANN401 (whatever the model holds)
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ",".join(dict.fromkeys(map(_text, value)))
        case datetime():
            return value.isoformat(timespec="seconds").replace("+00:00", "Z")
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _chips(pairs: Pairs) -> list[Chip]:
    values = dict(pairs)
    found: dict[str, Chip] = {}
    for name, value in pairs:
        bound = next((one for one in RANGES if name.startswith(f"{one}_m")), None)
        if bound is None:
            shown = tuple(value.split(",")) if name in LISTED else (value,)
            found[name] = Chip(name, shown, without=without(pairs, name))
            continue
        unit = "_s" if bound in ("ring", "talk") else ""
        ends = (f"{bound}_min{unit}", f"{bound}_max{unit}")
        least, most = (values.get(one) for one in ends)
        found[bound] = Chip(bound, (), least, most, without(pairs, *ends))
    return list(found.values())
