"""Many who open sessions at once never share a place, and use up a pool to its last number."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from masking.errors import PoolExhausted
from masking.ids import session_id
from masking.lifecycle import RECYCLED
from masking.model import Pool, Role, Session
from masking.rules import Exhausted, NumberRules, PoolRules, Stranger, StrangerRules
from storage import Database, migrate, numbers, open_database
from storage.database import Limits
from storage.opening import open_session
from storage.schema import leases, participants, sessions
from tests.support.storage import NOW, a_draft, a_person, a_vault, leases_of, opened, stocked

_ROOT = Path(__file__).parents[3]


def places(conn: Connection) -> list[tuple[str, int]]:
    """Who holds which number, of the sellers."""
    of_sellers = (participants.c.session_id == leases.c.session_id) & (
        participants.c.position == leases.c.position
    )
    query = select(participants.c.user_id, leases.c.number_id).join(leases, of_sellers)
    rows = conn.execute(query.where(participants.c.role == "seller", leases.c.active))
    return [(row.user_id, row.number_id) for row in rows]


async def opened_or_refused(
    db: Database, buyer: int, rotation: int, now: datetime = NOW
) -> Session | None:
    draft = a_draft(a_person(Role.BUYER, buyer), a_person(Role.SELLER, 1))
    new_id = session_id(now, buyer.to_bytes(10, "big"))
    secret = hashlib.sha256(new_id.encode()).digest()

    def work(conn: Connection) -> Session:
        return open_session(
            conn,
            a_vault(),
            draft,
            now=now,
            session_id=new_id,
            rotation=rotation,
            secret=secret,
        )

    try:
        return await db.write(work)
    except PoolExhausted:
        return None


async def test_creators_for_one_seller_get_every_number_of_the_pool_and_no_more(url: str) -> None:
    size, wanted = 24, 40
    databases = [open_database(url, Limits(connections=8)) for _ in range(2)]
    try:
        await stocked(databases[0], a_vault(), size)
        answers = await asyncio.gather(  # all of them begin at the same number
            *(opened_or_refused(databases[n % 2], n, rotation=0) for n in range(wanted))
        )
    finally:
        for database in databases:
            await database.close()

    there = [session for session in answers if session is not None]
    assert len(there) == size, "refused while a number was left, or served beyond the last"
    bound = leases_of(there)
    assert len(set(bound)) == len(bound) == 2 * size


async def test_creators_share_a_number_out_without_sharing_a_place(url: str) -> None:
    rules = NumberRules(exhausted=Exhausted.EXTENSION, extension_length=2)
    databases = [open_database(url, Limits(connections=8)) for _ in range(2)]
    try:
        await with_rules(databases[0], 2, PoolRules(rules, StrangerRules(unknown=Stranger.PIN)))
        answers = await asyncio.gather(
            *(opened_or_refused(databases[n % 2], n, rotation=0) for n in range(30))
        )
    finally:
        for database in databases:
            await database.close()

    there = [session for session in answers if session is not None]
    assert len(there) == 30
    sellers = [lease for session in there for lease in session.leases if lease.role is Role.SELLER]
    assert len({(lease.number.id, lease.extension) for lease in sellers}) == 30
    pins = [(lease.number.id, lease.pin) for session in there for lease in session.leases]
    assert len(set(pins)) == 60


async def test_one_session_gives_way_to_one_creator_only(url: str) -> None:
    """Eight wait for the places of eight idle sessions: each gets one, the ninth none."""
    rules = NumberRules(exhausted=Exhausted.RECYCLE_IDLE, recycle_after=timedelta(hours=3))
    databases = [open_database(url, Limits(connections=8)) for _ in range(2)]
    later = NOW + timedelta(hours=4)
    try:
        await with_rules(databases[0], 8, PoolRules(rules))
        old = [await opened_or_refused(databases[0], n, rotation=n) for n in range(8)]
        new = await asyncio.gather(
            *(opened_or_refused(databases[n % 2], 100 + n, rotation=0, now=later) for n in range(9))
        )
        closed = await databases[0].read(recycled)
    finally:
        for database in databases:
            await database.close()

    there = [session for session in new if session is not None]
    assert len(there) == 8
    reasons = [dict(lease.why) for session in there for lease in session.leases]
    taken = [why["of"] for why in reasons if why["by"] == "recycled"]
    assert sorted(taken) == sorted(session.id for session in old if session) == sorted(closed)


async def with_rules(database: Database, size: int, rules: PoolRules) -> None:
    await stocked(database, a_vault(), size)
    await database.write(lambda conn: numbers.put_pool(conn, Pool("default", rules=rules), NOW))


def recycled(conn: Connection) -> list[str]:
    query = select(sessions.c.id).where(sessions.c.closed_why == RECYCLED)
    return list(conn.execute(query).scalars())


async def test_crossed_pairs_do_not_wait_for_each_other_for_ever(url: str) -> None:
    """Each person is buyer in some sessions and seller in others: locks are taken both ways."""
    database = open_database(url, Limits(connections=8))
    people = 4
    try:
        await stocked(database, a_vault(), 12)

        async def one(n: int) -> Session:
            first, second = n % people, (n + 1 + n // people % (people - 1)) % people
            buyer, seller = a_person(Role.BUYER, first), a_person(Role.BUYER, second)
            named = type(seller)(Role.SELLER, seller.user_id, seller.phone, seller.card)
            return await opened(database, a_vault(), a_draft(buyer, named))

        there = await asyncio.gather(*(one(n) for n in range(24)))
    finally:
        await database.close()

    bound = leases_of(there)
    assert len(set(bound)) == len(bound) == 48


async def start(url: str, who: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.storage.creator", url, str(who), "150"),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def test_processes_share_a_database_without_sharing_a_place(url: str) -> None:
    size = 60
    database = open_database(url)
    try:
        await stocked(database, a_vault(), size)
        running = [await start(url, who) for who in (1, 2)]
        async with asyncio.timeout(100):
            said = [(await process.communicate())[0].decode() for process in running]
        assert [process.returncode for process in running] == [0, 0]
        answers = Counter(line for out in said for line in out.split())
        held = await database.read(places)
    finally:
        await database.close()

    # 300 sessions were wanted with three sellers, of whom each can hold 60 numbers.
    assert answers.pop("exhausted") == 300 - 3 * size
    assert len(answers) == 3 * size
    assert set(answers.values()) == {1}
    assert len(set(held)) == len(held) == 3 * size


async def test_two_processes_may_migrate_and_write_at_once(tmp_path: Path) -> None:
    """What two instances do when somebody starts both on one new file."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    await asyncio.gather(migrate(url), migrate(url))
    databases = [open_database(url) for _ in range(2)]
    try:
        await stocked(databases[0], a_vault(), 4)
        there = [await opened(databases[n % 2], a_vault(), rotation=n) for n in range(4)]
    finally:
        for database in databases:
            await database.close()

    assert len(set(leases_of(there))) == 8
