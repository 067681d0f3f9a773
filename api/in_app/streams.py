"""Event streams: what a user's apps are told while they listen.

Two kinds of things go through one: entries of the call log, each with its id, so that none is lost
and none comes twice to a reader who remembers the last id; and what happens now, which is only for
those who listen now. A stream ends with its credential. All bounds are in `Bounds`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import Connection

from api.errors import Overloaded
from api.in_app import sse
from api.in_app.bus import AppBus, Event
from api.in_app.tail import Tail, Written
from cdr import call_log
from storage import apps
from storage.database import Database
from storage.errors import StorageError

_log = logging.getLogger("maskline.api")
_WAITING: Final = 256  # events of one stream; a reader slower than that is sent away
_WRITE_S: Final = 20.0  # for one piece to be taken
_RETRY_MS: Final = 2000
_ENTRIES: Final = 100  # at once
_UNREAD: Final = 500  # the newest so many, to a reader who remembers nothing
_ENDED_POLL_S: Final = 2.0
_ENDED_BACK: Final = timedelta(seconds=60)  # a revocation is seen when it is committed

Write = Callable[[bytes], Awaitable[None]]
Entries = Callable[[str, int | None, int, int], Awaitable[Sequence[tuple[int, bytes]]]]
"""(user, after, until, limit) -> (id, event), in the order of writing; `after` None: the unread."""


class Holder(Protocol):
    """Whoever a stream is for."""

    @property
    def username(self) -> str:
        """The device, whose streams are bounded together."""

    @property
    def user_id(self) -> str:
        """Whose entries and events they are."""

    @property
    def expires_at(self) -> datetime:
        """When the stream ends."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many streams, and how often they show that they live."""

    of_device: int = 4  # one more ends the oldest
    in_all: int = 10_000  # one more is refused
    keep_alive_s: float = 15.0


class Stream:
    """One reader's stream. `run` it once."""

    def __init__(
        self, holder: Holder, after: int | None, owner: Streams, bounds: Bounds, read: Entries
    ) -> None:
        self.holder = holder
        self._read = read
        self._after = after  # None: nothing was sent yet, and the reader remembers nothing
        self._owner = owner
        self._bounds = bounds
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._more = True  # entries may wait
        self._end: str | None = None

    def hear(self, event: Event) -> None:
        """Something happens now."""
        if len(self._events) >= _WAITING:
            self.end("too_slow")
            return
        self._events.append(event)
        self._wake.set()

    def entries(self) -> None:
        """Entries of the user were written."""
        self._more = True
        self._wake.set()

    def end(self, reason: str) -> None:
        """Say goodbye, and why; the first reason counts."""
        self._end = self._end or reason
        self._wake.set()

    async def run(self, write: Write) -> None:
        """Until it is ended, or `write` fails."""
        send = _patient(write)
        try:
            await send(sse.retry(_RETRY_MS))
            while self._end is None:
                self._wake.clear()
                await self._send_due(send)
                if not await self._woken():
                    await send(sse.KEEP_ALIVE)
            await send(sse.event("end", {"reason": self._end}))
        except StorageError as error:
            _log.warning("a stream of events ended: %s", error.error_id)
        except TimeoutError:
            _log.info("a stream of events ended: its reader takes nothing")
        finally:
            self._owner.forget(self)

    async def _send_due(self, send: Write) -> None:
        while self._more:
            self._more = False
            until = self._owner.settled
            limit = _UNREAD if self._after is None else _ENTRIES
            found = await self._read(self.holder.user_id, self._after, until, limit)
            for _, piece in found:
                await send(piece)
            if self._after is not None and len(found) == limit:
                self._after, self._more = found[-1][0], True
            else:
                self._after = max(self._after or 0, until)
        while self._events:
            event = self._events.popleft()
            await send(sse.event(event.kind, event.data))

    async def _woken(self) -> bool:
        """False if nothing happened for so long that the reader should see that we live."""
        if self._end is not None:
            return True
        left_s = (self.holder.expires_at - self._owner.now()).total_seconds()
        if left_s <= 0:
            self.end("expired")
            return True
        try:
            async with asyncio.timeout(min(self._bounds.keep_alive_s, left_s)):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True


class Streams:
    """All streams of this process."""

    def __init__(
        self,
        db: Database,
        bus: AppBus,
        clock: Callable[[], datetime],
        read: Entries,
        bounds: Bounds,
        of: Written = call_log,
        *,
        watched: bool = True,
    ) -> None:
        """`of`: what is followed. `watched`: holders are credentials of apps, to be shut out."""
        self._db = db
        self._bus = bus
        self._clock = clock
        self._bounds = bounds
        self._streams: dict[Stream, Callable[[], None]] = {}  # oldest first -> leave the bus
        self._of_user: dict[str, list[Stream]] = {}
        self._tail = Tail(db, self._written, of=of)
        self._watched = watched
        self._tasks: list[asyncio.Task[None]] = []
        self._beginning = asyncio.Lock()
        self._closed = False
        self.read = read

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def settled(self) -> int:
        """Up to which entry the log can be read."""
        return self._tail.settled

    def now(self) -> datetime:
        """UTC."""
        return self._clock()

    async def open(self, holder: Holder, after: int | None, read: Entries | None = None) -> Stream:
        """A stream that begins after the entry `after`, or with what is unread.

        `read`: the entries, in another way than all streams have them.
        Raises Overloaded, StorageError.
        """
        if self._closed or len(self._streams) >= self._bounds.in_all:
            raise Overloaded
        await self._follow()
        same = [one for one in self._streams if one.holder.username == holder.username]
        for stream in same[: len(same) - self._bounds.of_device + 1]:
            stream.end("replaced")
        made = Stream(holder, after, self, self._bounds, read or self.read)
        self._streams[made] = self._bus.listen(holder.user_id, made.hear)
        self._of_user.setdefault(holder.user_id, []).append(made)
        return made

    def forget(self, stream: Stream) -> None:
        """It is over."""
        leave = self._streams.pop(stream, None)
        if leave is None:
            return
        leave()
        user_id = stream.holder.user_id
        self._of_user[user_id].remove(stream)
        if not self._of_user[user_id]:
            del self._of_user[user_id]
        if not self._streams:
            self._rest()

    def shut_out(self, usernames: Collection[str]) -> None:
        """These credentials are over."""
        for stream in tuple(self._streams):
            if stream.holder.username in usernames:
                stream.end("revoked")

    async def close(self) -> None:
        """End all streams, so that their readers go to another process."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.end("restart")
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """Have the log followed from here on."""
        async with self._beginning:
            if not self._tasks:
                await self._tail.begin()
                self._tasks = [asyncio.create_task(self._tail.run(), name="the tail of entries")]
                if self._watched:
                    watch = asyncio.create_task(self._watch(), name="the watch over credentials")
                    self._tasks.append(watch)

    def _rest(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def _written(self, user_id: str) -> None:
        for stream in self._of_user.get(user_id, ()):
            stream.entries()

    async def _watch(self) -> None:
        """Find credentials that another process has revoked."""
        while True:
            await asyncio.sleep(_ENDED_POLL_S)
            with contextlib.suppress(StorageError):
                self.shut_out(await self._db.read(self._revoked))

    def _revoked(self, conn: Connection) -> frozenset[str]:
        now = self._clock()
        ended = apps.ended_since(conn, now - _ENDED_BACK, now)
        return frozenset(one.username for one in ended if one.revoked_at is not None)


def _patient(write: Write) -> Write:
    async def send(piece: bytes) -> None:
        async with asyncio.timeout(_WRITE_S):
            await write(piece)

    return send
