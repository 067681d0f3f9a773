"""A process killed in the middle of writing: what it answered is there, and nothing by halves."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, text

from storage import open_database
from storage.schema import leases, participants, sessions
from tests.support.storage import a_vault, opened, stocked

_ROOT = Path(__file__).parents[3]


def left_behind(conn: Connection) -> tuple[set[str], set[int], set[int]]:
    """Ids of sessions, and how many participants and leases they have."""
    ids = set(conn.execute(select(sessions.c.id)).scalars())
    sides = select(func.count()).select_from(sessions)
    people = sides.outerjoin(participants).group_by(sessions.c.id)
    places = sides.outerjoin(leases).group_by(sessions.c.id)
    return ids, set(conn.execute(people).scalars()), set(conn.execute(places).scalars())


@pytest.mark.parametrize("after", [1, 40, 400])
async def test_what_was_answered_before_the_kill_is_there_and_whole(url: str, after: int) -> None:
    database = open_database(url)
    try:
        await stocked(database, a_vault(), 1000)
        writer = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.integration.storage.creator", url, "1", "2500"),
            cwd=_ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert writer.stdout is not None
        answered: list[str] = []
        async with asyncio.timeout(60):
            while len(answered) < after:
                line = await writer.stdout.readline()
                assert line, "it ended before it was killed"
                answered.append(line.decode().strip())
            writer.kill()
            rest = (await writer.stdout.read()).decode()
            await writer.wait()
        answered += [line for line in rest.split("\n")[:-1] if line]  # the last may be torn

        ids, people, places = await database.read(left_behind)
        assert set(answered) - {"exhausted"} <= ids
        assert (people, places) == ({2}, {2})
        if url.startswith("sqlite"):
            check = await database.read(
                lambda conn: conn.execute(text("PRAGMA integrity_check")).scalars().all()
            )
            assert list(check) == ["ok"]
        assert (await opened(database, a_vault())).leases, "and it goes on"
    finally:
        await database.close()
