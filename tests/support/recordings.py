"""Recordings for tests: two voices as tones, what Asterisk would have written, and ears."""

from __future__ import annotations

import array
import io
import math
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from masking.ids import call_id
from storage import recordings
from tests.support.storage import NOW

NODE = "n0123456789ab"
RATE_HZ = 8000
CALLER_HZ, CALLEE_HZ = 440, 1000


def a_call(n: int = 1) -> str:
    """The id of the n-th call."""
    return call_id(NODE, f"1.{n}")


def pending(n: int = 1, *, kept: timedelta | None = timedelta(days=30)) -> dict[str, object]:
    """The row of the n-th call, which was recorded."""
    return recordings.pending_row(
        call_id=a_call(n),
        node=NODE,
        session_id="ses_1",
        conversation_id="chat-81",
        delete_at=None if kept is None else NOW + kept,
        now=NOW,
    )


def call_row(n: int = 1) -> dict[str, object]:
    """The least that the table of calls takes."""
    return {
        "call_id": a_call(n),
        "node": NODE,
        "linked_id": f"1.{n}",
        "direction": "pstn_in",
        "outcome": "answered",
        "offered_at": NOW,
        "ended_at": NOW,
        "ring_ms": 0,
        "talk_ms": 1000,
        "attempts": [],
        "legs": [],
        "recorded_at": NOW,
        "version": 1,
    }


def voice(hertz: int, seconds: float, rate: int = RATE_HZ) -> array.array[int]:
    """A tone, 16 bit."""
    return array.array(
        "h",
        (int(9000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(int(seconds * rate))),
    )


def talk(path: Path, seconds: float = 2.0, rate: int = RATE_HZ) -> Path:
    """A WAV file in which the caller speaks all the time, and the callee in the second half."""
    caller = voice(CALLER_HZ, seconds, rate)
    callee = voice(CALLEE_HZ, seconds, rate)
    half = len(callee) // 2
    callee[:half] = array.array("h", bytes(2 * half))
    both = array.array("h", bytes(4 * len(caller)))
    both[0::2], both[1::2] = caller, callee
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(both.tobytes())
    return path


def heard(sound: bytes) -> tuple[list[int], list[int]]:
    """What is heard on the left and on the right, at 8 kHz."""
    import av  # noqa: PLC0415 (takes a while, and not everybody listens)

    both = array.array("h")
    with av.open(io.BytesIO(sound), "r") as container:
        to_8_khz = av.AudioResampler(format="s16", layout="stereo", rate=RATE_HZ)
        for frame in container.decode(audio=0):
            for piece in to_8_khz.resample(frame):
                both.frombytes(bytes(piece.planes[0])[: 4 * piece.samples])
    return list(both[0::2]), list(both[1::2])


def loudness(samples: Sequence[int], hertz: int) -> float:
    """The amplitude of a tone in `samples`."""
    step = 2 * math.pi * hertz / RATE_HZ
    sine = sum(one * math.sin(step * n) for n, one in enumerate(samples))
    cosine = sum(one * math.cos(step * n) for n, one in enumerate(samples))
    return 2 * math.hypot(sine, cosine) / max(1, len(samples))


@dataclass
class TapeFolder:
    """What Asterisk wrote, as the keeper sees it: one WAV file a call."""

    folder: Path
    touched: dict[str, datetime] = field(default_factory=dict)
    broken: OSError | None = None

    def write(self, call: str, seconds: float = 2.0) -> Path:
        self.folder.mkdir(exist_ok=True)
        return talk(self._path(call), seconds)

    def assemble(self, call_id: str) -> Path:
        if self.broken is not None:
            raise self.broken
        if not self._path(call_id).exists():
            raise FileNotFoundError
        return self._path(call_id)

    def discard(self, call_id: str) -> None:
        self._path(call_id).unlink(missing_ok=True)

    def left_over(self) -> Iterable[tuple[str, datetime]]:
        for path in sorted(self.folder.glob("*.wav")):
            yield path.stem, self.touched.get(path.stem, NOW)

    def _path(self, call: str) -> Path:
        return self.folder / f"{call}.wav"
