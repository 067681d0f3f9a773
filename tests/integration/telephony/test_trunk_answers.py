"""Whether a trunk answers OPTIONS, as Asterisk finds: it does, it stops, it was not asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

from telephony.trunk_answers import TrunkAnswers
from tests.integration.telephony import sipp
from tests.integration.telephony.conftest import CALLEE_HOST, CALLER_HOST, IN, OUT, SPARE, Bench

_COPIED = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")


class _Answering(asyncio.DatagramProtocol):
    """Answers OPTIONS with 200 (RFC 3261, 8.2.6), as long as it is told to; and is always busy."""

    def __init__(self) -> None:
        self.silent = False
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        called = data.startswith(b"INVITE ")
        if not called and (self.silent or not data.startswith(b"OPTIONS ")):
            return
        kept = [line for line in data.split(b"\r\n") if line.lower().startswith(_COPIED)]
        status = b"SIP/2.0 486 Busy Here" if called else b"SIP/2.0 200 OK"
        lines = [status, *kept, b"Content-Length: 0", b"", b""]
        self._transport.sendto(b"\r\n".join(lines), addr)


@asynccontextmanager
async def carrier(host: str, port: int) -> AsyncIterator[_Answering]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Answering, local_addr=(host, port))
    try:
        yield protocol
    finally:
        transport.close()


async def test_it_is_known_which_trunks_answer_and_which_fell_silent(bench: Bench) -> None:
    good, bad = (replace(one, options_interval_s=1) for one in (IN, OUT))
    unasked = SPARE
    async with (
        carrier(CALLER_HOST, IN.port) as answering,
        bench.node() as node,
        bench.controller(node) as controller,
    ):
        await node.apply_trunks([good, bad, unasked])
        watched = TrunkAnswers(controller.link, lambda: [good, bad, unasked])

        async def until(wanted: dict[str, bool]) -> None:
            async with asyncio.timeout(20):
                while await watched.look() != wanted:
                    await asyncio.sleep(0.1)

        assert (good.host, bad.host) == (CALLER_HOST, CALLEE_HOST)
        await until({good.name: True, bad.name: False})
        answering.silent = True
        await until({good.name: False, bad.name: False})
        answering.silent = False
        await until({good.name: True, bad.name: False})


async def test_the_last_trunk_is_called_though_it_left_options_unanswered(bench: Bench) -> None:
    asked = replace(OUT, options_interval_s=600)
    async with bench.node() as node, bench.controller(node) as controller:
        watched = TrunkAnswers(controller.link, lambda: [asked])
        for port in (OUT.port, OUT.port + 1):  # it moves: what Asterisk keeps of it is forgotten
            await node.apply_trunks([IN, replace(asked, port=port)])
            async with carrier(OUT.host, port) as busy:
                busy.silent = True
                async with asyncio.timeout(10):
                    while await watched.look() != {asked.name: False}:
                        await asyncio.sleep(0.1)
                caller = await sipp.sipp(
                    sipp.calls_in_vain(486), bench.folder, host=IN.host, to=bench.sip
                )
                assert await caller.done() == 0
                assert await watched.look() == {asked.name: False}


async def test_a_carrier_that_moved_is_asked_at_once(bench: Bench) -> None:
    there = replace(IN, options_interval_s=600)
    elsewhere = replace(there, port=IN.port + 1)
    async with (
        carrier(CALLER_HOST, IN.port),
        bench.node() as node,
        bench.controller(node) as controller,
    ):
        watched = TrunkAnswers(controller.link, lambda: [there])

        async def until(*, answers: bool) -> None:
            async with asyncio.timeout(10):
                while (await watched.look()).get(there.name) is not answers:
                    await asyncio.sleep(0.1)

        await node.apply_trunks([there])
        await until(answers=True)
        await node.apply_trunks([elsewhere])
        await until(answers=False)
        await node.apply_trunks([there])
        await until(answers=True)
