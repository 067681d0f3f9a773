"""Numbers that listings show: where, changed, and what was told of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from masking.listing import ListingNumber
from masking.rules import ListingRules
from storage import Database, listings
from storage.schema import numbers as number_table
from storage.schema import outbox, shown_numbers
from storage.vault import Vault
from tests.support.storage import NOW

HOUR = timedelta(hours=1)
MS = timedelta(milliseconds=1)
SHARED = ListingRules(shared=True, extension_length=3)


def always(n: int) -> Callable[[int], bytes]:
    """Entropy that is `n`, whoever asks."""
    return lambda size: n.to_bytes(size, "big")


def place_of(number: ListingNumber) -> tuple[str, str]:
    assert number.shown is not None
    return number.shown.number.e164, number.shown.extension


async def change(
    db: Database, vault: Vault, one: ListingNumber, now: datetime = NOW, **of: object
) -> None:
    wanted = listings.Change(**of)  # type: ignore[arg-type]
    await db.write(
        lambda conn: listings.change(conn, vault, one.id, wanted, now=now, entropy=os.urandom)
    )


async def rotate_due(db: Database, vault: Vault, now: datetime = NOW, at_most: int = 100) -> int:
    return await db.write(
        lambda conn: listings.rotate_due(conn, vault, now, os.urandom, at_most=at_most)
    )


async def shown_flags(db: Database) -> dict[str, bool]:
    query = select(number_table.c.e164, number_table.c.shown)
    return {row.e164: row.shown for row in await db.read(lambda conn: conn.execute(query).all())}


async def callers_of(db: Database, number: ListingNumber) -> list[int]:
    query = select(shown_numbers.c.callers).order_by(shown_numbers.c.turn)
    query = query.where(shown_numbers.c.listing_number_id == number.id)
    return list(await db.read(lambda conn: conn.execute(query).scalars().all()))


async def notices(db: Database) -> list[tuple[str, str]]:
    query = select(outbox.c.kind, outbox.c.data).order_by(outbox.c.key)
    return [(row.kind, row.data) for row in await db.read(lambda conn: conn.execute(query).all())]
