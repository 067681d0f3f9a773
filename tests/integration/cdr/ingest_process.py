"""An ingester as a process of its own, to be killed: URL, spool folder, node, the time it is."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from cdr.ingest import Ingester, IngestSettings
from storage import open_database
from storage.vault import Vault, VaultKeys


async def main(url: str, spool: str, node: str, now: str) -> None:
    """Follow for at most a minute."""
    at = datetime.fromisoformat(now)
    ingester = Ingester(
        open_database(url),
        Vault(VaultKeys.generate()),
        Path(spool),
        node,
        lambda: at,
        IngestSettings(
            chunk_bytes=16384,
            behind_bytes=16384,
            poll_min_s=0.001,
            poll_max_s=0.01,
            rotate_bytes=100_000,
        ),
    )
    sys.stdout.write("following\n")
    sys.stdout.flush()
    async with asyncio.timeout(60):
        await ingester.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
