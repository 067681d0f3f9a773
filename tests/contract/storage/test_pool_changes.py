"""A pool's rules change only where nobody was given what they would take away."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from masking.digits import SECRET_BYTES
from masking.errors import ExtensionsInUse
from masking.ids import session_id
from masking.model import Pool, Role, Session
from masking.rules import Exhausted, ListingRules, NumberRules, PoolRules
from storage import Database, listings, numbers, sessions
from storage.pool_changes import SecretsChange, put
from storage.vault import Vault
from tests.support.listings import a_listing, created, shop
from tests.support.storage import DAY, NOW, SELLER, a_draft, a_person

MS = timedelta(milliseconds=1)


async def change(
    db: Database,
    vault: Vault,
    now: datetime = NOW,
    *,
    of_pairs: int = 4,
    of_listings: int = 5,
) -> None:
    rules = PoolRules(
        numbers=NumberRules(exhausted=Exhausted.EXTENSION, extension_length=of_pairs),
        listings=ListingRules(shared=True, extension_length=of_listings),
    )
    pool = Pool("default", rules=rules)
    await db.write(lambda conn: put(conn, vault, pool, SecretsChange(), now))


async def sold_by_one(db: Database, vault: Vault, n: int) -> Session:
    """The n-th session of the same seller."""
    draft, new_id = a_draft(a_person(Role.BUYER, n), SELLER), session_id(NOW, bytes([n] * 10))
    secret = bytes(SECRET_BYTES)
    return await db.write(
        lambda conn: sessions.open_session(
            conn, vault, draft, now=NOW, session_id=new_id, rotation=n, secret=secret
        )
    )


async def test_extensions_get_no_shorter_while_longer_ones_are_in_use(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=1)
    await change(db, vault)
    await change(db, vault, of_pairs=3)
    await change(db, vault)  # nothing has an extension yet
    two = [await sold_by_one(db, vault, n) for n in range(2)]
    assert [len(one.leases[1].extension) for one in two] == [0, 4]
    free_again = two[1].leases[1].reserved_until

    with pytest.raises(ExtensionsInUse) as refused:
        await change(db, vault, free_again - MS, of_pairs=3)
    assert refused.value.field == "numbers.extension_length"
    kept = await db.read(lambda conn: numbers.pool(conn, "default"))
    assert kept is not None
    assert kept.rules.numbers.extension_length == 4

    await change(db, vault, of_pairs=5)
    await change(db, vault, free_again, of_pairs=3)


async def test_nor_those_of_listings(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=1)
    await change(db, vault)
    made = await created(db, vault, a_listing(ttl=DAY))
    at_rest = NOW + ListingRules().rest
    await db.write(lambda conn: listings.close(conn, made.id, NOW))

    for now in (NOW, at_rest - MS):  # it may be shown on paper, and is kept as long as it rests
        with pytest.raises(ExtensionsInUse) as refused:
            await change(db, vault, now, of_listings=4)
        assert refused.value.field == "listings.extension_length"

    await change(db, vault, of_listings=6)
    await change(db, vault, of_listings=5)
    await change(db, vault, at_rest, of_listings=4)


async def test_extensions_of_another_pool_are_its_own_matter(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=1)
    await change(db, vault)
    await created(db, vault, a_listing(ttl=DAY))

    def other(length: int) -> Pool:
        return Pool("other", rules=PoolRules(listings=ListingRules(extension_length=length)))

    for length in (6, 4):
        pool = other(length)
        await db.write(lambda conn: put(conn, vault, pool, SecretsChange(), NOW))  # noqa: B023 (awaited at once)

    kept = await db.read(lambda conn: numbers.pool(conn, "other"))
    assert kept == other(4)
