"""What was known at a moment about a number and a caller, to decide again as it was decided then.

Leases, sessions and listings are read as of that moment. They can be, for a row keeps its times:
a lease was active from `since` to `reserved_until`, and gave its place up before only to the next
one on the same place. Blocks, rules, wrong PINs and trunks are those of now: of them no past is
kept. Only reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, exists, select

from masking import inspection
from masking.inspection import Finding, Question
from masking.known import Callee, Held, LookUp, RoutingFacts
from masking.listing import ListingNumber
from masking.model import Phone, Pool, ProxyNumber
from masking.plan import Asked
from masking.plan import Question as Asking
from storage import reaching, routing, strangers, trunks
from storage.columns import UtcMillis
from storage.listing_rows import listing_number_of, with_place
from storage.pool_rules import secrets_of
from storage.routing import Dialling
from storage.schema import leases, listing_numbers, shown_numbers
from storage.session_rows import OWN
from storage.vault import Vault

_at: Final = bindparam("at", type_=UtcMillis())
_PLACES: Final = leases.c["session_id", "position", "slot", "extension", "since", "expires_at"]
_of_number: Final = (leases.c.number_id == bindparam("number"), leases.c.since <= _at)
_CALLERS: Final[tuple[Select[Any], ...]] = tuple(
    select(*_PLACES, leases.c.reserved_until).where(
        *_of_number, leases.c.phone_index == bindparam("caller"), active
    )
    for active in (leases.c.active, ~leases.c.active)  # apart: each has an index of its own
)
_BY_PIN: Final[Select[Any]] = (
    select(*_PLACES, leases.c.reserved_until)
    .where(*_of_number, leases.c.pin == bindparam("typed"))
    .order_by(leases.c.since.desc())
    .limit(1)
)
_SHOWN: Final = (
    with_place()
    .where(shown_numbers.c.number_id == bindparam("number"), shown_numbers.c.shown_at <= _at)
    .order_by(shown_numbers.c.shown_at.desc(), shown_numbers.c.turn.desc())
)
_SHOWN_HERE: Final = _SHOWN.where(shown_numbers.c.extension == bindparam("digits")).limit(1)
_SHARED: Final = select(
    exists().where(
        shown_numbers.c.number_id == bindparam("number"),
        shown_numbers.c.extension > "",
        shown_numbers.c.shown_at <= _at,
        shown_numbers.c.hidden_at.is_(None)
        | (shown_numbers.c.hidden_at > bindparam("rested", type_=UtcMillis())),
        listing_numbers.c.id == shown_numbers.c.listing_number_id,
        listing_numbers.c.closed_at.is_(None) | (listing_numbers.c.closed_at > _at),
        listing_numbers.c.expires_at > _at,
    )
)


def look(
    conn: Connection, vault: Vault, question: Question, *, at: datetime, now: datetime
) -> Finding:
    """Whom the number reaches for the caller at `at`, no later than `now`. Raises SealBroken."""

    def facts(asked: Asked | None, typed: str | None) -> RoutingFacts:
        dialling = Dialling(question.number, question.caller, "", asked, typed)
        if at >= now:
            return routing.facts(conn, vault, dialling, now=at)
        return facts_at(conn, vault, dialling, at)

    def look_up(wanted: LookUp, known: RoutingFacts) -> Callee:
        pool = known.pool or Pool(wanted.session.pool)
        return reaching.look_up(conn, wanted, pool, at)

    return inspection.inspect(question, facts, trunks.all(conn, vault), at, look_up)


def facts_at(conn: Connection, vault: Vault, dialling: Dialling, at: datetime) -> RoutingFacts:
    """What `storage.routing.facts` would have said at `at`. Raises SealBroken."""
    today = routing.facts(conn, vault, replace(dialling, caller=None, asked=None, digits=None))
    number, pool = today.number, today.pool
    if number is None or pool is None:
        return RoutingFacts()
    found = RoutingFacts(
        number=number,
        pool=pool,
        shown=_shown(conn, vault, number, dialling.extension, at),
        shares=_shares(conn, number, pool.rules.listings.rest, at),
        longest_pin=strangers.longest_pin(conn, number),
        static=secrets_of(conn, vault, pool.name).static,
    )
    if dialling.caller is not None:
        held, over = _of_caller(conn, vault, number, dialling.caller, at)
        found = replace(found, held=held, over=over)
    if dialling.asked is not None and dialling.asked.question is Asking.PIN and dialling.digits:
        found = replace(found, by_pin=_by_pin(conn, vault, number, dialling.digits, at))
    return found


def _of_caller(
    conn: Connection, vault: Vault, number: ProxyNumber, caller: Phone, at: datetime
) -> tuple[tuple[Held, ...], Held | None]:
    """What the caller held at `at`, and if nothing, what they held last."""
    which = {"number": number.id, "caller": vault.index(caller), "at": at}
    rows = [row for query in _CALLERS for row in conn.execute(query, which)]
    latest: dict[str, Row[Any]] = {}  # of one place only the last taken can be active
    for row in sorted(rows, key=lambda row: (row.since, row.expires_at, row.session_id)):
        latest[row.extension] = row
    active = [row for row in latest.values() if row.reserved_until > at]
    if active:
        return tuple(_whole(conn, vault, number, caller, active)), None
    own = [row for row in rows if row.slot == OWN]
    last = max(own, key=lambda row: (row.expires_at, row.session_id), default=None)
    over = [] if last is None else _whole(conn, vault, number, caller, [last])
    return (), over[0] if over else None


def _by_pin(
    conn: Connection, vault: Vault, number: ProxyNumber, typed: str, at: datetime
) -> Held | None:
    row = conn.execute(_BY_PIN, {"number": number.id, "typed": typed, "at": at}).first()
    if row is None or row.reserved_until <= at:
        return None
    found = _whole(conn, vault, number, None, [row])
    return found[0] if found else None


def _whole(
    conn: Connection,
    vault: Vault,
    number: ProxyNumber,
    phone: Phone | None,
    rows: Iterable[Row[Any]],
) -> list[Held]:
    """The leases in `rows`, each with its session."""
    return [
        held
        for row in rows
        if (
            held := strangers.of_slot(
                conn, vault, (row.session_id, row.position, row.slot), number, phone
            )
        )
    ]


def _shown(
    conn: Connection, vault: Vault, number: ProxyNumber, extension: str, at: datetime
) -> ListingNumber | None:
    """The listing that had the place at `at`: the last that was shown there by then."""
    which = {"number": number.id, "digits": extension, "at": at}
    row = conn.execute(_SHOWN_HERE, which).first()
    return None if row is None else listing_number_of(row, vault)


def _shares(conn: Connection, number: ProxyNumber, rest: timedelta, at: datetime) -> bool:
    wanted = {"number": number.id, "at": at, "rested": at - rest}
    return bool(conn.execute(_SHARED, wanted).scalar_one())
