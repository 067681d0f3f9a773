"""The deliverer: notices out of the outbox, to every webhook that wants them and to the stream.

Any number of processes may deliver from one database. Killed at any moment, nothing is lost: what
was under way is sent again under the same id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from api.outbound import retry
from api.outbound.courier import Courier, House
from api.outbound.stream import Stream
from storage import deliveries, dispatch, webhooks
from storage.errors import StorageError

_log = logging.getLogger("maskline.deliver")
_SEE_TO_COURIERS_S = 1.0
_BATCH = 500
_TIDY_ROUNDS = 40  # batches at one tidying


class Deliverer:
    """`run` delivers until cancelled."""

    def __init__(self, house: House, stream: Stream | None = None) -> None:
        self._house = house
        self._stream = stream
        self._wake = asyncio.Event()
        self._stream_wake = asyncio.Event()
        self._couriers: dict[str, tuple[Courier, asyncio.Task[None]]] = {}
        self._ended: deliveries.Ended | None = None  # up to where what ended was looked at
        self._noticed = 0  # and notices
        self.failing: str | None = None  # error_id of what keeps notices from being handed out

    def wake(self) -> None:
        """Something is owed: no need to wait for the next look."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(self._house.settings.tidy_s, self.tidy))
            if self._stream is not None:
                tasks.create_task(self._keep_streaming(self._stream))
            seen_at = -_SEE_TO_COURIERS_S
            loop = asyncio.get_running_loop()
            while True:
                self._wake.clear()
                try:
                    if loop.time() - seen_at >= _SEE_TO_COURIERS_S:
                        await self._see_to_couriers(tasks)
                        seen_at = loop.time()
                    await self._hand_out()
                    self.failing = None
                except StorageError as error:
                    if self.failing != error.error_id:
                        _log.warning("delivery stands still: %s", error.error_id)
                    self.failing = error.error_id
                    await asyncio.sleep(self._house.settings.retry_s)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._house.settings.poll_s):
                        await self._wake.wait()

    async def _hand_out(self) -> None:
        """Give every waiting notice its place and its deliveries."""
        db, stream = self._house.db, self._stream is not None
        while await db.look_up(dispatch.waits):
            now = self._house.clock()
            done = await db.write(
                lambda conn, now=now: dispatch.dispatch(  # type: ignore[misc]
                    conn, stream=stream, now=now, at_most=_BATCH
                )
            )
            for webhook_id in done.webhook_ids:
                if webhook_id in self._couriers:
                    self._couriers[webhook_id][0].wake()
            self._stream_wake.set()

    async def _see_to_couriers(self, tasks: asyncio.TaskGroup) -> None:
        """One for each webhook; one that has ended, whatever of, is sent out again."""
        there = {one.id for one in await self._house.db.read(webhooks.everyone)}
        for webhook_id, (_, task) in list(self._couriers.items()):
            if task.done() or webhook_id not in there:
                task.cancel()
                del self._couriers[webhook_id]
        for webhook_id in there - self._couriers.keys():
            courier = Courier(self._house, webhook_id)
            task = tasks.create_task(_alone(courier, webhook_id), name=f"courier {webhook_id}")
            self._couriers[webhook_id] = courier, task

    async def _keep_streaming(self, stream: Stream) -> None:
        db, failing = self._house.db, False
        while True:
            self._stream_wake.clear()
            try:
                while batch := await db.read(dispatch.to_stream):
                    await stream.put(batch)
                    last = batch[-1].sequence
                    await db.write(lambda conn, last=last: dispatch.streamed(conn, last))  # type: ignore[misc]
                    self._house.counts.streamed += len(batch)
                failing = False
            except (StorageError, ConnectionError, TimeoutError) as error:
                if not failing:
                    _log.warning("the stream stands still: %s", type(error).__name__)
                failing = True
                await asyncio.sleep(self._house.settings.retry_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._house.settings.poll_s):
                    await self._stream_wake.wait()

    async def tidy(self) -> None:
        """Give up what is three days old; forget what nobody needs. Raises StorageError."""
        house, settings = self._house, self._house.settings
        now = house.clock()
        for _ in range(_TIDY_ROUNDS):
            given_up = await house.db.write(
                lambda conn: deliveries.expire(conn, now - retry.GIVE_UP, now, at_most=_BATCH)
            )
            house.counts.given_up += given_up
            if given_up < _BATCH:
                break
        for _ in range(_TIDY_ROUNDS):
            ended = await house.db.write(
                lambda conn: deliveries.forget(
                    conn,
                    delivered=now - settings.keep_delivered,
                    dead=now - settings.keep_dead,
                    after=self._ended,
                    at_most=_BATCH,
                )
            )
            self._ended = ended.after
            if not ended.more:
                break
        for _ in range(_TIDY_ROUNDS):
            notices = await house.db.write(
                lambda conn: dispatch.forget(
                    conn, now - settings.keep_notices, after=self._noticed, at_most=_BATCH
                )
            )
            self._noticed = notices.after
            if not notices.after:
                break

    async def _every(self, pause_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except StorageError as error:
                _log.warning("tidying of deliveries is put off: %s", error.error_id)
            await asyncio.sleep(pause_s)


async def _alone(courier: Courier, webhook_id: str) -> None:
    """A courier whose failure is its own."""
    try:
        await courier.run()
    except Exception as error:  # noqa: BLE001 (another is sent out in a second)
        _log.error("the courier of webhook %s has failed", webhook_id, exc_info=error)
