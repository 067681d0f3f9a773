"""The same request twice has one effect and one answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from storage import Database, blocks, idempotency
from storage.idempotency import KEEP, STALE, Claim, Fresh, InFlight, Mismatch, Replay
from tests.support.storage import NOW

HASH = b"h" * 16


async def claim(
    db: Database, key: str = "k", request: bytes = HASH, after: timedelta = timedelta(0)
) -> Claim:
    return await db.write(lambda conn: idempotency.claim(conn, "key_1", key, request, NOW + after))


async def settle(db: Database, body: str = '{"id":1}') -> None:
    await db.write(lambda conn: idempotency.settle(conn, "key_1", "k", 201, body))


async def test_a_request_is_fresh_then_answered_from_memory(db: Database) -> None:
    assert await claim(db) == Fresh()
    await settle(db)

    assert await claim(db) == Replay(201, '{"id":1}')
    assert await claim(db, key="other") == Fresh()


async def test_two_platforms_never_meet_in_a_key(db: Database) -> None:
    await claim(db)

    other = await db.write(lambda conn: idempotency.claim(conn, "key_2", "k", b"x" * 16, NOW))

    assert other == Fresh()


async def test_another_request_under_the_same_key_is_a_mismatch(db: Database) -> None:
    await claim(db)
    assert await claim(db, request=b"x" * 16) == Mismatch()
    await settle(db)

    assert await claim(db, request=b"x" * 16) == Mismatch()


async def test_a_claim_that_is_not_settled_is_in_flight_until_it_is_stale(db: Database) -> None:
    await claim(db)

    assert await claim(db, after=STALE - timedelta(milliseconds=1)) == InFlight()
    assert await claim(db, after=STALE) == Fresh()
    assert await claim(db, after=STALE) == InFlight()


async def test_a_released_claim_may_be_made_again_but_an_answer_stays(db: Database) -> None:
    await claim(db)
    await db.write(lambda conn: idempotency.release(conn, "key_1", "k"))
    assert await claim(db) == Fresh()
    await settle(db)

    await db.write(lambda conn: idempotency.release(conn, "key_1", "k"))

    assert await claim(db) == Replay(201, '{"id":1}')


async def test_answers_are_kept_a_day(db: Database) -> None:
    await claim(db)
    await settle(db)
    assert await claim(db, after=KEEP - timedelta(seconds=1)) == Replay(201, '{"id":1}')

    assert await claim(db, after=KEEP, request=b"x" * 16) == Fresh()


async def test_effect_and_answer_are_one(db: Database) -> None:
    class Crashed(Exception):
        pass

    def work(conn: Connection) -> None:
        idempotency.claim(conn, "key_1", "k", HASH, NOW)
        blocks.block(conn, "u", "v", None, NOW)
        idempotency.settle(conn, "key_1", "k", 201, "{}")
        raise Crashed

    with pytest.raises(Crashed):
        await db.write(work)

    assert await claim(db) == Fresh()
    assert (await db.read(blocks.page)).items == ()


async def test_of_many_at_once_one_is_fresh_and_the_rest_get_its_answer(db: Database) -> None:
    effects: list[int] = []

    async def request(n: int) -> str:
        def work(conn: Connection) -> tuple[str, bool]:
            match idempotency.claim(conn, "key_1", "k", HASH, NOW):
                case Fresh():
                    idempotency.settle(conn, "key_1", "k", 201, str(n))
                    return str(n), True
                case Replay(_, body):
                    return body, False
                case other:
                    raise AssertionError(other)

        body, fresh = await db.write(work)
        if fresh:
            effects.append(n)
        return body

    answers = await asyncio.gather(*(request(n) for n in range(16)))

    assert len(effects) == 1
    assert set(answers) == {str(effects[0])}


async def test_the_sweep_forgets_what_is_old_in_portions(db: Database) -> None:
    for n in range(5):
        await claim(db, key=f"k{n}", after=timedelta(seconds=n))
    await claim(db, key="young", after=KEEP)
    at = NOW + KEEP + timedelta(seconds=3)

    swept = [await db.write(lambda conn: idempotency.sweep(conn, at, at_most=3)) for _ in "abc"]

    assert swept == [3, 1, 0]
