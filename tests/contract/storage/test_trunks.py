"""Trunks are kept whole, their passwords sealed, and every change is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from masking.errors import TrunkExists, TrunkInUse, UnknownTrunk
from masking.trunks import AuthType, MediaEncryption, NumberFormat, Transport, Trunk, TrunkAuth
from storage import Database, trunks
from storage.errors import SealBroken
from storage.schema import trunks as table
from storage.vault import Vault, VaultKeys
from tests.support.storage import NOW, TRUNK, stocked

PASSWORD = "correct horse battery staple"
FULL = Trunk(
    name="carrier-z",
    host="sip.carrier.example",
    port=5080,
    transport=Transport.TLS,
    auth=TrunkAuth(AuthType.DIGEST, "maskline", PASSWORD, register=True),
    number_format=NumberFormat.NATIONAL,
    country="DE",
    codecs=("opus", "alaw"),
    max_channels=7,
    max_cps=3,
    priority=1,
    inbound=False,
    outbound=False,
    enabled=False,
    trusted=False,
    options_interval_s=0,
    media_encryption=MediaEncryption.SDES,
)


@pytest.mark.parametrize("trunk", [FULL, TRUNK])
async def test_a_trunk_is_read_back_as_it_was_added(
    db: Database, vault: Vault, trunk: Trunk
) -> None:
    await db.write(lambda conn: trunks.add(conn, vault, trunk, NOW))

    assert await db.read(lambda conn: trunks.get(conn, vault, trunk.name)) == trunk


async def test_its_password_is_not_in_the_database(db: Database, vault: Vault) -> None:
    await db.write(lambda conn: trunks.add(conn, vault, FULL, NOW))

    row = await db.read(lambda conn: conn.execute(select(table)).one())

    assert PASSWORD not in str(tuple(row))
    assert PASSWORD.encode() not in row.password_sealed


async def test_another_vault_does_not_open_it(db: Database, vault: Vault) -> None:
    await db.write(lambda conn: trunks.add(conn, vault, FULL, NOW))
    other = Vault(VaultKeys.generate())

    with pytest.raises(SealBroken):
        await db.read(lambda conn: trunks.all(conn, other))


async def test_all_of_them_come_in_the_order_in_which_they_are_tried(
    db: Database, vault: Vault
) -> None:
    names = [("b", 100), ("c", 5), ("a", 100)]
    for name, priority in names:
        trunk = replace(TRUNK, name=name, priority=priority)
        await db.write(lambda conn, trunk=trunk: trunks.add(conn, vault, trunk, NOW))  # type: ignore[misc]

    found = await db.read(lambda conn: trunks.all(conn, vault))

    assert [trunk.name for trunk in found] == ["c", "a", "b"]


async def test_every_change_raises_the_version_and_a_refused_one_does_not(
    db: Database, vault: Vault
) -> None:
    async def version() -> int:
        return await db.read(trunks.version)

    seen = [await version()]
    await db.write(lambda conn: trunks.add(conn, vault, TRUNK, NOW))
    seen.append(await version())
    await db.write(lambda conn: trunks.replace(conn, vault, replace(TRUNK, port=5090), NOW))
    seen.append(await version())
    await db.write(lambda conn: trunks.remove(conn, TRUNK.name))
    seen.append(await version())
    with pytest.raises(UnknownTrunk):
        await db.write(lambda conn: trunks.remove(conn, TRUNK.name))

    assert seen == sorted(set(seen))
    assert await version() == seen[-1]


async def test_a_name_is_taken_once(db: Database, vault: Vault) -> None:
    await db.write(lambda conn: trunks.add(conn, vault, TRUNK, NOW))

    with pytest.raises(TrunkExists):
        await db.write(lambda conn: trunks.add(conn, vault, replace(TRUNK, host="x"), NOW))
    assert await db.read(lambda conn: trunks.get(conn, vault, TRUNK.name)) == TRUNK


async def test_a_trunk_is_replaced_whole(db: Database, vault: Vault) -> None:
    await db.write(lambda conn: trunks.add(conn, vault, TRUNK, NOW))
    changed = replace(FULL, name=TRUNK.name)

    await db.write(lambda conn: trunks.replace(conn, vault, changed, NOW))

    assert await db.read(lambda conn: trunks.get(conn, vault, TRUNK.name)) == changed


async def test_a_trunk_with_numbers_stays(db: Database, vault: Vault) -> None:
    await stocked(db, vault)

    with pytest.raises(TrunkInUse):
        await db.write(lambda conn: trunks.remove(conn, TRUNK.name))
    assert await db.read(lambda conn: trunks.get(conn, vault, TRUNK.name)) == TRUNK


async def test_what_is_not_there_is_said_so(db: Database, vault: Vault) -> None:
    assert await db.read(lambda conn: trunks.get(conn, vault, "none")) is None
    with pytest.raises(UnknownTrunk):
        await db.write(lambda conn: trunks.replace(conn, vault, TRUNK, NOW))
