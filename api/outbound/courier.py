"""The courier of one webhook: takes what is due, sends it, keeps what came of it.

Everything a receiver does to us, it does to its own courier: a slow one delays nobody else. What
was taken and not kept, because we died or were stopped, comes due again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ssl import SSLContext
from typing import Final

from sqlalchemy import Connection

from api.outbound import message, retry
from api.outbound.addresses import Allowed
from api.outbound.client import OutboundClient, Reply, post_signed
from api.outbound.errors import OutboundError
from storage import sending, webhooks
from storage.database import Database
from storage.deliveries import State, Try
from storage.errors import StorageError
from storage.sending import Condition, Taken, Tried
from storage.vault import Vault
from storage.webhooks import Webhook

_log = logging.getLogger("maskline.deliver")
_SAY_WELL_EVERY: Final = timedelta(seconds=10)  # a receiver's last success is kept so often


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How deliveries are made."""

    deadline_s: float = 10.0  # for one try, from the look-up of its name to the answer's end
    at_once: int = 16  # tries under way to one webhook
    ahead: int = 48  # taken besides them from the database while the receiver is quick
    quick_ms: int = 250
    spare_s: float = 20.0  # what was taken is lost to others so long after its deadline
    poll_s: float = 0.25  # how often is looked for what other processes owe
    retry_s: float = 1.0  # after the database has failed
    tidy_s: float = 60.0
    keep_delivered: timedelta = timedelta(days=7)
    keep_dead: timedelta = timedelta(days=30)
    keep_notices: timedelta = timedelta(days=4)  # a key is known, and not owed again, so long


@dataclass(slots=True)
class Counts:
    """What was done since the start."""

    delivered: int = 0
    failed: int = 0  # tries
    given_up: int = 0
    streamed: int = 0


@dataclass(frozen=True, slots=True)
class House:
    """What every courier needs."""

    db: Database
    vault: Vault
    clock: Callable[[], datetime]
    draw: Callable[[], float]  # from 0 to 1
    settings: DeliverySettings
    allowed: Allowed
    counts: Counts
    tls: SSLContext | None = None  # None: the system's authorities


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of one delivery; `draw` is the chance that its next try is set by."""

    taken: Taken
    result: Try
    draw: float
    retry_after_s: int | None


@dataclass(frozen=True, slots=True)
class _Errand:
    """What is to be sent, where, and signed by what. Taken together, from one state."""

    taken: list[Taken]
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    until: datetime  # after it, what was taken is no longer ours


class Courier:
    """`run` sends until cancelled, or until the webhook is gone."""

    def __init__(self, house: House, webhook_id: str) -> None:
        self._house = house
        self._id = webhook_id
        self._wake = asyncio.Event()
        self._under_way = 0  # taken, and not finished
        self._sending = asyncio.Semaphore(house.settings.at_once)
        self._quick = False
        self._finished: list[_Result] = []

    def wake(self) -> None:
        """Something may have come due."""
        self._wake.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        house = self._house
        connections = house.settings.at_once
        failing = ""
        async with (
            OutboundClient(house.allowed, connections=connections, tls=house.tls) as client,
            asyncio.TaskGroup() as tasks,
        ):
            while True:
                self._wake.clear()
                try:
                    errand = await self._turn()
                    failing = ""
                except StorageError as error:
                    if failing != error.error_id:
                        _log.warning("webhook %s waits: %s", self._id, error.error_id)
                    failing = error.error_id
                    await asyncio.sleep(house.settings.retry_s)
                    continue
                if errand is None:
                    return
                for taken in errand.taken:
                    self._under_way += 1
                    tasks.create_task(self._send(client, errand, taken))
                if not self._finished:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(house.settings.poll_s):
                            await self._wake.wait()

    async def _turn(self) -> _Errand | None:
        """Keep what is finished and take what is due; None: the webhook is gone."""
        house, ended = self._house, tuple(self._finished)
        now = house.clock()
        until = now + timedelta(seconds=house.settings.deadline_s + house.settings.spare_s)
        most = house.settings.at_once + (house.settings.ahead if self._quick else 0)
        room = most - self._under_way
        if not ended and not await house.db.look_up(lambda conn: self._anything(conn, now, room)):
            return _Errand([], "", (), until)
        draw = house.draw()

        def work(conn: Connection) -> tuple[_Errand | None, list[Tried]]:
            webhook = webhooks.get(conn, self._id)
            if webhook is None:
                return None, []
            tried = [_judge(one) for one in ended]
            after = self._keep(conn, webhook, tried, draw, now, until)
            at_most = retry.open_at_once(after, most) - self._under_way
            if at_most <= 0 or not sending.due(after, now):
                return _Errand([], "", (), until), tried
            taken = sending.take(conn, self._id, now=now, until=until, at_most=at_most)
            secrets = webhooks.secrets_of(conn, house.vault, self._id, now) if taken else ()
            return _Errand(taken, webhook.url, secrets, until), tried

        errand, tried = await house.db.write(work)
        del self._finished[: len(ended)]
        for one in tried:
            house.counts.delivered += one.state is State.DELIVERED
            house.counts.failed += one.state is not State.DELIVERED
            house.counts.given_up += one.state is State.DEAD
        return errand

    def _anything(self, conn: Connection, now: datetime, room: int) -> bool:
        webhook = webhooks.get(conn, self._id)
        if webhook is None:
            return True
        return room > 0 and sending.due(webhook, now) and sending.waits(conn, self._id, now)

    def _keep(
        self,
        conn: Connection,
        webhook: Webhook,
        tried: list[Tried],
        draw: float,
        now: datetime,
        until: datetime,
    ) -> Webhook:
        """Keep what came of the tries, and how the receiver fares; the webhook as it is then."""
        if not tried:
            return webhook
        sending.settle(conn, self._id, tried, now)
        outcomes = [
            retry.Outcome(one.result.at, ok=retry.succeeded(one.result.status)) for one in tried
        ]
        fares = retry.condition(webhook, outcomes, draw)
        if _worth_keeping(webhook, fares):
            sending.keep_condition(conn, self._id, fares)
        if webhook.failures >= retry.TRIPS and not fares.failures:
            sending.hurry(conn, self._id, now=now, taken_until=until)
        if any(one.result.status == retry.GONE for one in tried) and webhook.enabled:
            webhooks.disable(conn, self._id, "gone", now)
        return webhooks.get(conn, self._id) or webhook

    async def _send(self, client: OutboundClient, errand: _Errand, taken: Taken) -> None:
        async with self._sending:
            left = errand.until - self._house.clock()
            if left.total_seconds() >= self._house.settings.deadline_s:
                await self._try(client, errand, taken)
        self._under_way -= 1
        self._wake.set()

    async def _try(self, client: OutboundClient, errand: _Errand, taken: Taken) -> None:
        house = self._house
        at, started_s = house.clock(), time.monotonic()
        reply: Reply | None = None
        error: str | None = None
        try:
            reply = await post_signed(
                client,
                errand.url,
                errand.secrets,
                message.message_id(taken.key),
                _body(taken),
                house.settings.deadline_s,
                clock=at.timestamp,
            )
        except OutboundError as known:
            error = known.error_id
        except Exception as unknown:  # noqa: BLE001 (whatever it is, it is this delivery's alone)
            _log.error("webhook %s: a try has failed: %s", self._id, type(unknown).__name__)
            error = "internal"
        took_ms = int((time.monotonic() - started_s) * 1000)
        result = Try(at, reply.status if reply else None, error, took_ms)
        retry_after_s = reply.retry_after_s if reply else None
        self._quick = error is None and took_ms <= house.settings.quick_ms
        self._finished.append(_Result(taken, result, house.draw(), retry_after_s))


def _body(taken: Taken) -> bytes:
    return message.body(
        key=taken.key,
        kind=taken.kind,
        at=taken.at,
        conversation_id=taken.conversation_id,
        sequence=taken.sequence,
        data=taken.data,
    )


def _judge(one: _Result) -> Tried:
    taken, result = one.taken, one.result
    if retry.succeeded(result.status):
        return Tried(taken, result, State.DELIVERED, result.at)
    due = retry.next_try(taken.tries + 1, taken.since, result.at, one.draw, one.retry_after_s)
    if due is None:
        return Tried(taken, result, State.DEAD, result.at)
    return Tried(taken, result, State.PENDING, due)


def _worth_keeping(webhook: Webhook, fares: Condition) -> bool:
    """Every failure is, and the end of failing; of successes one now and then."""
    if webhook.failures or fares.failures:
        return True
    last, new = webhook.succeeded_at, fares.succeeded_at
    return new is not None and (last is None or new - last >= _SAY_WELL_EVERY)
