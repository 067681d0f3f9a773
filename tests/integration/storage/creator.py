"""A process that opens sessions as fast as it can and says which, for tests to race and kill.

Arguments: the database's URL, a number that makes its ids its own, how many sessions. Every buyer
is new; the sellers are three. Prints the id of each session once its write was answered, and
``exhausted`` for each that was refused.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from masking.errors import PoolExhausted
from masking.ids import session_id
from masking.model import Role
from storage import open_database, sessions
from tests.support.storage import NOW, a_draft, a_person, a_vault

_AT_ONCE = 8


async def main(url: str, who: int, count: int) -> None:
    database, vault = open_database(url), a_vault()
    numbers = iter(range(count))

    async def create() -> None:
        for n in numbers:
            new_id = session_id(NOW, bytes([who]) + n.to_bytes(9, "big"))
            seller = replace(a_person(Role.SELLER, n % 3), user_id=f"seller-{n % 3}")
            draft = a_draft(a_person(Role.BUYER, who * 100_000 + n), seller)
            try:
                await database.write(
                    lambda conn, new_id=new_id, draft=draft, n=n: sessions.open_session(  # type: ignore[misc]
                        conn, vault, draft, now=NOW, session_id=new_id, rotation=n
                    )
                )
            except PoolExhausted:
                print("exhausted", flush=True)
            else:
                print(new_id, flush=True)

    async with asyncio.TaskGroup() as creators:
        for _ in range(_AT_ONCE):
            creators.create_task(create())
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
