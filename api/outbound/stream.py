"""The Redis stream: every notice once, in order.

An entry's id is `PLACE-0`, the notice's place among all. Redis takes ids only in rising order, so
that what is sent again, by us or by another process, is refused and not doubled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from redis import asyncio as redis
from redis.exceptions import RedisError, ResponseError

from api.outbound import message
from storage.dispatch import Streamed

_DEADLINE_S: Final = 5.0
_NOT_RISING: Final = "equal or smaller"


class Stream(Protocol):
    """Where notices go in order."""

    async def put(self, batch: Sequence[Streamed]) -> None:
        """Append those that are not there yet. Raises ConnectionError, TimeoutError."""
        ...


class RedisStream:
    """A `Stream` in Redis, cut to about `longest` entries."""

    def __init__(self, url: str, name: str, *, longest: int = 1_000_000) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=_DEADLINE_S, socket_connect_timeout=_DEADLINE_S
        )
        self._name = name
        self._longest = longest

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def put(self, batch: Sequence[Streamed]) -> None:
        """See `Stream.put`."""
        try:
            async with asyncio.timeout(_DEADLINE_S):
                answers = await self._append(batch)
                for one, answer in zip(batch, answers, strict=True):
                    if isinstance(answer, ResponseError) and _NOT_RISING in str(answer):
                        await self._must_be_there(one)
                    elif isinstance(answer, Exception):
                        raise ConnectionError(type(answer).__name__)
        except RedisError as error:
            raise ConnectionError(type(error).__name__) from None

    async def _must_be_there(self, one: Streamed) -> None:
        """Raises ConnectionError if the place is another's: the stream is not this database's."""
        place = f"{one.sequence}-0"
        found: list[Any] = await self._redis.xrange(self._name, place, place) or []
        if found:
            ours = found[0][1].get(b"id") == message.message_id(one.key).encode()
        else:  # cut off since, or never there
            first: list[Any] = await self._redis.xrange(self._name, count=1) or []
            ours = bool(first) and int(first[0][0].split(b"-")[0]) > one.sequence
        if not ours:
            raise ConnectionError("the stream holds what is not ours")

    async def _append(self, batch: Sequence[Streamed]) -> list[object]:
        async with self._redis.pipeline(transaction=True) as pipe:
            for one in batch:
                text = message.body(
                    key=one.key,
                    kind=one.kind,
                    at=one.at,
                    conversation_id=one.conversation_id,
                    sequence=one.sequence,
                    data=one.data,
                )
                _ = pipe.xadd(  # queued, not sent
                    self._name,
                    {"id": message.message_id(one.key), "type": one.kind, "body": text},
                    id=f"{one.sequence}-0",
                    maxlen=self._longest,
                    approximate=True,
                )
            answers: list[object] = await pipe.execute(raise_on_error=False)
            return answers
