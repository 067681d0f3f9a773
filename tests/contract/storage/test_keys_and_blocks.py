"""API keys and blocks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage import Database, blocks, keys
from storage.errors import BadCursor, ConstraintViolated
from storage.keys import ApiKey, KeyRole
from tests.support.storage import NOW

SECRET = keys.new_key(bytes(range(24)))


async def add(db: Database, text: str, n: int = 0) -> ApiKey:
    return await db.write(
        lambda conn: keys.add(
            conn,
            key_hash=keys.hash_key(text),
            role=KeyRole.STAFF,
            name=f"desk {n}",
            now=NOW + timedelta(seconds=n),
        )
    )


async def test_a_key_is_found_by_its_hash_alone(db: Database) -> None:
    added = await add(db, SECRET)

    found = await db.read(lambda conn: keys.by_hash(conn, keys.hash_key(SECRET)))

    assert found == added
    assert (added.role, added.name, added.revoked_at) == (KeyRole.STAFF, "desk 0", None)
    assert SECRET not in repr(added)
    assert await db.read(lambda conn: keys.by_hash(conn, keys.hash_key(SECRET + "x"))) is None


async def test_a_key_is_added_once(db: Database) -> None:
    await add(db, SECRET)

    with pytest.raises(ConstraintViolated):
        await add(db, SECRET)


async def test_a_key_is_revoked_once(db: Database) -> None:
    added = await add(db, SECRET)
    later = NOW + timedelta(hours=1)

    revoked = await db.write(lambda conn: keys.revoke(conn, added.id, later))
    again = await db.write(lambda conn: keys.revoke(conn, added.id, later + timedelta(hours=1)))

    assert revoked is not None
    assert revoked.revoked_at == later
    assert again == revoked
    assert await db.write(lambda conn: keys.revoke(conn, "key_none", NOW)) is None


async def test_keys_are_listed_the_newest_first(db: Database) -> None:
    added = [await add(db, f"mk_{n}", n // 2) for n in range(5)]  # pairs of the same moment
    seen: list[ApiKey] = []
    cursor = None
    for _ in range(3):
        found = await db.read(lambda conn, at=cursor: keys.page(conn, limit=2, cursor=at))  # type: ignore[misc]
        seen += found.items
        cursor = found.next_cursor

    assert cursor is None
    assert seen == sorted(added, key=lambda key: (key.created_at, key.id), reverse=True)


def test_keys_are_long_and_made_of_all_the_entropy() -> None:
    assert SECRET.startswith("mk_")
    assert len(SECRET) == 42
    assert len({keys.new_key(bytes([n]) * 24) for n in range(256)}) == 256
    with pytest.raises(ValueError, match="24 bytes"):
        keys.new_key(b"short")


async def test_a_block_is_kept_once_and_forgotten(db: Database) -> None:
    first = await db.write(lambda conn: blocks.block(conn, "u-2", "u-1", "spam", NOW))
    again = await db.write(
        lambda conn: blocks.block(conn, "u-2", "u-1", "fraud", NOW + timedelta(days=1))
    )
    assert again.created_at == first.created_at
    assert again.reason == "fraud"

    found = await db.read(lambda conn: blocks.page(conn, user_id="u-2"))
    assert found.items == (again,)
    assert await db.write(lambda conn: blocks.unblock(conn, "u-2", "u-1"))
    assert not await db.write(lambda conn: blocks.unblock(conn, "u-2", "u-1"))
    assert (await db.read(blocks.page)).items == ()


async def test_what_two_have_against_each_other_is_found_whoever_is_named_first(
    db: Database,
) -> None:
    pairs = (("u-1", "u-2"), ("u-2", "u-1"), ("u-2", "u-3"))
    for mine, theirs in pairs:
        await db.write(lambda conn, a=mine, b=theirs: blocks.block(conn, a, b, None, NOW))  # type: ignore[misc]

    found = [
        await db.read(lambda conn, a=one, b=other: blocks.between(conn, a, b))  # type: ignore[misc]
        for one, other in (("u-1", "u-2"), ("u-2", "u-1"), ("u-3", "u-2"), ("u-1", "u-3"))
    ]

    named = [[(one.user_id, one.blocked_user_id) for one in each] for each in found]
    assert named == [[*pairs[:2]], [*pairs[:2]], [pairs[2]], []]


async def test_blocks_come_in_pages_the_newest_first(db: Database) -> None:
    for n in range(5):
        await db.write(lambda conn, n=n: blocks.block(conn, "u", f"b-{n}", None, NOW))  # type: ignore[misc]

    first = await db.read(lambda conn: blocks.page(conn, limit=3))
    rest = await db.read(lambda conn: blocks.page(conn, limit=3, cursor=first.next_cursor))

    found = [one.blocked_user_id for one in first.items + rest.items]
    assert found == [f"b-{n}" for n in range(4, -1, -1)]
    with pytest.raises(BadCursor):  # of another list
        await db.read(lambda conn: keys.page(conn, cursor=first.next_cursor))
