"""SIGKILL at any moment of a rotation: the next process goes on, and every phone still opens."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from sqlalchemy import Connection, insert, select

from masking.model import Phone
from storage import key_file, open_database, rotation
from storage.rotation import State
from storage.schema import calls
from storage.vault import Vault, read_keys
from tests.support.storage import NOW

_CHILD = Path(__file__).with_name("rotation_process.py")
_ROOT = Path(__file__).parents[3]
_CALLS = 4000
_DEATHS = 3


def _row(vault: Vault, n: int) -> dict[str, object]:
    phone = Phone(f"+7916{n:07}")
    return {
        "call_id": f"call-{n:06}",
        "node": "n1",
        "linked_id": f"1.{n}",
        "direction": "pstn_in",
        "outcome": "failed",
        "offered_at": NOW,
        "ended_at": NOW,
        "ring_ms": 0,
        "talk_ms": 0,
        "attempts": [],
        "legs": [],
        "recorded_at": NOW,
        "caller_sealed": vault.seal(phone),
        "caller_index": vault.index(phone),
    }


async def _child(url: str, path: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(_CHILD), url, str(path)),
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        env={"PYTHONPATH": str(_ROOT)},
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"begun\n"
    return process


async def test_a_rotation_goes_on_after_sigkill(migrated_sqlite: str, tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    vault = Vault.from_file(path)
    db = open_database(migrated_sqlite)

    def fill(conn: Connection) -> None:
        conn.execute(insert(calls), [_row(vault, n) for n in range(_CALLS)])
        rotation.begin(conn, key_file.publish(path), NOW)

    await db.write(fill)
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    resealed = []
    for _ in range(_DEATHS):
        process = await _child(migrated_sqlite, path)
        await asyncio.sleep(draw.uniform(0.02, 0.25))
        process.kill()
        await process.wait()
        last = await db.read(rotation.last)
        assert last is not None
        resealed.append(last.resealed)
        assert set(read_keys(path).sealing) >= {2}
    process = await _child(migrated_sqlite, path)
    assert await asyncio.wait_for(process.wait(), 60) == 0

    last = await db.read(rotation.last)
    assert last is not None
    assert last.state is State.DONE
    assert resealed == sorted(resealed), "what was done stays done"
    assert last.resealed == _CALLS, "each value once"
    assert (await db.read(rotation.census))["calls.caller_sealed"] == {2: _CALLS}
    after = Vault.from_file(path)

    def opened(conn: Connection) -> set[str]:
        return {after.open(one) for one in conn.scalars(select(calls.c.caller_sealed))}

    assert await db.read(opened) == {f"+7916{n:07}" for n in range(_CALLS)}
    await db.close()
