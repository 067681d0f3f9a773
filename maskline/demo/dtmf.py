"""Keys of a telephone on the wire: RFC 4733 events and dual tones in G.711. Pure; never any I/O.

A key pressed becomes a row of packets, one every 20 ms, as the media endpoint sends them; what
arrives is read back from packets alone, so that a test can say which keys passed and how.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import mul

from maskline.demo import g711
from maskline.demo.g711 import FRAME_MS, FRAME_SAMPLES, RATE_HZ, Codec

KEYS = "0123456789*#ABCD"  # in the order of RFC 4733, table 3: the place is the event code
EVENT = struct.Struct("!BBH")
END_BIT = 0x80
END_PACKETS = 3  # RFC 4733, 2.5.1.4: the last packet is sent three times
VOLUME = 10  # dBm0 without its sign
ROWS_HZ = (697, 770, 852, 941)  # ITU-T Q.23
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")
_AMPLITUDE = 5000  # of each of the two tones; together well below full scale
_SHARE = 0.7  # of a frame's power that the two tones must have to be a key
_TWIST = 8.0  # most one of the two may be stronger, in power: 9 dB


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a key is held and how long none is. 40 ms each is the least that Q.24 asks for."""

    tone_ms: int = 100
    pause_ms: int = 100


@dataclass(frozen=True, slots=True)
class Packet:
    """What one 20 ms step of a key sends. `payload` None: the step is a pause, of usual audio."""

    payload: bytes | None
    event: bool = False  # a telephone-event; else audio
    marker: bool = False  # the first of an event (RFC 4733, 2.5.1.1)
    back: int = 0  # its timestamp lies so many samples before this step


def code_of(key: str) -> int:
    """The event code of `key`. Raises ValueError if no telephone has it."""
    return KEYS.index(key)


def events(keys: str, pace: Pace) -> Iterator[Packet]:
    """`keys` as telephone-events (RFC 4733, 2.5): one timestamp a key, a duration that grows."""
    for key in keys:
        code, steps = code_of(key), max(1, pace.tone_ms // FRAME_MS)
        for step in range(1, steps + END_PACKETS):
            held = min(step, steps) * FRAME_SAMPLES
            flags = VOLUME | (END_BIT if step >= steps else 0)
            yield Packet(
                EVENT.pack(code, flags, held),
                event=True,
                marker=step == 1,
                back=(step - 1) * FRAME_SAMPLES,
            )
        yield from _pause(pace.pause_ms - (END_PACKETS - 1) * FRAME_MS)


def tones(keys: str, pace: Pace, codec: Codec) -> Iterator[Packet]:
    """`keys` as sound (ITU-T Q.23), the two tones going through from frame to frame."""
    for key in keys:
        for step in range(max(1, pace.tone_ms // FRAME_MS)):
            yield Packet(tone_frame(key, step, codec))
        yield from _pause(pace.pause_ms)


def _pause(ms: int) -> Iterator[Packet]:
    for _ in range(max(0, ms) // FRAME_MS):
        yield Packet(None)


def pair_hz(key: str) -> tuple[int, int]:
    """The two frequencies of `key`. Raises ValueError if no telephone has it."""
    for row, keys in enumerate(KEYPAD):
        if len(key) == 1 and key in keys:
            return ROWS_HZ[row], COLUMNS_HZ[keys.index(key)]
    raise ValueError(f"{key!r} is no key of a telephone")


@cache
def tone_frame(key: str, step: int, codec: Codec) -> bytes:
    """Frame `step` of `key` held down."""
    low, high = (2 * math.pi * hz / RATE_HZ for hz in pair_hz(key))
    first = step * FRAME_SAMPLES
    return g711.encode(
        [
            round(_AMPLITUDE * (math.sin(low * n) + math.sin(high * n)))
            for n in range(first, first + FRAME_SAMPLES)
        ],
        codec,
    )


def keys_of_events(events_seen: Iterable[tuple[int, bytes]]) -> str:
    """The keys that `events_seen`, (timestamp, payload) in order, say; each event once."""
    keys, last = "", None
    for timestamp, payload in events_seen:
        if len(payload) < EVENT.size:
            continue
        code, _, _ = EVENT.unpack_from(payload)
        if timestamp != last and code < len(KEYS):
            keys += KEYS[code]
        last = timestamp
    return keys


def key_in(samples: Sequence[int]) -> str | None:
    """The key whose two tones hold most of the power of a 20 ms frame; None: no key."""
    power = float(sum(map(mul, samples, samples)))
    if len(samples) != FRAME_SAMPLES or power < 100.0**2 * FRAME_SAMPLES:
        return None
    low, low_hz = max((_power_at(samples, hz), hz) for hz in ROWS_HZ)
    high, high_hz = max((_power_at(samples, hz), hz) for hz in COLUMNS_HZ)
    if low + high < _SHARE * power or max(low, high) > _TWIST * min(low, high):
        return None
    return KEYPAD[ROWS_HZ.index(low_hz)][COLUMNS_HZ.index(high_hz)]


def keys_of_frames(frames: Iterable[str | None]) -> str:
    """The keys that were held for two frames or more, given what each frame holds."""
    return "".join(key for key, held in groupby(frames) if key is not None and len(list(held)) >= 2)


def _power_at(samples: Sequence[int], hz: int) -> float:
    """Power of the frame at `hz` (Goertzel's sum, written out)."""
    cosine, sine = _basis(hz)
    real, imaginary = sum(map(mul, samples, cosine)), sum(map(mul, samples, sine))
    return float(2 * (real * real + imaginary * imaginary) / FRAME_SAMPLES)


@cache
def _basis(hz: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    angles = [2 * math.pi * hz * n / RATE_HZ for n in range(FRAME_SAMPLES)]
    return tuple(map(math.cos, angles)), tuple(map(math.sin, angles))
