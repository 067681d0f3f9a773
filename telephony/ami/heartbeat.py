"""Pings a connection and says when it is dead: no pong in time, and nothing that could hide one.

Knows timers alone. It must never write or read by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from telephony.ami.errors import PingTimeout
from telephony.ami.settings import Limits
from telephony.ami.waiters import Answer

__all__ = ["Heartbeat"]


class Heartbeat:
    """One connection's. `ping` writes one and returns who waits for the answer, None if it cannot.

    `behind`: whether what was received is not yet read. `die` is called with the cause, once.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        ping: Callable[[], asyncio.Future[Answer] | None],
        behind: Callable[[], bool],
        die: Callable[[BaseException], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._ping = ping
        self._behind = behind
        self._die = die
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._reads = 0
        self._read_by_check = 0
        self._pong_due_s = 0.0

    def start(self) -> None:
        """Ping from now on."""
        self._timer = self._loop.call_later(self._limits.ping_every_s, self._beat)

    def stop(self) -> None:
        """No more; the connection is dead."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def received(self) -> None:
        """Bytes came in."""
        self._reads += 1

    def _beat(self) -> None:
        self._pong_due_s = self._loop.time() + self._limits.pong_within_s
        self._read_by_check = self._reads
        self._timer = self._loop.call_at(self._pong_due_s, self._overdue, self._pong_due_s)
        pong = self._ping()  # None: Asterisk does not read, which is as bad as no pong
        if pong is not None:
            pong.add_done_callback(self._answered)

    def _answered(self, pong: asyncio.Future[Answer]) -> None:
        if pong.cancelled() or pong.exception() or self._stopped:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.start()

    def _overdue(self, planned_s: float) -> None:
        """Die, unless the pong may lie behind what has not been read yet.

        That is so while bytes come in or this loop was late itself; three more deadlines at most.
        """
        now_s = self._loop.time()
        grace_s = self._limits.pong_within_s / 4
        ours = self._behind() or now_s - planned_s > grace_s
        reading, self._read_by_check = self._reads != self._read_by_check, self._reads
        if (ours or reading) and now_s < self._pong_due_s + 3 * self._limits.pong_within_s:
            self._timer = self._loop.call_at(now_s + grace_s, self._overdue, now_s + grace_s)
        else:
            self._die(PingTimeout(f"no pong within {self._limits.pong_within_s:g} s"))
