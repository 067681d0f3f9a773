"""A phone's line that loses packets, and that reports what arrives, as a carrier's gateway does.

`async with reporting(call) as line:` puts it around the media of a call of ours that is up.
`line.loses_out`, `line.loses_in`: the share of packets that gets lost on either way, from now on.
Its reports are receiver reports (RFC 3550, 6.4.2), one about every five seconds, as Asterisk's are;
they tell of what came through, and are never lost themselves.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from maskline.demo import Call
from maskline.demo.media import HEADER, MediaEndpoint

REPORT_S = 5.0
_REPORT = struct.Struct("!BBHIIIIIII")
_SENDER_REPORT, _RECEIVER_REPORT, _OURS = 200, 201, 0x52504D4C


@dataclass
class Line:
    """Of one call. What was lost is lost for good; nothing is changed."""

    media: MediaEndpoint
    reports: int = 0
    loses_out: float = 0.0
    loses_in: float = 0.0
    received: int = 0
    highest: int | None = None  # with its cycles
    first: int = 0
    ssrc: int = 0
    heard_sr: tuple[int, float] = (0, 0.0)  # the middle of its NTP time, and when it came
    random: random.Random = field(default_factory=lambda: random.Random(4))

    def goes_out(self) -> bool:
        """Whether the next packet of ours arrives."""
        return self.random.random() >= self.loses_out

    def comes_in(self, data: bytes) -> bool:
        """Whether a packet arrives; if so, it is counted."""
        if self.random.random() < self.loses_in:
            return False
        _, _, sequence, _, ssrc = HEADER.unpack_from(data)
        if self.highest is None or ssrc != self.ssrc:
            self.ssrc, self.first, self.highest, self.received = ssrc, sequence, sequence, 0
        ahead = (sequence - self.highest) & 0xFFFF
        self.highest += ahead if ahead < 1 << 15 else 0
        self.received += 1
        return True

    @property
    def lost(self) -> int:
        """Of what was sent to us."""
        return 0 if self.highest is None else self.highest - self.first + 1 - self.received

    def report(self) -> bytes:
        """A receiver report."""
        middle, came = self.heard_sr
        since = round((time.monotonic() - came) * 65536) if middle else 0
        lost = max(0, min(self.lost, 0x7FFFFF))
        return _REPORT.pack(
            *(0x81, _RECEIVER_REPORT, 7, _OURS, self.ssrc, lost),
            *((self.highest or 0) & 0xFFFFFFFF, 8, middle, since),
        )


class _Out:
    """In the place of an endpoint's transport."""

    def __init__(self, line: Line, inner: Any) -> None:  # noqa: ANN401 (a transport)
        self._line, self._inner = line, inner

    def sendto(self, data: bytes, target: Any) -> None:  # noqa: ANN401 (an address)
        if self._line.goes_out():
            self._inner.sendto(data, target)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever a transport has)
        return getattr(self._inner, name)


class _Reports(asyncio.DatagramProtocol):
    """The port beside the media's."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401
        if len(data) >= 16 and data[1] == _SENDER_REPORT:
            seconds, fraction = struct.unpack_from("!II", data, 8)
            middle = (seconds & 0xFFFF) << 16 | fraction >> 16
            self._line.heard_sr = middle, time.monotonic()


@asynccontextmanager
async def reporting(call: Call, *, reports: bool = True) -> AsyncIterator[Line]:
    """The line of `call`. Without `reports` its far end says nothing of what it hears."""
    media = call.media
    assert media is not None
    line = Line(media)
    inner, receive = media._transport, media.datagram_received
    target = media._target
    assert inner is not None
    assert target is not None
    media._transport = _Out(line, inner)  # type: ignore[assignment]

    def received(data: bytes, addr: tuple[str, int]) -> None:
        if len(data) > HEADER.size and line.comes_in(data):
            receive(data, addr)

    media.datagram_received = received  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    beside, _ = await loop.create_datagram_endpoint(
        lambda: _Reports(line), local_addr=(media.host, media.port + 1)
    )

    async def report() -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            beside.sendto(line.report(), (target[0], target[1] + 1))
            line.reports += 1

    task = asyncio.create_task(report()) if reports else None
    try:
        yield line
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        beside.close()
        media._transport = inner
        media.datagram_received = receive  # type: ignore[method-assign]
