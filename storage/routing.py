"""What is known about an offer, gathered for `masking.routing.rule` by index.

Of a call that is to be carried on, which is nearly every call, all of it comes with one statement.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, exists, select

from masking.known import Held, RoutingFacts
from masking.model import Phone, Pool
from masking.plan import Asked, Question
from masking.rules import Stranger
from masking.trunks import Trunk
from storage import listings, reaching, strangers
from storage.numbers import number_of, pool_of
from storage.pool_rules import secrets_of
from storage.prepared import Prepared
from storage.schema import app_users, numbers, participants, pools, shown_numbers
from storage.session_rows import (
    BLOCKS_OTHER,
    HELD,
    HELD_COLUMNS,
    HELD_SIDES,
    OWN,
    session_of,
)
from storage.vault import Vault

__all__ = ["Dialling", "facts"]

_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)  # when nothing of today was over
_dialled = numbers.alias("dialled")
_RULES: Final = (
    pools.c.cool_down_s,
    pools.c.language,
    pools.c.ring_s,
    pools.c.max_call_s,
    pools.c.rules,
)
_NUMBER: Final = (
    select(numbers, *_RULES)
    .join_from(numbers, pools, pools.c.name == numbers.c.pool)
    .where(numbers.c.e164 == bindparam("wanted"))
)
_SHOWS: Final = (
    exists()
    .where(shown_numbers.c.number_id == _dialled.c.id, shown_numbers.c.active)
    .correlate(_dialled)
    .label("shows")
)
_ROUTED: Final = Prepared(
    select(
        *HELD_COLUMNS,
        HELD.c.position.label("caller_position"),
        HELD.c.slot.label("caller_slot"),
        BLOCKS_OTHER,
        _SHOWS,
        *_RULES,
        *reaching.USER,
    )
    .select_from(
        HELD_SIDES.join(_dialled, _dialled.c.id == HELD.c.number_id)
        .join(pools, pools.c.name == _dialled.c.pool)
        .outerjoin(app_users, reaching.HAS_USER)
    )
    .where(
        _dialled.c.e164 == bindparam("wanted"),
        HELD.c.phone_index == bindparam("caller"),
        HELD.c.active,
    )
    .order_by(participants.c.position)
)


@dataclass(frozen=True, slots=True)
class Dialling:
    """What was dialled, by whom, and what was typed since. `repr` never shows the caller."""

    number: Phone
    caller: Phone | None = field(repr=False)  # None: withheld
    trunk: str
    asked: Asked | None = None
    digits: str | None = field(default=None, repr=False)

    @property
    def extension(self) -> str:
        """The digits of the place that is meant, as far as they are known."""
        if self.asked is None:
            return ""
        typed = self.asked.question is Question.EXTENSION
        return (self.digits or "") if typed else self.asked.extension


def facts(
    conn: Connection,
    vault: Vault,
    dialling: Dialling,
    *,
    trunks: tuple[Trunk, ...] = (),
    now: datetime | None = None,
    locking: datetime | None = None,
) -> RoutingFacts:
    """The proxy number, its pool, and what the caller has to do with it.

    One statement where the caller holds the number now and it means nothing else, a few more where
    not. `told` and `link` stay empty: whoever asks has them at hand. With `now`, digits
    that lead nowhere by then are no reason to ask for any. With `locking`, that time, in a
    transaction that writes: what it counts is counted by nobody else meanwhile. Raises SealBroken.
    """
    caller = dialling.caller
    index = None if caller is None else vault.index(caller)
    if index is not None and caller is not None and dialling.asked is None:
        two = tuple(_ROUTED.rows(conn, {"wanted": dialling.number, "caller": index}))
        if (found := _plainly(two, vault, caller, trunks)) is not None:
            return found
    found = _elsewise(conn, vault, dialling, index, now or _EVER, locking)
    return replace(found, trunks=trunks)


def _plainly(
    two: tuple[Row[Any], ...], vault: Vault, caller: Phone, trunks: tuple[Trunk, ...]
) -> RoutingFacts | None:
    """The facts, if these are the sides of one session and the number means nothing else."""
    if len(two) != 2 or two[0].caller_slot != OWN or two[0].shows:
        return None
    session = session_of(two, vault)
    holder = session.participants[two[0].caller_position]
    lease = session.lease(holder.role)
    if lease is None or lease.extension:
        return None
    pool = pool_of(two[0], lease.number.pool)
    callee = two[1 - two[0].caller_position]
    return RoutingFacts(
        trunks=trunks,
        number=lease.number,
        pool=pool,
        held=(Held(lease, session, caller, any(row.blocks_other for row in two)),),
        callee=reaching.callee_of(callee, session, session.other(holder.role), pool),
    )


def _elsewise(
    conn: Connection,
    vault: Vault,
    dialling: Dialling,
    index: bytes | None,
    now: datetime,
    locking: datetime | None,
) -> RoutingFacts:
    """Whose number it is, all that it can mean to the caller, and what strangers get."""
    row = conn.execute(_NUMBER, {"wanted": dialling.number}).first()
    if row is None:
        return RoutingFacts()
    number, caller = number_of(row), dialling.caller
    pool = pool_of(row, row.pool)
    found = RoutingFacts(
        number=number,
        pool=pool,
        shown=listings.shown_at_number(conn, vault, number.id, dialling.extension),
        shares=listings.any_extension(conn, number.id, pool.rules.listings.rest, now),
    )
    if index is not None and caller is not None:
        held = strangers.held_on(conn, vault, index, number, caller)
        over = None if held else strangers.last_held(conn, vault, index, number, caller)
        found = replace(found, held=held, over=over)
    return _of_strangers(conn, vault, dialling, index, found, locking)


def _of_strangers(
    conn: Connection,
    vault: Vault,
    dialling: Dialling,
    index: bytes | None,
    found: RoutingFacts,
    locking: datetime | None,
) -> RoutingFacts:
    """With what only the pool's rules for such a caller ask for."""
    number, pool = found.number, found.pool
    if number is None or pool is None:
        return found
    asked, typed = dialling.asked, dialling.digits
    match _rule(pool, index):
        case Stranger.PIN:
            who = strangers.caller_index(vault, index, dialling.trunk)
            found = replace(found, longest_pin=strangers.longest_pin(conn, number))
            if asked is None or asked.question is not Question.PIN or not typed:
                return replace(found, tries=strangers.tries(conn, number, who))
            return replace(
                found,
                by_pin=strangers.by_pin(conn, vault, number, typed),
                tries=strangers.tries(conn, number, who, locking=locking),
            )
        case Stranger.STATIC:
            return replace(found, static=secrets_of(conn, vault, pool.name).static)
        case _:
            return found


def _rule(pool: Pool, index: bytes | None) -> Stranger:
    rules = pool.rules.strangers
    return rules.withheld if index is None else rules.unknown
