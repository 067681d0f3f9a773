"""A database of each kind with a deliverer over it, and time that passes when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from itertools import count

import pytest

from api.outbound import new_secret
from api.outbound.courier import Counts, DeliverySettings, House
from api.outbound.deliverer import Deliverer
from api.outbound.stream import Stream
from masking.notice import Notice, NoticeKind
from storage import Database, deliveries, open_database, outbox, webhooks
from storage.deliveries import Delivery, State
from storage.vault import Vault
from storage.webhooks import Webhook
from tests.support.receiver import Receiver
from tests.support.storage import a_vault

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
SECRET = new_secret(b"s" * 32)
LOOPBACK = (ip_network("127.0.0.0/8"),)
QUICK = DeliverySettings(poll_s=0.02, retry_s=0.02, deadline_s=3.0)


@dataclass
class Post:
    """The platform's side of things: what it has set up and what it is owed."""

    db: Database
    url: str  # of the database
    vault: Vault
    now: datetime = START
    settings: DeliverySettings = QUICK
    counts: Counts = field(default_factory=Counts)
    _serial: Iterator[int] = field(default_factory=count)

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def webhook(self, receiver: Receiver | str, events: tuple[str, ...] | None = None) -> str:
        """A webhook to the receiver; its id."""
        made_id = f"whk_{next(self._serial):026}"
        url = receiver if isinstance(receiver, str) else receiver.url
        await self.db.write(
            lambda conn: webhooks.add(
                conn,
                self.vault,
                webhook_id=made_id,
                url=url,
                events=events,
                description=None,
                secret=SECRET,
                now=self.now,
            )
        )
        return made_id

    async def owe(self, *notices: Notice) -> None:
        await self.db.write(lambda conn: outbox.owe_all(conn, notices))

    def notice(
        self,
        n: int,
        conversation: str | None = "chat-1",
        kind: NoticeKind = NoticeKind.CALL_ENDED,
    ) -> Notice:
        return Notice(kind, f"{kind} cal_{n} 1", self.now, conversation, {"n": n})

    async def log(self, webhook_id: str, state: State | None = None) -> list[Delivery]:
        """The webhook's deliveries, the oldest first."""
        page = await self.db.read(
            lambda conn: deliveries.page(conn, webhook_id, state=state, limit=500)
        )
        return list(reversed(page.items))

    async def found(self, webhook_id: str) -> Webhook:
        found = await self.db.read(lambda conn: webhooks.get(conn, webhook_id))
        assert found is not None
        return found

    async def until_log(self, webhook_id: str, *states: State, tries: int | None = None) -> None:
        """Until the webhook's deliveries stand so, the oldest first."""
        seen: list[Delivery] = []
        for _ in range(1000):
            seen = await self.log(webhook_id)
            right = [one.state for one in seen] == list(states)
            if right and (tries is None or all(one.tries >= tries for one in seen)):
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"the deliveries stand so: {seen}")

    def house(self) -> House:
        return House(
            db=self.db,
            vault=self.vault,
            clock=lambda: self.now,
            draw=lambda: 0.5,
            settings=self.settings,
            allowed=LOOPBACK,
            counts=self.counts,
        )

    @asynccontextmanager
    async def delivering(
        self, stream: Stream | None = None, **changes: object
    ) -> AsyncIterator[Deliverer]:
        """A deliverer at work."""
        deliverer = Deliverer(replace(self.house(), **changes), stream)  # type: ignore[arg-type]
        task = asyncio.create_task(deliverer.run())
        try:
            yield deliverer
            assert not task.done(), task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture(params=["migrated_sqlite", "migrated_postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def post(url: str) -> AsyncIterator[Post]:
    """On each kind of database."""
    db = open_database(url)
    try:
        yield Post(db, url, a_vault())
    finally:
        await db.close()


@pytest.fixture
async def lite(migrated_sqlite: str) -> AsyncIterator[Post]:
    """On SQLite alone, for what the database has no part in."""
    db = open_database(migrated_sqlite)
    try:
        yield Post(db, migrated_sqlite, a_vault())
    finally:
        await db.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running
