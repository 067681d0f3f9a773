"""A poor network: UDP that goes through here loses packets. Nothing else is changed.

A page rewrites the far end's description so that its media go through; see `through`.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import Self

_CANDIDATE = re.compile(r"(a=candidate:\S+ \d+ udp \d+ )(\S+) (\d+)( typ host)", re.IGNORECASE)

Address = tuple[str, int]


@dataclass
class LossyRelay:
    """`async with LossyRelay() as relay:`; `relay.loss` may change at any moment."""

    loss: float = 0.0  # each way, 0 to 1
    used: bool = True  # False: media go past it
    passed: int = 0
    dropped: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(4))
    _fronts: dict[Address, asyncio.DatagramTransport] = field(default_factory=dict)
    _transports: list[asyncio.DatagramTransport] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for transport in self._transports:
            transport.close()

    async def through(self, sdp: str) -> str:
        """`sdp` with every candidate replaced by one of ours."""
        for _, host, port, _ in _CANDIDATE.findall(sdp):
            if (host, int(port)) not in self._fronts and "." in host:
                await self._open((host, int(port)))

        def ours(found: re.Match[str]) -> str:
            front = self._fronts.get((found[2], int(found[3])))
            if front is None:
                return found[0]
            host, port = front.get_extra_info("sockname")
            return f"{found[1]}{host} {port}{found[4]}"

        return _CANDIDATE.sub(ours, sdp)

    def move(self) -> None:
        """From now on the far end sees the page at other ports, as behind another NAT."""
        for transport in self._fronts.values():
            front = transport.get_protocol()
            assert isinstance(front, _Front)
            front.forget()

    def keeps(self) -> bool:
        """Whether the next packet arrives."""
        kept = self.random.random() >= self.loss
        self.passed += kept
        self.dropped += not kept
        return kept

    async def _open(self, far: Address) -> None:
        loop = asyncio.get_running_loop()
        # On the far end's own address: reachable wherever that is.
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Front(self, far), local_addr=(far[0], 0)
        )
        self._fronts[far] = transport
        self._transports.append(transport)

    def own(self, transport: asyncio.DatagramTransport) -> None:
        """Close it at the end."""
        self._transports.append(transport)


class _Front(asyncio.DatagramProtocol):
    """Where the page sends to; a back for each of its sockets."""

    def __init__(self, relay: LossyRelay, far: Address) -> None:
        self._relay = relay
        self._far = far
        self._backs: dict[Address, asyncio.Task[asyncio.DatagramTransport]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        assert self._transport is not None
        if addr not in self._backs:
            self._backs[addr] = asyncio.create_task(self._back(self._transport, addr))
        back = self._backs[addr]
        if self._relay.keeps() and back.done():
            back.result().sendto(data)

    def forget(self) -> None:
        """Who comes is new, whoever it was."""
        for back in self._backs.values():
            back.add_done_callback(lambda made: made.result().close())
        self._backs.clear()

    async def _back(
        self, front: asyncio.DatagramTransport, page: Address
    ) -> asyncio.DatagramTransport:
        back, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Back(self._relay, front, page), remote_addr=self._far
        )
        self._relay.own(back)
        return back


class _Back(asyncio.DatagramProtocol):
    """Sends to the far end what one socket of the page sent, and back."""

    def __init__(self, relay: LossyRelay, front: asyncio.DatagramTransport, page: Address) -> None:
        self._relay = relay
        self._front = front
        self._page = page

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self._relay.keeps() and not self._front.is_closing():
            self._front.sendto(data, self._page)
