"""Neither leg ever carries the other side's number, name, address or device.

Both carriers are bare sockets that put who they are into every message of a call, early and late, and
keep every byte that reaches them: SIP, RTP and RTCP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from tests.support.maskline import Maskline, Session
from tests.support.planted import Person, phone_spellings
from tests.support.wiretap import (
    Party,
    Tap,
    callee,
    caller,
    extended_packet,
    source_description,
    tap_host,
    token,
    until,
)

CALLERS, CALLEES = 450, 700  # Hz
ALICE, BORIS = "Zinaida Kuznetsova", "Valentin Shapiro"


@dataclass
class Line:
    """Two carriers with one participant behind each."""

    maskline: Maskline
    session: Session
    here: Tap  # the caller's carrier
    there: Tap  # the callee's carrier
    one: Person
    two: Person
    dial: str
    stack: AsyncExitStack

    async def begin(self) -> tuple[Party, tuple[int, str]]:
        """The caller's INVITE is on its way."""
        party = await caller(
            self.here, self.dial, sender=self.one.sender, tone_hz=CALLERS, contact=self.one.contact
        )
        self.stack.push_async_callback(party.media.close)
        party.headers = self.here.extra = self.one.headers("calling")
        self.here.sdp = self.one.sdp(party.media.port, 3)
        extra = (party.call_id, party.tag)
        self.one = replace(self.one, ports=(*self.one.ports, party.media.port), extra=extra)
        way = ("Content-Type: application/sdp", *_routed(self.one, self.here))
        return party, party.send("INVITE", way, self.one.sdp(party.media.port))

    async def rung(self) -> tuple[Party, object]:
        """The callee's phone has the call."""
        invite = await self.there.invite()
        party = await callee(self.there, invite, tone_hz=CALLEES, contact=self.two.contact)
        self.stack.push_async_callback(party.media.close)
        party.headers = self.there.extra = self.two.headers("called")
        self.there.sdp = self.two.sdp(party.media.port, 3)
        ports = (*self.two.ports, party.media.port)
        self.two = replace(self.two, ports=ports, extra=(party.tag,))
        return party, invite

    def assert_nothing_passed(self, first: Party, second: Party) -> None:
        """Neither party's sockets were reached by anything of the other."""
        assert self.one.leaks(second.captured) == []
        assert self.two.leaks(first.captured) == []
        # What the wire would show if it did: each carrier sees what is its own.
        assert self.one.leaks(first.captured)
        assert self.two.leaks(second.captured)


def _routed(person: Person, tap: Tap) -> tuple[str, str]:
    own = f"<sip:{person.phone}@{tap.host}:{tap.port};lr>"
    return f"Record-Route: {own}", f"Via: SIP/2.0/UDP {person.domain};branch=z9hG4bK{person.session}"


@pytest_asyncio.fixture(params=["buyer-calls", "seller-calls"], loop_scope="session")
async def line(
    request: pytest.FixtureRequest, shared: Maskline, phone: Iterator[str]
) -> AsyncIterator[Line]:
    """A session between two people at two carriers, and which of them calls."""
    async with AsyncExitStack() as stack:
        taps = [
            await stack.enter_async_context(await Tap.open(shared.sip_address, tap_host()))
            for _ in range(2)
        ]
        numbers = [f"+7495{next(phone)[-7:]}" for _ in taps]
        for tap, number in zip(taps, numbers, strict=True):
            name = token("tap")
            await shared.add_trunk(name, tap.host, tap.port)
            stack.push_async_callback(shared.ask, "DELETE", f"/v1/trunks/{name}")
            pool = token("pool")
            await shared.ask("POST", "/v1/pools", {"name": pool}) if False else None
            await shared.add_numbers(name, number, pool=pool)
        yield None  # type: ignore[misc]
