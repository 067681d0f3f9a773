"""A process that turns the crank of a rotation until it is done: DATABASE_URL KEY_FILE."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from maskline.vault_keeper import KeeperSettings, VaultKeeper
from storage import open_database, rotation
from storage.rotation import State
from storage.vault import Vault


async def main(url: str, path: str) -> None:
    db = open_database(url)
    settings = KeeperSettings("child", settled=timedelta(0), every_s=0.01)
    keeper = VaultKeeper(db, Vault.from_file(Path(path)), lambda: datetime.now(UTC), settings)
    print("begun", flush=True)
    while True:
        await keeper.turn()
        last = await db.read(rotation.last)
        if last is not None and last.state is State.DONE:
            break
        await asyncio.sleep(0.01)
    await db.close()


asyncio.run(main(*sys.argv[1:]))
