"""One end of an RTP stream (RFC 3550): sends a tone and keys at the exact pace, keeps what arrives.

What was heard is worked out afterwards, from the payloads, so that listening costs nothing during a
call. It checks audio, never packet counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple, Self, cast

from maskline.demo import dtmf, g711, tones
from maskline.demo.dtmf import Pace
from maskline.demo.g711 import FRAME_MS, FRAME_SAMPLES, Codec
from maskline.demo.sip import EVENT_TYPE
from maskline.demo.sounds import Ear, Sound

HEADER = struct.Struct("!BBHII")
MOST_FRAMES = 50 * 1800  # half an hour of audio; what comes after is not kept


class Frame(NamedTuple):
    """One RTP packet that arrived."""

    at: float  # loop time, seconds
    ssrc: int
    sequence: int
    timestamp: int
    payload_type: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What a party heard, as a person would say it."""

    tone_ms: dict[int, int] = field(default_factory=dict)  # by frequency in Hz
    gaps_ms: tuple[int, ...] = ()  # holes between two stretches of tone
    audible_ms: int = 0  # anything above line noise, speech included
    total_ms: int = 0  # all audio that arrived, silence included
    keys: str = ""  # by RFC 4733, and those heard as dual tones after them

    @property
    def loudest_hz(self) -> int | None:
        """The tone heard longest."""
        return max(self.tone_ms, key=lambda hz: self.tone_ms[hz], default=None)

    @property
    def speech_ms(self) -> int:
        """Audible and not a tone: an announcement, music."""
        return self.audible_ms - sum(self.tone_ms.values())


class MediaEndpoint(asyncio.DatagramProtocol):
    """A UDP port that sends one tone and keeps what it receives.

    `async with await MediaEndpoint.open("127.0.0.40") as media:`
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.frames: list[Frame] = []
        self.sent_frames = 0
        self.tone_hz: int | None = None  # None sends silence
        self.codec = Codec.ALAW
        self.event_type = EVENT_TYPE  # of the telephone-events that come to us
        self.first_source: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._target: tuple[str, int] | None = None
        self._pacer: asyncio.Task[None] | None = None
        self._their_event_type: int | None = None
        self._keys: deque[dtmf.Packet] = deque()
        self._let_go = asyncio.Event()  # no key is held, and none waits
        self._let_go.set()
        self._ear = Ear()
        self._heard_frames = 0

    @classmethod
    async def open(cls, host: str) -> Self:
        """An endpoint on a free port of `host`."""
        endpoint = cls(host)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: endpoint, local_addr=(host, 0))
        return endpoint

    @property
    def port(self) -> int:
        """The UDP port to put into SDP."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def send_to(
        self, host: str, port: int, codec: Codec, event_type: int | None = EVENT_TYPE
    ) -> None:
        """Send to `host`:`port`, one frame every 20 ms. Called again, it changes the target."""
        self._target = (host, port)
        self.codec = codec
        self._their_event_type = event_type
        if self._pacer is None:
            self._pacer = asyncio.create_task(self._pace(), name="rtp-pacer")

    def hold(self) -> None:
        """Send nothing until `send_to` is called again. Keys that wait are forgotten."""
        self._target = None
        self._keys.clear()
        self._let_go.set()

    async def press(self, keys: str, pace: Pace, *, in_band: bool) -> None:
        """Press `keys`, in place of the tone; returns when the last was let go.

        Raises ValueError for what is no key, or for events where the other side takes none.
        """
        if in_band:
            row = dtmf.tones(keys, pace, self.codec)
        elif self._their_event_type is None:
            raise ValueError("the other side takes no telephone-events")
        else:
            row = dtmf.events(keys, pace)
        packets = list(row)
        if self._target is not None:
            self._keys += packets
            self._let_go.clear()
            await self._let_go.wait()

    async def close(self) -> None:
        """Stop sending and free the port."""
        if self._pacer is not None:
            self._pacer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pacer
            self._pacer = None
        if self._transport is not None:
            self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def heard(self, *, since: float = 0.0) -> Heard:
        """What arrived from loop time `since` on, told as tones, gaps and audible time."""
        recent = [frame for frame in self.frames if frame.at >= since]
        return listen(recent, self.event_type)

    def find(self, sound: Sound) -> int | None:
        """Where the whole of `sound` began, in ms of the audio that arrived; None: not yet."""
        arrived = self.frames[self._heard_frames :]
        self._heard_frames += len(arrived)
        for frame in arrived:
            if frame.payload_type in (Codec.ALAW, Codec.ULAW):
                self._ear.add(g711.decode(frame.payload, Codec(frame.payload_type)))
        return self._ear.find(sound)

    def heard_enough(self, hz: int, ms: int) -> bool:
        """Whether the last `ms` of arrived audio are one stretch of `hz`."""
        recent = self.frames[-(ms // FRAME_MS) :]
        return len(recent) * FRAME_MS >= ms and all(_tone(frame, hz) == hz for frame in recent)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.DatagramProtocol."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep an RTP packet; anything else (RTCP, rubbish) is dropped."""
        if len(data) <= HEADER.size or data[0] >> 6 != 2 or len(self.frames) >= MOST_FRAMES:
            return
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        start = HEADER.size + 4 * (first & 0x0F)
        now = asyncio.get_running_loop().time()
        self.first_source = self.first_source or addr
        self.frames.append(Frame(now, ssrc, sequence, timestamp, second & 0x7F, data[start:]))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at the far end any more: not our business, the call's end will come."""

    async def _pace(self) -> None:
        """Send on an absolute time line: a late wake-up is caught up, never added on."""
        loop = asyncio.get_running_loop()
        assert self._transport is not None
        ssrc = id(self) & 0xFFFFFFFF
        begin, tick = loop.time(), 0
        while True:
            if self._target is not None:
                self._transport.sendto(self._packet(tick, ssrc), self._target)
                self.sent_frames += 1
            tick += 1
            await asyncio.sleep(max(0.0, begin + tick * FRAME_MS / 1000 - loop.time()))

    def _packet(self, tick: int, ssrc: int) -> bytes:
        """The next key's, or the tone's."""
        kind: int = self.codec
        marker = back = 0
        payload: bytes | None = None
        if self._keys:
            key = self._keys.popleft()
            payload, marker, back = key.payload, key.marker << 7, key.back
            if key.event and self._their_event_type is not None:
                kind = self._their_event_type
            if not self._keys:
                self._let_go.set()
        timestamp = (tick * FRAME_SAMPLES - back) & 0xFFFFFFFF
        header = HEADER.pack(0x80, marker | kind, tick & 0xFFFF, timestamp, ssrc)
        return header + (self._payload() if payload is None else payload)

    def _payload(self) -> bytes:
        if self.tone_hz is None:
            return g711.silence_frame(self.codec)
        return g711.tone_frame(self.tone_hz, self.codec)


class Sink(asyncio.DatagramProtocol):
    """A UDP port that takes audio and keeps none of it: for calls whose sound is not looked at."""

    def __init__(self) -> None:
        self.packets = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Count and drop."""
        self.packets += 1

    def error_received(self, exc: Exception) -> None:
        """Nothing was sent, so nothing can have failed."""


def listen(frames: list[Frame], event_type: int = EVENT_TYPE) -> Heard:
    """Tell what `frames` sound like.

    A gap is measured in RTP time; by arrival where the source changed.
    """
    tone_ms: Counter[int] = Counter()
    gaps: list[int] = []
    audible = total = 0
    previous: Frame | None = None
    last_hz: int | None = None
    events: list[tuple[int, bytes]] = []
    pressed: list[str | None] = []  # by frame
    for frame in sorted(frames, key=lambda one: (one.at, one.sequence)):
        if frame.payload_type == event_type:
            events.append((frame.timestamp, frame.payload))
        if frame.payload_type not in (Codec.ALAW, Codec.ULAW):
            continue
        samples = g711.decode(frame.payload, Codec(frame.payload_type))
        length_ms = len(samples) * 1000 // g711.RATE_HZ
        total += length_ms
        if not tones.is_audible(samples):
            pressed.append(None)
            continue
        audible += length_ms
        hz = tones.dominant_hz(samples, last_hz)
        pressed.append(dtmf.key_in(samples) if hz is None else None)
        if hz is None:
            continue
        tone_ms[hz] += length_ms
        if previous is not None and (hole := _hole_ms(previous, frame)) > 0:
            gaps.append(hole)
        previous, last_hz = frame, hz
    keys = dtmf.keys_of_events(events) + dtmf.keys_of_frames(pressed)
    return Heard(dict(tone_ms), tuple(gaps), audible, total, keys)


def _hole_ms(before: Frame, after: Frame) -> int:
    if before.ssrc != after.ssrc:
        return max(0, round((after.at - before.at) * 1000) - FRAME_MS)
    apart = (after.timestamp - before.timestamp) & 0xFFFFFFFF
    return 0 if apart >= 1 << 31 else max(0, (apart - FRAME_SAMPLES) * 1000 // g711.RATE_HZ)


def _tone(frame: Frame, likely: int) -> int | None:
    if frame.payload_type not in (Codec.ALAW, Codec.ULAW):
        return None
    return tones.dominant_hz(g711.decode(frame.payload, Codec(frame.payload_type)), likely)
