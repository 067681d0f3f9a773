"""The buyer's mobile internet: passes media between the browser and Maskline, or loses some of it.

A relay is two UDP sockets. The page names the near one to its browser in place of Maskline's
candidate, and the far one to Maskline in place of the browser's: so all packets of that call come
through here, and "poor network" is real loss, delay and jitter on real RTP. Never looks into a
packet beyond its first byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from maskline.settings import PortRange

MOST = 12  # relays at once; one more takes the place of the one that was silent longest
IDLE_S = 120.0
MOST_LATE = 500  # packets, each way of a relay: seconds of sound

SockAddr = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Weather:
    """What becomes of a packet."""

    loss: float = 0.0  # share that is lost, each way
    delay_ms: float = 0.0
    jitter_ms: float = 0.0  # up to so much more


FAIR = Weather()
POOR = Weather(loss=0.16, delay_ms=140.0, jitter_ms=90.0)


@dataclass(frozen=True, slots=True)
class Ends:
    """The ports of a relay."""

    near: int  # toward the browser
    far: int  # toward Maskline


class _Side(asyncio.DatagramProtocol):
    """One socket of a relay: learns whom it talks to from who talks to it."""

    def __init__(self, on_packet: Callable[[bytes], None]) -> None:
        self._on_packet = on_packet
        self._peer: SockAddr | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self.late: deque[tuple[float, bytes]] = deque()  # (when, what), waiting to be sent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's by class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: SockAddr) -> None:
        self._peer = addr
        self._on_packet(data)

    def error_received(self, exc: Exception) -> None:
        """The other side has closed its port."""

    def send_at(self, due_s: float, data: bytes) -> None:
        """Send it then, or later: what is late stays in order."""
        if len(self.late) == MOST_LATE:
            return  # lost, as in any full queue
        self.late.append((max(due_s, self.late[-1][0]) if self.late else due_s, data))
        if len(self.late) == 1:
            asyncio.get_running_loop().call_at(due_s, self._send_late)

    def _send_late(self) -> None:
        now_s = asyncio.get_running_loop().time()
        while self.late and self.late[0][0] <= now_s:
            self.send(self.late.popleft()[1])
        if self.late:
            asyncio.get_running_loop().call_at(self.late[0][0], self._send_late)

    def send(self, data: bytes) -> None:
        if self._transport is not None and self._peer is not None:
            self._transport.sendto(data, self._peer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Relay:
    """Two sockets and the air between them."""

    def __init__(self, weather: Callable[[], Weather]) -> None:
        self._weather = weather
        self._loop = asyncio.get_running_loop()
        self.near = _Side(lambda data: self._pass(data, self.far))
        self.far = _Side(lambda data: self._pass(data, self.near))
        self.used_at_s = self._loop.time()

    def _pass(self, data: bytes, to: _Side) -> None:
        now_s = self._loop.time()
        self.used_at_s = now_s
        weather = self._weather()
        if weather is FAIR and not to.late:
            to.send(data)
            return
        # Only RTP and RTCP are lost (RFC 7983: their first byte is 128 to 191): a lost handshake
        # would merely be sent again and say nothing of the sound.
        is_media = bool(data) and 128 <= data[0] <= 191
        if is_media and random.random() < weather.loss:  # noqa: S311 (weather)
            return
        wait_s = (weather.delay_ms + random.random() * weather.jitter_ms) / 1000  # noqa: S311
        to.send_at(now_s + wait_s, data)

    def close(self) -> None:
        self.near.close()
        self.far.close()


class Radio:
    """All relays, and the weather over them."""

    def __init__(self, host: str, ports: PortRange) -> None:
        self._host = host
        self.weather = FAIR
        self._ports = ports
        self._relays: dict[Ends, _Relay] = {}

    def reached_at(self, host: str) -> str:
        """The address for an ICE candidate, for a browser that calls us `host`.

        Raises ValueError where that is neither an address nor localhost.
        """
        if self._host not in ("0.0.0.0", "::"):  # noqa: S104 (compared)
            return "127.0.0.1" if self._host == "localhost" else self._host
        return "127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host.strip("[]")))

    async def open(self) -> Ends:
        """A new relay. Raises OSError where no port is left."""
        self._let_go_of_idle()
        loop = asyncio.get_running_loop()
        relay = _Relay(lambda: self.weather)
        try:
            near = await self._bind(loop, relay.near)
            ends = Ends(near, await self._bind(loop, relay.far))
        except OSError:
            relay.close()
            raise
        self._relays[ends] = relay
        return ends

    async def _bind(self, loop: asyncio.AbstractEventLoop, side: _Side) -> int:
        taken = {port for ends in self._relays for port in (ends.near, ends.far)}
        for port in range(self._ports.first, self._ports.last + 1):
            if port in taken:
                continue
            with contextlib.suppress(OSError):
                await loop.create_datagram_endpoint(lambda: side, local_addr=(self._host, port))
                return port
        raise OSError("no port is left for the demo's radio")

    def _let_go_of_idle(self) -> None:
        now_s = asyncio.get_running_loop().time()
        by_age = sorted(self._relays, key=lambda ends: self._relays[ends].used_at_s)
        for number, ends in enumerate(by_age):
            too_many = len(by_age) - number >= MOST
            if too_many or now_s - self._relays[ends].used_at_s > IDLE_S:
                self._relays.pop(ends).close()

    def close(self) -> None:
        """Close every socket."""
        for relay in self._relays.values():
            relay.close()
        self._relays.clear()
