"""A client of the fake Asterisk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from telephony.ami import Client, EventHub, Monitor, connect
from tests.unit.ami.fake import FakeAsterisk, accept, fake_asterisk


@pytest.fixture
async def fake() -> AsyncIterator[FakeAsterisk]:
    async with fake_asterisk(accept) as running:
        yield running


@pytest.fixture
async def monitor() -> Monitor:
    return Monitor()


@pytest.fixture
async def client(fake: FakeAsterisk, monitor: Monitor) -> AsyncIterator[Client]:
    async with await connect(fake.login(), hub=EventHub(monitor)) as connected:
        yield connected
