"""A process of our own that answers questions over its standard input and output, one at a time.

Started when it is asked first, killed when it is silent for too long, started anew after it died.
Once nobody holds its input it ends by itself, so that a killed asker leaves nothing behind. What
goes over the pipe is bytes, each message behind its length; what they mean is the two sides' own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_ROOT: Final = Path(__file__).parents[1]
_LENGTH: Final = 4  # bytes that say how many follow
_CLOSE_S: Final = 2.0
LONGEST: Final = 64 * 1024 * 1024


class ChildFailed(Exception):
    """It died, was silent for too long, or said what cannot be understood."""


class Child:
    """One child, one question at a time."""

    def __init__(self, *argv: str) -> None:
        self._argv = argv
        self._process: Process | None = None

    @classmethod
    def module(cls, name: str) -> Child:
        """Of a module of ours that runs `serve`."""
        return cls(sys.executable, "-m", name)

    @property
    def running(self) -> bool:
        """Whether it could be asked without being started."""
        return self._process is not None and self._process.returncode is None

    async def ask(self, question: bytes, deadline_s: float) -> bytes:
        """Its answer. Raises ChildFailed; it is gone then, and the next question starts another."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._ask(question)
        except (TimeoutError, OSError, EOFError, ValueError):
            await self._kill()
            raise ChildFailed from None
        except BaseException:
            await self._kill()  # half an answer would be taken for the next one
            raise

    async def close(self) -> None:
        """Let it end."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await process.wait()
        await self._kill()

    async def _ask(self, question: bytes) -> bytes:
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(question).to_bytes(_LENGTH, "big"))
        process.stdin.write(question)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(_LENGTH), "big")
        if length > LONGEST:
            raise ValueError
        return await process.stdout.readexactly(length)

    async def _started(self) -> Process:
        if not self.running:
            await self._kill()
            path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=PIPE,
                stdout=PIPE,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # a Ctrl-C is for the one that asks
            )
        assert self._process is not None
        return self._process

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        assert process.stdin is not None
        process.stdin.close()


def serve(answer: Callable[[bytes], bytes]) -> None:
    """As a child: answer what is asked, until nobody is there to ask."""
    for question in _questions(sys.stdin.buffer):
        said = answer(question)
        sys.stdout.buffer.write(len(said).to_bytes(_LENGTH, "big"))
        sys.stdout.buffer.write(said)
        sys.stdout.buffer.flush()


def _questions(source: BinaryIO) -> Iterator[bytes]:
    while len(head := source.read(_LENGTH)) == _LENGTH:
        length = int.from_bytes(head, "big")
        question = source.read(length)
        if len(question) < length:
            return
        yield question
