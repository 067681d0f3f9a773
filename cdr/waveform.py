"""How loud each side of a recording is over time: what its waveform is drawn from.

In constant memory, whatever the file holds. Loads FFmpeg's libraries: import it only in a process
that may die of a broken file (`cdr.waveform_child`).
"""

from __future__ import annotations

import io
from array import array
from typing import Final

import av
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from cdr.recording_cipher import SealedReader

RATE: Final = 8000  # Hz: peaks of speech need no more
SIDES: Final = 2
_FULL: Final = 32_767


class NoWave(Exception):
    """It cannot be decoded, or is not what is known here."""


class SealedSound(io.RawIOBase):
    """A recording's sound as a file that is only read; each piece is checked as it is read."""

    def __init__(self, reader: SealedReader) -> None:
        super().__init__()
        self._reader = reader
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on there."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._reader.audio_bytes}
        self._at = min(max(0, base[whence] + offset), self._reader.audio_bytes)
        return self._at

    def tell(self) -> int:
        """Where it goes on."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes. Raises RecordingDamaged."""
        end = self._reader.audio_bytes
        stop = end if size < 0 else min(end, self._at + size)
        data = b"".join(self._reader.read(self._at, stop)) if stop > self._at else b""
        self._at += len(data)
        return data


def peaks(sound: io.RawIOBase, duration_ms: int, buckets: int) -> tuple[list[int], list[int]]:
    """The loudest sample of each stretch, 0 to 100, of the left side (the caller) and the right.

    Raises NoWave, and what reading raises.
    """
    total = max(1, duration_ms * RATE // 1000)
    found = ([0] * buckets, [0] * buckets)
    try:
        with av.open(sound, "r", format="ogg") as container:
            resampler = AudioResampler(format="s16p", layout="stereo", rate=RATE)
            done = 0
            for frame in container.decode(audio=0):
                if frame.layout.nb_channels != SIDES:
                    raise NoWave
                for piece in resampler.resample(frame):
                    _take(piece, done, total, found)
                    done += piece.samples
    except (FFmpegError, IndexError):
        raise NoWave from None
    return found


def _take(piece: av.AudioFrame, first: int, total: int, found: tuple[list[int], list[int]]) -> None:
    buckets = len(found[0])
    for side, plane in zip(found, piece.planes, strict=True):
        samples = array("h", bytes(plane)[: piece.samples * 2])
        at = 0
        while at < len(samples):
            bucket = min(buckets - 1, (first + at) * buckets // total)
            # The first sample of the next bucket, rounded up.
            until = -(-(bucket + 1) * total // buckets) - first
            stop = len(samples) if bucket == buckets - 1 else min(len(samples), max(at + 1, until))
            part = samples[at:stop]
            high, low = max(part), min(part)
            side[bucket] = max(side[bucket], min(100, max(high, -low) * 100 // _FULL))
            at = stop
