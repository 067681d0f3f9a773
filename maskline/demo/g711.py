"""G.711 (ITU-T) companding and tones in it. Pure functions; never any I/O."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from enum import IntEnum
from functools import cache

RATE_HZ = 8000
FRAME_MS = 20
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000
GRID_HZ = 1000 // FRAME_MS  # tones on this grid fill a frame with whole periods


class Codec(IntEnum):
    """RTP payload types (RFC 3551, table 4) of the two laws."""

    ULAW = 0
    ALAW = 8


@cache
def decode_table(codec: Codec) -> tuple[int, ...]:
    """The 16-bit sample of each of the 256 code words."""
    return tuple(_ulaw(code) if codec is Codec.ULAW else _alaw(code) for code in range(256))


def decode(payload: bytes, codec: Codec) -> list[int]:
    """16-bit samples of `payload`."""
    table = decode_table(codec)
    return [table[code] for code in payload]


def encode(samples: Sequence[int], codec: Codec) -> bytes:
    """Each sample as the nearest code word."""
    levels, codes = _levels(codec)
    return bytes(codes[_nearest(levels, sample)] for sample in samples)


@cache
def _levels(codec: Codec) -> tuple[tuple[int, ...], bytes]:
    """What can be said, in order, and the code words for it."""
    by_level = {level: code for code, level in enumerate(decode_table(codec))}
    levels = tuple(sorted(by_level))
    return levels, bytes(by_level[level] for level in levels)


def _nearest(levels: Sequence[int], sample: int) -> int:
    """The place in `levels` of the one nearest to `sample`."""
    above = bisect_left(levels, sample)
    if above == 0 or above == len(levels):
        return min(above, len(levels) - 1)
    return above if levels[above] - sample < sample - levels[above - 1] else above - 1


@cache
def tone_frame(hz: int, codec: Codec, amplitude: int = 8000) -> bytes:
    """One frame of a sine; frames repeat without a step. Raises ValueError off the 50 Hz grid."""
    if hz % GRID_HZ or not GRID_HZ <= hz < RATE_HZ // 2:
        msg = f"a tone must be a multiple of {GRID_HZ} Hz below {RATE_HZ // 2} Hz"
        raise ValueError(msg)
    turn = 2 * math.pi * hz / RATE_HZ
    return encode([round(amplitude * math.sin(turn * n)) for n in range(FRAME_SAMPLES)], codec)


@cache
def silence_frame(codec: Codec) -> bytes:
    """One frame of silence."""
    return encode([0] * FRAME_SAMPLES, codec)


def _ulaw(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return (0x84 - magnitude) if code & 0x80 else (magnitude - 0x84)


def _alaw(code: int) -> int:
    code ^= 0x55
    segment = (code & 0x70) >> 4
    magnitude = (code & 0x0F) << 4
    magnitude = magnitude + 8 if segment == 0 else (magnitude + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude
