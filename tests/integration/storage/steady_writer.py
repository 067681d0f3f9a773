"""A process that writes group after group without a pause, for tests to write beside and to kill.

Argument: the database's URL. Prints ``writing`` once a group is kept, and writes until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
import time

from sqlalchemy import Connection

from storage import open_database
from storage.dialect import insert_for
from storage.schema import marks

_AT_ONCE = 64
_WORK_S = 0.001  # so that a group is as long as it may be, and the file free for moments only


def _write(conn: Connection) -> None:
    until = time.perf_counter() + _WORK_S
    insert = insert_for(conn, marks).on_conflict_do_nothing()
    while time.perf_counter() < until:
        conn.execute(insert, {"name": "steady", "value": b"x"})


async def main(url: str) -> None:
    database = open_database(url)

    async def one() -> None:
        while True:
            await database.write(_write)

    async with asyncio.TaskGroup() as writers:
        await database.write(_write)
        for _ in range(_AT_ONCE):
            writers.create_task(one())
        print("writing", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
