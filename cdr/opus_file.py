"""Sound in two channels to Ogg Opus (RFC 6716, 7845), each channel as a stream of its own.

Opus would rather code two channels together, as their middle and their difference: smaller, but
then a loud side is faintly heard on the other, and a recording has to say who spoke. So they are
coded apart. Loads FFmpeg's libraries: import it only in a process that encodes.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

import av
from av.audio.stream import AudioStream
from av.error import FFmpegError

RATES: Final = MappingProxyType({8000: 32_000, 16_000: 48_000})
"""Sampling rates in Hz, and the bits a second that both sides together get."""

_BLOCK_S: Final = 5
_OGG_HEAD: Final = 27  # bytes of a page before its table of segments
_FAMILY: Final = 18  # where in OpusHead the family of its mapping stands
_OPTIONS: Final = MappingProxyType(
    {
        "application": "voip",
        "mapping_family": "255",  # libopus's word for: couple nothing
        "compression_level": "5",  # of 10: a tenth more bits than 10, a quarter of the time
    }
)


class Sink(Protocol):
    """Where the file goes."""

    def write(self, data: bytes, /) -> int:
        """Take all of `data`."""


class NoSound(Exception):
    """The file holds no sound at all."""


class UnknownSound(Exception):
    """The file holds no sound that is known here."""


class EncoderFailed(Exception):
    """The encoder did not take it."""


def encode(source: Path, sink: Sink) -> int:
    """Write the WAV file `source` to `sink` as Ogg Opus; how long it is, in ms.

    Raises FileNotFoundError and other OSErrors, NoSound, UnknownSound, EncoderFailed.
    """
    try:
        with wave.open(str(source), "rb") as wav:
            rate, frames = wav.getframerate(), wav.getnframes()
            if wav.getnchannels() != 2 or wav.getsampwidth() != 2 or rate not in RATES:
                raise UnknownSound
            if frames == 0:
                raise NoSound
            return _encode(wav, rate, sink)
    except (wave.Error, EOFError):
        raise (NoSound if source.stat().st_size == 0 else UnknownSound) from None


def _encode(wav: wave.Wave_read, rate: int, sink: Sink) -> int:
    head = _MappedHead(sink)
    done = 0
    try:
        with av.open(head, "w", format="ogg") as container:
            stream = container.add_stream("libopus", rate=rate, options=dict(_OPTIONS))
            assert isinstance(stream, AudioStream)
            stream.layout = "stereo"
            stream.bit_rate = RATES[rate]
            for frame in _frames(wav, rate):
                container.mux(stream.encode(frame))
                done += frame.samples
            container.mux(stream.encode(None))
    except FFmpegError as error:
        if head.failed is not None:
            raise head.failed from None
        raise EncoderFailed from error
    if head.failed is not None:
        raise head.failed
    if done == 0:
        raise NoSound
    return done * 1000 // rate


def _frames(wav: wave.Wave_read, rate: int) -> Iterator[av.AudioFrame]:
    done = 0
    while data := wav.readframes(rate * _BLOCK_S):
        frame = av.AudioFrame(format="s16", layout="stereo", samples=len(data) // 4)
        frame.sample_rate = rate
        frame.planes[0].update(data)
        frame.pts = done
        done += frame.samples
        yield frame


class _MappedHead:
    """A sink that says in the file's first page what the two streams are: left and right.

    Family 255, which is what couples nothing, leaves open what is heard where; family 1 with two
    streams says it (RFC 7845, 5.1.1.2), and every player knows it.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._first = bytearray()
        self._passed = False
        self.failed: OSError | None = None

    def write(self, data: bytes) -> int:
        """Pass `data` on. What fails is kept: FFmpeg would say less of it."""
        if self.failed is not None:
            raise self.failed
        try:
            if self._passed:
                return self._sink.write(bytes(data))
            self._first += data
            length = _page_length(self._first)
            if length is not None and len(self._first) >= length:
                self._passed = True
                mapped = _mapped(bytes(self._first[:length]))
                self._sink.write(mapped + bytes(self._first[length:]))
        except OSError as error:
            self.failed = error
            raise
        return len(data)


def _page_length(data: bytearray) -> int | None:
    """How long the Ogg page at the start of `data` is (RFC 3533); None: not known yet."""
    if len(data) < _OGG_HEAD or len(data) < _OGG_HEAD + data[26]:
        return None
    segments = data[26]
    return _OGG_HEAD + segments + sum(data[_OGG_HEAD : _OGG_HEAD + segments])


def _mapped(page: bytes) -> bytes:
    changed = bytearray(page)
    changed[_OGG_HEAD + page[26] + _FAMILY] = 1
    changed[22:26] = bytes(4)
    changed[22:26] = _ogg_crc(changed).to_bytes(4, "little")
    return bytes(changed)


def _ogg_crc(data: bytes | bytearray) -> int:
    """CRC-32 as Ogg has it: polynomial 0x04c11db7, from 0, not reflected (RFC 3533, 6)."""
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
