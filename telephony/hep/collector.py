"""Takes a node's HEP from a UDP socket on loopback, and hands on what belongs to calls.

It must never hold anything up: Asterisk never waits for a datagram to be read, and what comes in is
read in small lots between which everybody else has a turn. Where it comes faster than that, or
cannot be written, it is dropped and counted: a ladder with a gap is better than a call with one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from telephony.errors import PortTaken, TelephonyError
from telephony.hep.codec import LONGEST, decode
from telephony.hep.dialogs import Dialogs, Exchange

__all__ = ["Collector", "CollectorCounters", "Write", "hep_listener", "pause_after"]

HOST: Final = "127.0.0.1"
LOT: Final = 32  # datagrams that are read before others have a turn
PAUSE_S: Final = 0.05  # between readings: what comes meanwhile waits in the kernel
# Where the kernel has room for that: many messages are read at a time for a third of the CPU that
# a few take each. We take it for code that has left the processor's caches.
LONG_PAUSE_S: Final = 0.5
BUSY_S: Final = 0.01  # where so much had come that the next time there may be no room
MANY_LOTS: Final = 16  # that is so much, where there is room for a long pause; else one lot
MOST_LOTS_LEFT: Final = 256  # that are read at the end: more than the kernel has room for
EVERY_S: Final = 1.0  # between writings
LONG_EVERY_S: Final = 4.0  # where much is written: many rows at a time cost a third of a few
MUCH: Final = 20  # exchanges a second
ROWS: Final = 200  # of one writing
WRITE_S: Final = 10.0
MOST_UNWRITTEN: Final = 20_000  # exchanges
_TIDY_EVERY_S: Final = 5.0
_BUFFER: Final = 4 * 1024 * 1024
_ROOMY: Final = 4 * 1024 * 1024  # bytes: a long pause of 200 set-ups a second
_FORCE: Final = 33  # SO_RCVBUFFORCE: more than others may have, for those who may
_OVERFLOWS: Final = 40  # SO_RXQ_OVFL: the kernel says with a datagram how many it let go of
_ROOM_FOR_COUNT: Final = 64

Write = Callable[[Sequence[Exchange]], Awaitable[None]]
"""Keeps them, all or none; whatever it raises, they are tried again."""


def hep_listener(port: int) -> socket.socket:
    """Take the port, with as much room for what waits as the kernel gives. Raises PortTaken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _FORCE, _BUFFER)
        except OSError:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _OVERFLOWS, 1)
        listener.bind((HOST, port))
        listener.setblocking(False)  # noqa: FBT003 - the socket's own interface
    except OSError as error:
        listener.close()
        raise PortTaken("HEP", HOST, port, "it is in use") from error
    return listener


def pause_after(exchanges: int, seconds: float) -> float:
    """How long to gather for the next writing, seconds, where so many came within the last."""
    return LONG_EVERY_S if exchanges >= MUCH * seconds else EVERY_S


@dataclass(slots=True)
class CollectorCounters:
    """Datagrams, by what became of them, and exchanges that could not be kept."""

    heard: int = 0
    refused: int = 0  # not HEP, or not of this node
    overflowed: int = 0  # let go of by the kernel, for we were too slow
    lost: int = 0  # messages that could not be written, and there was no room to wait


class Collector:
    """One node's. `run` must be somebody's task."""

    def __init__(
        self,
        listener: socket.socket,
        dialogs: Dialogs,
        write: Write,
        *,
        secret: str,
        now_us: Callable[[], int],
        on_error: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        """`now_us`: microseconds since 1970, by the clock that the node has."""
        self._listener = listener
        self._dialogs = dialogs
        self._write = write
        self._secret = secret.encode()
        self._now_us = now_us
        self._on_error = on_error
        self._unwritten: list[Exchange] = []
        room = listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self._pause_s, self._many = (LONG_PAUSE_S, MANY_LOTS) if room >= _ROOMY else (PAUSE_S, 1)
        self.counters = CollectorCounters()

    async def run(self) -> NoReturn:
        """Read and write until cancelled; what is held then is written, if that is soon done."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        writer = asyncio.create_task(self._keep_writing(), name="sip-ladder-writer")
        loop.add_reader(self._listener, ready.set)
        try:
            while True:
                await ready.wait()
                loop.remove_reader(self._listener)
                lots = 0
                while self._lot():
                    lots += 1
                    await asyncio.sleep(0)
                ready.clear()
                await asyncio.sleep(self._pause_s if lots < self._many else BUSY_S)
                if writer.done():
                    writer.result()
                loop.add_reader(self._listener, ready.set)
        finally:
            loop.remove_reader(self._listener)
            writer.cancel()
            await asyncio.wait([writer])
            for _ in range(MOST_LOTS_LEFT):  # what has come since the last reading
                if not self._lot():
                    break
            self._listener.close()
            await self._write_what_is_due(all_of_it=True)
        raise asyncio.CancelledError

    def _lot(self) -> bool:
        """Read some; whether there may be more."""
        for _ in range(LOT):
            try:
                datagram, extra, _, _ = self._listener.recvmsg(LONGEST, _ROOM_FOR_COUNT)
            except (BlockingIOError, InterruptedError):
                return False
            self.counters.heard += 1
            for level, kind, data in extra:
                if level == socket.SOL_SOCKET and kind == _OVERFLOWS:
                    self.counters.overflowed = int.from_bytes(data[:4], sys.byteorder)
            try:
                packet = decode(datagram, self._secret)
            except TelephonyError:
                self.counters.refused += 1
            else:
                self._dialogs.heard(packet)
        return True

    async def _keep_writing(self) -> NoReturn:
        pause_s, tidied_s = EVERY_S, 0.0
        while True:
            await asyncio.sleep(pause_s)
            came = await self._write_what_is_due()
            tidied_s += pause_s
            if tidied_s >= _TIDY_EVERY_S:
                tidied_s = 0.0
                self._dialogs.tidy(self._now_us())
            pause_s = pause_after(came, pause_s)

    async def _write_what_is_due(self, *, all_of_it: bool = False) -> int:
        """How many exchanges were due."""
        number = 0
        due = self._dialogs.due(self._now_us(), all_of_it=all_of_it)
        for number, exchange in enumerate(due, start=1):
            if len(self._unwritten) >= MOST_UNWRITTEN:
                self.counters.lost += len(exchange.messages)
            else:
                self._unwritten.append(exchange)
            if number % LOT == 0 and not all_of_it:
                await asyncio.sleep(0)
        while self._unwritten:
            some = self._unwritten[:ROWS]
            try:
                async with asyncio.timeout(WRITE_S):
                    await self._write(some)
            except Exception as error:  # noqa: BLE001 - no call depends on it: the next round tries
                self._on_error(error)
                return number
            del self._unwritten[: len(some)]
        return number
