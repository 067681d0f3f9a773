"""The domain's own functions, over dictionaries, keep the two promises of a lease."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import settings

from masking.model import Phone, Pool, ProxyNumber
from tests.support.model import MemorySessions
from tests.support.session_machine import SessionMachine


class SessionsInMemory(SessionMachine):
    def make(self, pool: Pool, numbers: Sequence[Phone]) -> MemorySessions:
        return MemorySessions(
            pool,
            [ProxyNumber(n, e164, pool.name, "carrier-a") for n, e164 in enumerate(numbers, 1)],
        )


TestSessionsInMemory = SessionsInMemory.TestCase
TestSessionsInMemory.settings = settings(max_examples=60, stateful_step_count=40)
