"""A Redis of the test's own, on a socket file, which can be stopped and begun anew."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import asyncio as redis


@dataclass
class RedisServer:
    """The server whose data are in `folder`."""

    folder: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"unix://{self.folder / 'redis.sock'}"

    async def start(self) -> None:
        """Return once it answers."""
        self.process = await asyncio.create_subprocess_exec(
            "redis-server",
            *("--port", "0", "--unixsocket", str(self.folder / "redis.sock")),
            *("--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                with suppress(redis.ConnectionError, redis.BusyLoadingError):
                    await self.ask(lambda client: client.ping())
                    return
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """As a crash does."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def ask(self, question: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401
        """What Redis answers."""
        client = redis.Redis.from_url(self.url)
        try:
            return await question(client)
        finally:
            await client.aclose()


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[RedisServer]:
    """A running one; where Redis is not installed the test is skipped."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    made = RedisServer(folder)
    await made.start()
    try:
        yield made
    finally:
        await made.kill()
