"""The wire between the carrier's address and its SIPp processes: carries and keeps every datagram.

It owns the carrier's one UDP port, so that many SIPp processes share it. It decides nothing: whose
a datagram is, is asked of the carrier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

Address = tuple[str, int]
Handler = Callable[[bytes, Address], None]


@dataclass(slots=True)
class _Port(asyncio.DatagramProtocol):
    handler: Handler

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.handler(data, addr)

    def error_received(self, exc: Exception) -> None:
        """ICMP said that the far end is gone; SIP has its own time-outs for that."""


class Wire:
    """Two UDP ports: `outer`, the carrier's, and `inner`, which only SIPp sees."""

    def __init__(self, outer: asyncio.DatagramTransport, inner: asyncio.DatagramTransport) -> None:
        self._outer = outer
        self._inner = inner

    @classmethod
    async def open(cls, address: Address, *, from_outside: Handler, from_sipp: Handler) -> Self:
        """Bind both ports. Raises OSError when `address` is taken."""
        loop = asyncio.get_running_loop()
        outer, _ = await loop.create_datagram_endpoint(
            lambda: _Port(from_outside), local_addr=address
        )
        inner, _ = await loop.create_datagram_endpoint(
            lambda: _Port(from_sipp), local_addr=(address[0], 0)
        )
        return cls(outer, inner)

    @property
    def inner_address(self) -> Address:
        """Where SIPp sends."""
        host, port = self._inner.get_extra_info("sockname")[:2]
        return host, port

    def to_outside(self, data: bytes, to: Address) -> None:
        """Send from the carrier's port."""
        self._outer.sendto(data, to)

    def to_sipp(self, data: bytes, to: Address) -> None:
        """Hand a datagram to a SIPp process."""
        self._inner.sendto(data, to)

    def close(self) -> None:
        """Free both ports."""
        self._outer.close()
        self._inner.close()
