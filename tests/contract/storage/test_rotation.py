"""The vault's key is rotated while others write; whoever dies, at any step, loses nothing."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, func, select

from masking.model import Role
from maskline.vault_keeper import KeeperSettings, VaultKeeper
from storage import Database, audit, key_file, rotation, sessions
from storage.errors import RotationUnderWay, VaultKeyUnusable
from storage.personal import sealed_columns
from storage.rotation import Reader, State
from storage.schema import participants
from storage.vault import Vault, read_keys
from tests.support.mortal import Killed, Mortal
from tests.support.storage import NOW, a_draft, a_person, opened, stocked

T = TypeVar("T")
_SETTINGS = KeeperSettings("here 1", settled=timedelta(0), every_s=0.01)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.from_file(tmp_path / "vault.key")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def path_of(vault: Vault) -> Path:
    assert vault.path is not None
    return vault.path


async def populated(db: Database, vault: Vault, count: int = 6) -> None:
    await stocked(db, vault, 20)
    for n in range(count):
        draft = a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n), conversation=f"c{n}")
        await opened(db, vault, draft, now=NOW)


async def begun(db: Database, vault: Vault) -> int:
    key = key_file.publish(path_of(vault))
    await db.write(lambda conn: rotation.begin(conn, key, NOW))
    return key


async def phones(db: Database, vault: Vault) -> list[str]:
    def work(conn: Connection) -> list[str]:
        sealed = conn.scalars(select(participants.c.phone_sealed)).all()
        return sorted(vault.open(one) for one in sealed)

    return await db.read(work)


async def keys_in_use(db: Database) -> set[int]:
    found = await db.read(rotation.census)
    return {key for counted in found.values() for key in counted}


async def finished(db: Database, keeper: VaultKeeper) -> rotation.Rotation:
    async with asyncio.timeout(20):
        while True:
            await keeper.turn()
            last = await db.read(rotation.last)
            assert last is not None
            if last.state is State.DONE:
                return last
            await asyncio.sleep(0.01)


async def test_everything_is_sealed_anew_and_the_old_key_is_gone(
    db: Database, vault: Vault
) -> None:
    await populated(db, vault)
    before = await phones(db, vault)
    old = path_of(vault).read_text()

    key = await begun(db, vault)
    done = await finished(db, VaultKeeper(db, vault, Clock(), _SETTINGS))

    assert key == 2
    assert await keys_in_use(db) == {2}
    assert await phones(db, vault) == before
    assert await phones(db, Vault.from_file(path_of(vault))) == before
    assert set(read_keys(path_of(vault)).sealing) == {2}
    assert old.splitlines()[2] not in path_of(vault).read_text()
    assert done.proof is not None
    assert done.proof["participants.phone_sealed"] == 12
    assert set(done.proof) == {one.name for one in sealed_columns()}
    assert done.resealed == 12
    assert path_of(vault).stat().st_mode & 0o777 == 0o600


async def test_a_process_that_does_not_know_the_key_yet_is_waited_for(
    db: Database, vault: Vault
) -> None:
    await populated(db, vault, 1)
    other = Reader("there 2", frozenset({1}), 1)
    await db.write(lambda conn: rotation.report(conn, other, NOW))
    await begun(db, vault)
    keeper = VaultKeeper(db, vault, Clock(), _SETTINGS)

    await keeper.turn()

    last = await db.read(rotation.last)
    assert last is not None
    assert last.state is State.PUBLISHED
    assert last.waits_for == "the new key is not known to there 2"
    assert vault.current == 1, "nobody seals with what somebody cannot open"

    knows = Reader("there 2", frozenset({1, 2}), 1)
    await db.write(lambda conn: rotation.report(conn, knows, NOW))
    await keeper.turn()
    last = await db.read(rotation.last)
    assert last is not None
    assert (last.state, vault.current) == (State.SWITCHED, 2)
    assert last.waits_for == "the new key is not used by there 2"
    await db.write(lambda conn: rotation.leave(conn, "there 2"))
    assert (await finished(db, keeper)).state is State.DONE


async def test_a_process_that_has_not_looked_opens_what_another_sealed(
    db: Database, vault: Vault
) -> None:
    late = Vault.from_file(path_of(vault))
    key_file.use(path_of(vault), key_file.publish(path_of(vault)))
    vault.refresh()
    phone = a_person(Role.BUYER, 1).phone
    assert phone is not None
    sealed = vault.seal(phone)
    assert sealed[0] == 2
    async with asyncio.timeout(5):
        while late.current == 1:  # it looks at most every 0.2 s
            await asyncio.sleep(0.21)
            assert late.open(sealed) == phone


async def test_event_rows_that_are_not_read_yet_keep_the_old_key(
    db: Database, vault: Vault, tmp_path: Path
) -> None:
    await populated(db, vault, 1)
    spool = tmp_path / "spool"
    spool.mkdir()
    phone = a_person(Role.BUYER, 7).phone
    assert phone is not None
    who = urlsafe_b64encode(vault.seal(phone)).rstrip(b"=").decode()
    (spool / "events.jsonl").write_text(f'{{"userdeftype":"REFUSE;who={who};cause=1"}}\n')
    settings = KeeperSettings("here 1", settled=timedelta(0), every_s=0.01, node="n1", spool=spool)
    keeper = VaultKeeper(db, vault, Clock(), settings)
    await begun(db, vault)

    for _ in range(5):
        await keeper.turn()

    last = await db.read(rotation.last)
    assert last is not None
    assert last.state is State.DRAINING
    assert last.waits_for == "unread event rows of n1 are sealed with an older key"
    assert vault.known == {1, 2}
    (spool / "events.jsonl").unlink()
    await finished(db, keeper)
    assert vault.known == {2}


async def test_writers_go_on_and_nothing_of_theirs_is_lost(db: Database, vault: Vault) -> None:
    await populated(db, vault, 4)
    await begun(db, vault)
    keeper = VaultKeeper(db, vault, Clock(), _SETTINGS)

    async def write() -> None:
        for n in range(4, 16):
            draft = a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n), conversation=f"c{n}")
            await opened(db, vault, draft)
            await asyncio.sleep(0.002)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        tasks.create_task(finished(db, keeper))

    assert await keys_in_use(db) == {2}
    assert len(await phones(db, vault)) == 32


class Dying:
    """A database whose `at`-th write kills the process: before it is kept, or after."""

    def __init__(self, db: Database, at: int, *, kept: bool) -> None:
        self._db, self._left, self._kept = db, at, kept

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._db.read(work)

    look_up = read

    def peek(self, work: Callable[[Connection], T]) -> T:
        return self._db.peek(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        self._left -= 1
        if self._left == 0 and not self._kept:
            raise SystemError("killed")
        done = await self._db.write(work)
        if self._left == 0:
            raise SystemError("killed")
        return done

    async def close(self) -> None:
        """Nobody closes a process that is killed."""


async def test_killed_at_every_write_it_goes_on_where_it_was(db: Database, vault: Vault) -> None:
    await populated(db, vault, 3)
    before = await phones(db, vault)
    await begun(db, vault)
    deaths = 0
    for at in range(1, 40):
        dying = Dying(db, 1 + at % 3, kept=at % 2 == 0)
        try:
            keeper = VaultKeeper(dying, Vault.from_file(path_of(vault)), Clock(), _SETTINGS)
            await keeper.turn()
        except SystemError:
            deaths += 1
    assert deaths > 10
    await finished(db, VaultKeeper(db, vault, Clock(), _SETTINGS))
    assert await keys_in_use(db) == {2}
    assert await phones(db, vault) == before


async def test_killed_at_every_statement_it_is_run_again_and_ends(
    db: Database, vault: Vault
) -> None:
    """Each step is tried until it is through, dying one moment later every time."""
    await populated(db, vault, 2)
    before = await phones(db, vault)
    await begun(db, vault)
    mortal, clock = Mortal(db), Clock()
    deaths, moment = 0, 1
    last = await db.read(rotation.last)
    while last is not None and last.state is not State.DONE:
        mortal.live(moment)
        reborn = Vault.from_file(path_of(vault))
        with suppress(Killed):
            await VaultKeeper(mortal, reborn, clock, _SETTINGS).turn()
        deaths += mortal.died
        was, last = last, await db.read(rotation.last)
        moment = 1 if last != was else moment + 1
        assert await phones(db, Vault.from_file(path_of(vault))) == before

    assert deaths > 200
    assert last is not None
    assert (last.resealed, last.broken, last.passes) == (4, 0, 2)
    assert await keys_in_use(db) == {2}
    assert set(read_keys(path_of(vault)).sealing) == {2}
    entered = await db.read(
        lambda conn: audit.page(conn, audit.Filter(action=audit.Action.KEYS_ROTATED), limit=9)
    )
    assert len(entered.items) == 1


async def test_one_after_the_other(db: Database, vault: Vault) -> None:
    await populated(db, vault, 2)
    await begun(db, vault)
    with pytest.raises(RotationUnderWay):
        await begun(db, vault)
    keeper = VaultKeeper(db, vault, Clock(), _SETTINGS)
    await finished(db, keeper)
    assert await begun(db, vault) == 3
    await finished(db, keeper)
    assert await keys_in_use(db) == {3}


async def test_what_no_key_opens_is_counted_and_left(db: Database, vault: Vault) -> None:
    await populated(db, vault, 2)

    def spoil(conn: Connection) -> None:
        one = conn.scalars(select(participants.c.session_id).limit(1)).one()
        conn.execute(
            participants.update()
            .where(participants.c.session_id == one, participants.c.position == 0)
            .values(phone_sealed=b"\x01" + bytes(60))
        )

    await db.write(spoil)
    await begun(db, vault)
    done = await finished(db, VaultKeeper(db, vault, Clock(), _SETTINGS))
    assert (done.resealed, done.broken) == (3, 1)


async def test_a_published_key_that_was_never_used_is_taken_up_again(vault: Vault) -> None:
    first = key_file.publish(path_of(vault))
    assert key_file.publish(path_of(vault)) == first
    with pytest.raises(VaultKeyUnusable):
        key_file.keep_only(path_of(vault), first)
    with pytest.raises(VaultKeyUnusable):
        key_file.use(path_of(vault), 9)


async def test_sessions_can_be_read_at_every_step(db: Database, vault: Vault) -> None:
    await populated(db, vault, 3)
    await begun(db, vault)
    keeper = VaultKeeper(db, vault, Clock(), _SETTINGS)
    async with asyncio.timeout(20):
        while vault.known != {2}:
            await keeper.turn()
            page = await db.read(lambda conn: sessions.page(conn, vault, limit=10, now=NOW))
            assert all(one.phone for found in page.items for one in found.participants)
    count = await db.read(lambda conn: conn.scalar(select(func.count()).select_from(participants)))
    assert count == 6


async def test_a_node_that_died_is_known_to_be_away_though_nobody_waits_for_it(
    db: Database,
) -> None:
    died = Reader("there 1", frozenset({1}), 1, "n0123456789ab")
    await db.write(lambda conn: rotation.report(conn, died, NOW))
    later = NOW + rotation.READER_GONE + timedelta(seconds=30)
    long_after = NOW + rotation.FORGOTTEN + timedelta(seconds=1)

    assert await db.write(lambda conn: rotation.readers(conn, later)) == ()
    assert await db.read(lambda conn: rotation.unheard_s(conn, later)) == {"n0123456789ab": 60.0}
    assert await db.write(lambda conn: rotation.readers(conn, long_after)) == ()
    assert await db.read(lambda conn: rotation.unheard_s(conn, later)) == {}
