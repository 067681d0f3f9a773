"""Processes that are killed and started again, as a supervisor of services would."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

AGAIN_S = 0.5  # after a process ended by itself


class Part:
    """One process; `async with` keeps it running, whatever ends it."""

    def __init__(
        self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self._argv = argv
        self._log = log
        self._env = env
        self._process: asyncio.subprocess.Process | None = None
        self._allowed = asyncio.Event()
        self._allowed.set()
        self._said = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self.starts = 0

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """SIGTERM, and SIGKILL if that takes long."""
        assert self._keeper is not None
        self._keeper.cancel()
        await asyncio.wait((self._keeper,))
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(40):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Until it has said its first line."""
        async with asyncio.timeout(timeout_s):
            await self._said.wait()

    async def strike(self, for_s: float) -> None:
        """SIGKILL; it stays away for so long."""
        self._allowed.clear()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await asyncio.sleep(for_s)
        self._allowed.set()

    async def _keep(self) -> None:
        while True:
            await self._allowed.wait()
            self.starts += 1
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    env=None if self._env is None else dict(self._env),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                )
            assert self._process.stdout is not None
            while line := await self._process.stdout.readline():
                if line.startswith((b"ready", b"listening")):
                    self._said.set()
            await self._process.wait()
            await asyncio.sleep(AGAIN_S)


async def hold(pid: int, for_s: float) -> None:
    """Stop a process with all that it began, and let them go on."""
    stopped: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        stopped = [parent, *parent.children(recursive=True)]
    _send(stopped, signal.SIGSTOP)
    await asyncio.sleep(for_s)
    _send(stopped, signal.SIGCONT)


def _send(processes: Sequence[psutil.Process], number: int) -> None:
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, number)
