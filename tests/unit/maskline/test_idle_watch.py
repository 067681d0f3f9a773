"""A node notes whose sessions have calls: once when one came, once when it was answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from masking.call import State
from masking.model import Pool, Session
from masking.rules import Exhausted, NumberRules, PoolRules
from maskline.idle_watch import POOLS_EVERY, IdleWatch
from storage import Database, migrate, numbers, open_database, sessions
from storage.errors import DatabaseLocked
from telephony.live import LiveCall
from tests.support.storage import NOW, a_vault, opened, stocked

RECYCLES = PoolRules(numbers=NumberRules(exhausted=Exhausted.RECYCLE_IDLE))
SECOND = timedelta(seconds=1)


@dataclass
class Scene:
    """A node with one session's call on it, when a test says so."""

    db: Database
    session: Session
    calls: list[LiveCall] = field(default_factory=list)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.watch = IdleWatch(self.db, lambda: tuple(self.calls), lambda: self.now)

    async def rules(self, rules: PoolRules) -> None:
        pool = Pool("default", rules=rules)
        await self.db.write(lambda conn: numbers.put_pool(conn, pool, NOW))

    def call(self, progress: State) -> None:
        one = LiveCall("cal_1", "n.1", "c", progress, NOW, "carrier-a", session_id=self.session.id)
        self.calls = [one, replace(one, call_id="cal_2", session_id=None)]

    async def look(self) -> datetime | None:
        """Look a second later; when the session had its last call then."""
        self.now += SECOND
        await self.watch.look()
        kept = await self.db.read(lambda conn: sessions.get(conn, None, self.session.id))
        assert kept is not None
        return kept.last_call_at


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    url = f"sqlite:///{tmp_path / 'maskline.db'}"
    await migrate(url)
    db = open_database(url)
    try:
        await stocked(db, a_vault())
        yield Scene(db, await opened(db, a_vault()))
    finally:
        await db.close()


async def test_it_is_noted_when_it_came_and_when_it_was_answered(scene: Scene) -> None:
    await scene.rules(RECYCLES)
    assert await scene.look() is None
    scene.call(State.RINGING)
    assert await scene.look() == NOW + 2 * SECOND
    assert await scene.look() == NOW + 2 * SECOND
    scene.call(State.UP)
    assert await scene.look() == NOW + 4 * SECOND
    assert await scene.look() == NOW + 4 * SECOND


async def test_a_pool_that_recycles_from_now_on_is_found(scene: Scene) -> None:
    scene.call(State.UP)
    assert await scene.look() is None
    await scene.rules(RECYCLES)
    assert await scene.look() is None
    scene.now += POOLS_EVERY
    assert await scene.look() == scene.now


async def test_what_could_not_be_noted_is_noted_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.rules(RECYCLES)
    scene.call(State.UP)

    async def locked(_: object) -> None:
        raise DatabaseLocked

    with monkeypatch.context() as broken:
        broken.setattr(scene.db, "write", locked)
        with pytest.raises(DatabaseLocked):
            await scene.look()
    assert await scene.look() == scene.now
