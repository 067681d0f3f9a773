"""What Asterisk wrote of a recorded talk, put together into one file.

A part is what a leg said, and in a second file what it heard, from when it came to the call: raw,
16 bit, 8 kHz. Its name is the call's id, when it begins, in milliseconds since 1970, and the side;
nothing in a name or in a file says who talks. Never touches what is still being written: the call
has to be over.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["FRAME_BYTES", "RATE_HZ", "NoTape", "Part", "assemble", "discard", "left_over", "parts"]

RATE_HZ: Final = 8000
CHANNELS: Final = 2
FRAME_BYTES: Final = 2 * CHANNELS  # both sides' sample of one moment
_HEADER: Final = 44
_PIECE: Final = 1 << 17  # bytes of one side
_MOST: Final = (1 << 32) - 1 - _HEADER  # bytes of audio that a WAV's header can tell of: 37 hours
_PART: Final = re.compile(r"([a-z0-9_]{4,64})-([0-9]{13})-(?:caller|callee)\.raw")
_CALL: Final = re.compile(r"[a-z0-9_]{4,64}")


class NoTape(OSError):
    """Nothing was written of the call."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """Both files of a leg; one may be missing."""

    began_ms: int  # since 1970
    caller: Path
    callee: Path


def parts(folder: Path, call_id: str) -> tuple[Part, ...]:
    """The parts of the call, in order of time; those that hold nothing are left out."""
    began = {
        int(match[2])
        for path in folder.glob(f"{_checked(call_id)}-*.raw")
        if (match := _PART.fullmatch(path.name)) is not None
        and match[1] == call_id
        and path.stat().st_size > 1
    }
    return tuple(
        Part(at, folder / f"{call_id}-{at}-caller.raw", folder / f"{call_id}-{at}-callee.raw")
        for at in sorted(began)
    )


def assemble(folder: Path, call_id: str) -> Path:
    """Make `folder`/`call_id`.wav: the caller on the left, the callee on the right. Blocks.

    Each part stands where it was on the clock; silence fills what lies between, and where two
    overlap the later one counts. Done before, nothing is done again. Takes less than a megabyte of
    memory, whatever the length. Raises NoTape, OSError.
    """
    whole = folder / f"{_checked(call_id)}.wav"
    if whole.is_file():
        return whole
    found = parts(folder, call_id)
    if not found:
        raise NoTape(f"no part of {call_id} was written")
    beside = folder / f".{call_id}.wav"
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
            for part in found:
                place = (part.began_ms - found[0].began_ms) * RATE_HZ // 1000 * FRAME_BYTES
                if place >= _MOST:
                    break
                file.seek(_HEADER + place)
                for piece in _woven(part, _MOST - place):
                    file.write(piece)
            audio = file.seek(0, os.SEEK_END) - _HEADER
            file.seek(0)
            file.write(_header(audio))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(whole)
    finally:
        beside.unlink(missing_ok=True)
    return whole


def discard(folder: Path, call_id: str) -> None:
    """Remove all that there is of the call's recording. Raises OSError."""
    for path in (*folder.glob(f"{_checked(call_id)}-*.raw"), folder / f"{call_id}.wav"):
        path.unlink(missing_ok=True)


def left_over(folder: Path) -> frozenset[str]:
    """Ids of the calls of which there is something."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    found = {match[1] for name in names if (match := _PART.fullmatch(name)) is not None}
    whole = {name.removesuffix(".wav") for name in names if name.endswith(".wav")}
    return frozenset(found | {name for name in whole if _CALL.fullmatch(name)})


def _checked(call_id: str) -> str:
    if not _CALL.fullmatch(call_id):
        raise ValueError("this is no call's id")
    return call_id


def _woven(part: Part, most: int) -> Iterator[bytes]:
    """The part's two sides, sample by sample; the shorter one goes on in silence."""
    with ExitStack() as stack:
        caller, callee = (_opened(stack, path) for path in (part.caller, part.callee))
        while most >= FRAME_BYTES:
            left, right = _samples(caller), _samples(callee)
            length = min(max(len(left), len(right)), most // FRAME_BYTES)
            if not length:
                return
            both = array("h", bytes(length * FRAME_BYTES))
            for channel, side in enumerate((left, right)):
                side.extend(array("h", bytes(2 * max(0, length - len(side)))))
                both[channel::CHANNELS] = side[:length]
            yield _little(both).tobytes()
            most -= length * FRAME_BYTES


def _opened(stack: ExitStack, path: Path) -> BinaryIO | None:
    try:
        return stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        return None


def _samples(file: BinaryIO | None) -> array[int]:
    """The next ones: one that was cut off in the middle is none."""
    data = b"" if file is None else file.read(_PIECE)
    return _little(array("h", data[: len(data) // 2 * 2]))


def _little(samples: array[int]) -> array[int]:
    """Files are little-endian, whatever the machine is."""
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _header(audio: int) -> bytes:
    """RIFF, PCM: 16 bit, 8 kHz, stereo."""
    rate = RATE_HZ * FRAME_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + audio, b"WAVE", b"fmt ", 16, 1, CHANNELS, RATE_HZ, rate, FRAME_BYTES, 16),
        *(b"data", audio),
    )
