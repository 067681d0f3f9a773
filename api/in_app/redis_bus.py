"""The bus of several processes: one Redis channel that all of them hear.

Listeners of this process are told at once and without Redis; the others as soon as it carries it.
While Redis is away, nothing of theirs waits for it: what happens now is worth nothing later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from redis import asyncio as redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from api.in_app.bus import Bus, Listener

_log = logging.getLogger("maskline.api")
CHANNEL: Final = "maskline:apps"
_DEADLINE_S: Final = 5.0
_WAITING: Final = 1000  # events to be sent; more than that and the oldest are gone
_LARGEST: Final = 65_536  # bytes of an event that is believed
_PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)  # before another try; the last one again and again
_HEARD_S: Final = 15.0  # a connection that is silent for so long is asked whether it lives


class RedisBus:
    """An `AppBus` over Redis. `run` it for as long as it is used."""

    def __init__(self, url: str, *, channel: str = CHANNEL) -> None:
        """Raises ValueError for what is no URL of a Redis."""
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_DEADLINE_S,
            socket_connect_timeout=_DEADLINE_S,
            health_check_interval=_HEARD_S,
        )
        self._channel = channel
        self._here = Bus()
        self._self = secrets.token_hex(8)
        self._waiting: deque[bytes] = deque(maxlen=_WAITING)
        self._wake = asyncio.Event()
        self._hearing = asyncio.Event()

    def publish(self, user_id: str, kind: str, data: Mapping[str, object]) -> None:
        """See `AppBus`."""
        self._here.publish(user_id, kind, data)
        message = {"from": self._self, "user_id": user_id, "kind": kind, "data": dict(data)}
        self._waiting.append(json.dumps(message).encode())
        self._wake.set()

    def listen(self, user_id: str, listener: Listener) -> Callable[[], None]:
        """See `AppBus`."""
        return self._here.listen(user_id, listener)

    async def ready(self) -> None:
        """Return once the others are heard."""
        await self._hearing.wait()

    async def run(self) -> None:
        """Send and hear until cancelled; a Redis that is away is tried again."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._again_and_again(self._send), name="to the other apps' bus")
                tasks.create_task(self._again_and_again(self._hear), name="from the apps' bus")
        finally:
            await self._redis.aclose()

    async def _again_and_again(self, work: Callable[[Callable[[], None]], Any]) -> None:
        tries = 0

        def well() -> None:
            nonlocal tries
            tries = 0

        while True:
            try:
                await work(well)
            except (RedisError, OSError, TimeoutError) as error:
                if tries == 0:
                    _log.warning("the bus to other processes is away: %s", type(error).__name__)
                await asyncio.sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
                tries += 1

    async def _send(self, well: Callable[[], None]) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                message = self._waiting.popleft()
                async with asyncio.timeout(_DEADLINE_S):
                    await self._redis.publish(self._channel, message)
                _leave_if_cancelled()
                well()

    async def _hear(self, well: Callable[[], None]) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            async with asyncio.timeout(_DEADLINE_S):
                await channel.subscribe(self._channel)
                await channel.ping()
            well()
            self._hearing.set()
            try:
                await self._follow(channel)
            finally:
                self._hearing.clear()

    async def _follow(self, channel: PubSub) -> None:
        while True:
            found = await channel.get_message(timeout=_HEARD_S)
            _leave_if_cancelled()
            if found is not None and isinstance(raw := found.get("data"), bytes):
                self._believe(raw)

    def _believe(self, raw: bytes) -> None:
        """Tell those here what another process said, if it is what one of ours would say."""
        if len(raw) > _LARGEST:
            return
        with contextlib.suppress(ValueError):
            match json.loads(raw):
                case {
                    "from": str(sender),
                    "user_id": str(user_id),
                    "kind": str(kind),
                    "data": dict(data),
                } if sender != self._self and kind.isascii() and kind.isprintable():
                    self._here.publish(user_id, kind, data)


def _leave_if_cancelled() -> None:
    """redis-py now and then swallows a cancellation that meets the end of its own time-out."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
