"""A call between two carriers that speak TLS and seal their audio, as tests of trunks need it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from maskline.demo import Carrier
from maskline.demo.sip import Message
from maskline.demo.spec import PATIENCE_S
from tests.support.certificate import Authority
from tests.support.maskline import Maskline, Session
from tests.support.planted import Person
from tests.support.srtp import SealedMedia
from tests.support.tls_tap import TlsTap
from tests.support.wiretap import Party, callee, caller

CALLERS, CALLEES = 450, 700  # Hz
SDP = "Content-Type: application/sdp"
OVER_TLS = ";transport=tls"


@dataclass
class House:
    """A Maskline that takes TLS, two carriers of it, and one over UDP for what fails."""

    maskline: Maskline
    authority: Authority
    door: tuple[str, int]
    here: TlsTap
    there: TlsTap
    backup: Carrier


@dataclass
class Line:
    """A session between a person of each carrier."""

    house: House
    stack: AsyncExitStack
    session: Session
    people: tuple[Person, Person] = field(init=False)

    def __post_init__(self) -> None:
        here, there = self.house.here, self.house.there
        self.people = (
            Person(self.session.buyer, "Zinaida Kuznetsova", here.host, (here.port,)),
            Person(self.session.seller, "Valentin Shapiro", there.host, (there.port,)),
        )

    async def dial(self, *, sealed: bool = True) -> tuple[Party, tuple[int, str]]:
        """The buyer's INVITE is on its way."""
        tap, one = self.house.here, self.people[0]
        media = await SealedMedia.pair(tap.host)
        self.stack.push_async_callback(media.close)
        party = await caller(
            tap,
            self.session.buyer_dials,
            sender=one.sender,
            tone_hz=CALLERS,
            contact=f"<sip:phone@{tap.host}:{tap.port}{OVER_TLS}>",
            media=media,
        )
        party.headers = one.headers("calling")
        sdp = one.sdp(media.port)
        return party, party.send("INVITE", (SDP,), media.offer(sdp) if sealed else sdp)

    async def answer(self, *, sealed: bool = True) -> Party:
        """The seller's carrier has the call, and takes it."""
        tap, one = self.house.there, self.people[1]
        invite = await tap.invite()
        media = await SealedMedia.pair(tap.host)
        self.stack.push_async_callback(media.close)
        own = f"<sip:phone@{tap.host}:{tap.port}{OVER_TLS}>"
        party = await callee(tap, invite, tone_hz=CALLEES, contact=own, media=media)
        party.headers = one.headers("called")
        sdp = one.sdp(media.port)
        tag = media.learn(invite.body)
        told = (f"Contact: {own}", *party.headers)
        for status, body in (
            ("180 Ringing", ""),
            ("200 OK", media.offer(sdp, tag) if sealed else sdp),
        ):
            tap.send(tap.answer(invite, status, told, body, tag=party.tag))
        party.sound(invite)
        return party

    async def talk(self) -> tuple[Party, Party]:
        """A call that is up, heard both ways."""
        first, (cseq, branch) = await self.dial()
        second = await self.answer()
        answered = await first.final("INVITE", cseq, branch)
        assert answered.status == 200
        learn(first, answered)
        first.sound(answered)
        await heard(first, second)
        return first, second

    async def taken_by_the_next(self, first: Party, sent: tuple[int, str]) -> None:
        """The call goes on over the next trunk, is heard there, and ends."""
        leg = await self.house.backup.incoming()
        answered = await first.final("INVITE", *sent)
        assert answered.status == 200
        learn(first, answered)
        first.sound(answered)
        await asyncio.gather(first.hears(CALLEES), leg.hear(CALLERS, 200))
        assert (await first.request("BYE")).status == 200
        await leg.wait_ended()


def learn(party: Party, message: Message) -> None:
    """Take the key of their audio."""
    assert isinstance(party.media, SealedMedia)
    assert "RTP/SAVP " in message.body
    party.media.learn(message.body)


async def heard(first: Party, second: Party) -> None:
    """Sound passes both ways."""
    await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))


async def until_none_is_live(maskline: Maskline) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await maskline.live():
            await asyncio.sleep(0.05)


def is_a(method: str) -> Callable[[Message], bool]:
    return lambda message: message.is_request and message.method == method
