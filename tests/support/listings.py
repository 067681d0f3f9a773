"""Listing numbers for tests: pools that show numbers, listings, callers, and what they ask."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import Connection

from masking.ids import listing_number_id, session_id
from masking.listing import Link, LinkRefusal, ListingDraft, ListingNumber, Rotation
from masking.model import Card, ChannelPolicy, Listing, Participant, Phone, Pool, Role
from masking.rules import ListingRules, NumberRules, PoolRules
from storage import Database, listings, numbers, trunks
from storage.links import Opening, open_link
from storage.vault import Vault
from tests.support.storage import DAY, NOW, TRUNK, proxies

_serial = count()
_USUAL = ListingRules()
_CHOICE = NumberRules()
CALLER = Phone("+79031112233")


def a_pool(rules: ListingRules = _USUAL, *, numbers: NumberRules = _CHOICE) -> Pool:
    """The pool ``default`` with these rules."""
    return Pool("default", rules=PoolRules(numbers=numbers, listings=rules))


async def shop(
    db: Database,
    vault: Vault,
    size: int = 3,
    rules: ListingRules = _USUAL,
    *,
    numbers_are: NumberRules = _CHOICE,
) -> None:
    """A trunk and the pool ``default`` with `size` numbers, which listings may show."""

    def work(conn: Connection) -> None:
        trunks.add(conn, vault, TRUNK, NOW)
        numbers.put_pool(conn, a_pool(rules, numbers=numbers_are), NOW)
        numbers.add_numbers(conn, "default", TRUNK.name, proxies(size), NOW)

    await db.write(work)


def a_seller(n: int = 1) -> Participant:
    """Somebody who has something to sell."""
    return Participant(Role.SELLER, f"seller-{n}", Phone(f"+7926{n:07}"), Card(f"Seller {n}", 4.5))


def a_listing(
    n: int = 1,
    *,
    seller: Participant | None = None,
    ttl: timedelta = 30 * DAY,
    rotation: Rotation | None = None,
) -> ListingDraft:
    """The n-th listing, of the n-th seller if nobody is named."""
    return ListingDraft(
        Listing(f"L-{n}", f"Lada {n}"),
        seller or a_seller(n),
        "default",
        ttl,
        ChannelPolicy.GSM_ONLY,
        rotation,
    )


async def created(
    db: Database,
    vault: Vault,
    draft: ListingDraft | None = None,
    *,
    now: datetime = NOW,
    entropy: Callable[[int], bytes] = os.urandom,
) -> ListingNumber:
    """A new listing number, as the API creates it."""
    new_id = listing_number_id(now, next(_serial).to_bytes(10, "big"))
    return await db.write(
        lambda conn: listings.create(
            conn, vault, draft or a_listing(), new_id=new_id, now=now, entropy=entropy
        )
    )


async def got(db: Database, vault: Vault, one: ListingNumber) -> ListingNumber:
    """The listing number as it is stored now."""
    found = await db.read(lambda conn: listings.get(conn, vault, one.id))
    assert found is not None
    return found


async def dialled(db: Database, vault: Vault, number: ListingNumber) -> ListingNumber | None:
    """What the place that `number` shows means now."""
    shown = number.shown
    assert shown is not None
    return await db.look_up(
        lambda conn: listings.shown_at_number(conn, vault, shown.number.id, shown.extension)
    )


async def rotated(
    db: Database, vault: Vault, number: ListingNumber, now: datetime = NOW
) -> ListingNumber:
    """`number` after the platform had it show another place."""
    wanted = listings.Change(rotate=True)
    await db.write(
        lambda conn: listings.change(conn, vault, number.id, wanted, now=now, entropy=os.urandom)
    )
    return await got(db, vault, number)


async def linked(
    db: Database,
    vault: Vault,
    number: ListingNumber,
    caller: Phone = CALLER,
    *,
    now: datetime = NOW,
    conversation_id: str | None = None,
) -> Link | LinkRefusal:
    """What comes of a call of `caller` to the place in `number`."""
    serial = next(_serial)
    opening = Opening(
        session_id(now, serial.to_bytes(10, "big")), serial, os.urandom, conversation_id
    )
    return await db.write(lambda conn: open_link(conn, vault, number, caller, opening, now))


async def link(
    db: Database,
    vault: Vault,
    number: ListingNumber,
    caller: Phone = CALLER,
    *,
    now: datetime = NOW,
) -> Link:
    """The link that comes of it."""
    found = await linked(db, vault, number, caller, now=now)
    assert isinstance(found, Link), found
    return found


def a_caller(n: int) -> Phone:
    """Somebody whom the platform does not know."""
    return Phone(f"+7903{n:07}")
