"""Trunks over TLS where no TLS comes in: outward, and from those with whom we register."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from maskline.demo import Call, Carrier
from tests.support.certificate import Authority
from tests.support.maskline import Maskline, Session
from tests.support.planted import Person
from tests.support.sealed_line import CALLEES, CALLERS, OVER_TLS, SDP, is_a, until_none_is_live
from tests.support.srtp import SealedMedia
from tests.support.tls_tap import TlsTap, shown
from tests.support.wiretap import Party, callee, caller, tap_host

NUMBER = "+74951118001"
MakeCarrier = Callable[..., Awaitable[Carrier]]


@dataclass
class Outward:
    """A Maskline where no TLS comes in, and a carrier that is called over it."""

    maskline: Maskline
    there: TlsTap
    stack: AsyncExitStack

    @property
    def contact(self) -> str:
        return f"<sip:phone@{self.there.host}:{self.there.port}{OVER_TLS}>"

    async def media(self) -> SealedMedia:
        made = await SealedMedia.pair(self.there.host)
        self.stack.push_async_callback(made.close)
        return made

    async def up(self, carrier: Carrier, session: Session) -> tuple[Call, Party]:
        """A call from an ordinary trunk, heard both ways."""
        call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=CALLERS)
        invite, media = await self.there.invite(), await self.media()
        party = await callee(self.there, invite, tone_hz=CALLEES, contact=self.contact, media=media)
        tag = media.learn(invite.body)
        body = media.offer(Person(session.seller, "V S", media.host).sdp(media.port), tag)
        told = (f"Contact: {self.contact}",)
        self.there.send(self.there.answer(invite, "200 OK", told, body, tag=party.tag))
        party.sound(invite)
        await call.wait_up()
        await both_heard(call, party)
        return call, party

    async def end(self, call: Call) -> None:
        await call.hang_up()
        await self.there.take(is_a("BYE"))
        await until_none_is_live(self.maskline)


async def both_heard(call: Call, party: Party) -> None:
    await asyncio.gather(party.hears(CALLERS), call.hear(CALLEES, 200))


@pytest_asyncio.fixture(loop_scope="session")
async def outward(own: Maskline, tmp_path: Path) -> AsyncIterator[Outward]:
    authority, host = Authority(tmp_path / "authority"), tap_host()
    own.options = {"sip_tls_ca": str(authority.file)}
    await own.start()
    pair = authority.vouch(host)
    async with (
        AsyncExitStack() as stack,
        await TlsTap.speaking(own.sip_address, host, shows=shown(*pair)) as there,
    ):
        there.dials = False
        yield Outward(own, there, stack)
    assert await own.stop() == 0


async def test_with_no_door_calls_go_out_over_tls_and_no_change_touches_them(
    outward: Outward, make_carrier: MakeCarrier, phone: Iterator[str]
) -> None:
    maskline, there = outward.maskline, outward.there
    carrier = await make_carrier(maskline)
    await maskline.add_trunk("plain", carrier.host, carrier.port)
    said = ("trunks", "add", "sealed", "--host", there.host, "--port", str(there.port))
    over = ("--transport", "tls", "--media-encryption", "sdes")
    code, _, why = await maskline.run(*said, *over)
    assert code == 1
    assert "inbound: TLS comes in only with the setting sip_tls" in why
    assert await maskline.run(*said, *over, "--inbound", "no") == (0, "added sealed\n", "")
    await maskline.add_numbers("sealed", NUMBER)

    session = await maskline.open_session(next(phone), next(phone))
    call, party = await outward.up(carrier, session)
    made = there.came_in
    for changes in ({"max_cps": 7}, {"enabled": False}, {"enabled": True}, {"enabled": False}):
        await maskline.ask("PATCH", "/v1/trunks/sealed", changes)
        party.media.frames.clear()
        await both_heard(call, party)
    await outward.end(call)
    assert there.came_in == made, "the connection of the call was left alone"
    await maskline.ask("PATCH", "/v1/trunks/sealed", {"enabled": True})
    call, _ = await outward.up(carrier, session)
    await outward.end(call)


async def test_who_cannot_vouch_is_one_clear_line(own: Maskline, tmp_path: Path) -> None:
    own.options = {"sip_tls_ca": str(tmp_path / "nobody.pem")}
    with pytest.raises(AssertionError, match=r"cannot use sip_tls_ca .*nobody\.pem: No such file"):
        await own.start()


async def test_with_no_door_a_carrier_we_register_with_calls_over_our_connection(
    outward: Outward, phone: Iterator[str]
) -> None:
    maskline, there = outward.maskline, outward.there
    log_in = {"type": "digest", "username": "we", "password": "secret", "register": True}
    await maskline.add_trunk(
        "sealed", there.host, there.port, transport="tls", media_encryption="sdes", auth=log_in
    )
    await maskline.add_numbers("sealed", NUMBER)
    register = await there.take(is_a("REGISTER"))
    assert register.header("via").startswith("SIP/2.0/TLS ")

    session, media = await maskline.open_session(next(phone), next(phone)), await outward.media()
    first = await caller(
        there,
        session.buyer_dials,
        sender=f"<sip:{session.buyer}@home>",
        tone_hz=CALLERS,
        contact=outward.contact,
        media=media,
    )
    person = Person(session.buyer, "Z K", there.host)
    sent = first.send("INVITE", (SDP,), media.offer(person.sdp(media.port)))
    rung = await there.invite()
    assert rung.user("from") == session.seller_dials
    there.send(there.answer(rung, "486 Busy Here", tag="busy"))
    assert (await first.final("INVITE", *sent)).status == 486
    assert there.came_in == 1
