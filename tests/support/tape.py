"""What stands in a recording: of each side the tone at any time. Reads the WAV as anybody would."""

from __future__ import annotations

import os
import wave
from array import array
from dataclasses import dataclass, field
from pathlib import Path

from maskline.demo import tones
from telephony.tape import assemble
from tests.support.maskline import eventually
from tests.support.scene import Scene

RATE_HZ = 8000
_STEP = 160  # 20 ms


@dataclass(frozen=True)
class Side:
    """One channel."""

    samples: array[int]

    @property
    def ms(self) -> int:
        """How long it is."""
        return len(self.samples) * 1000 // RATE_HZ

    def tones_ms(self) -> dict[int, int]:
        """How long each tone is heard."""
        found: dict[int, int] = {}
        for _, hz in self.heard():
            if hz is not None:
                found[hz] = found.get(hz, 0) + 20
        return found

    def audible_ms(self) -> int:
        """How long there is anything but silence."""
        return 20 * sum(tones.is_audible(piece) for _, piece in self._pieces())

    def heard(self) -> list[tuple[int, int | None]]:
        """Every 20 ms: when, and which tone."""
        return [(at, tones.dominant_hz(piece, None)) for at, piece in self._pieces()]

    def first_ms(self, hz: int) -> int:
        """When the tone is heard for the first time."""
        return next(at for at, heard in self.heard() if heard == hz)

    def last_ms(self, hz: int) -> int:
        """When it is heard for the last time."""
        return max(at for at, heard in self.heard() if heard == hz)

    def _pieces(self) -> list[tuple[int, list[int]]]:
        return [
            (at * 1000 // RATE_HZ, list(self.samples[at : at + _STEP]))
            for at in range(0, len(self.samples) - _STEP, _STEP)
        ]


@dataclass(frozen=True)
class Tape:
    """Both."""

    left: Side
    right: Side

    @classmethod
    def load(cls, path: Path) -> Tape:
        """From a stereo WAV of 8 kHz and 16 bit."""
        with wave.open(str(path), "rb") as opened:
            shape = (opened.getnchannels(), opened.getframerate(), opened.getsampwidth())
            assert shape == (2, RATE_HZ, 2)
            data = array("h", opened.readframes(opened.getnframes()))
        return cls(Side(data[0::2]), Side(data[1::2]))


@dataclass
class Kept:
    """The parts of recordings, kept by a second name from the moment they are there."""

    scene: Scene
    folder: Path
    names: set[str] = field(default_factory=set)

    @property
    def spool(self) -> Path:
        return self.scene.maskline.data / "node" / "spool" / "recordings"

    def new(self) -> list[Path]:
        """Parts that are not kept yet."""
        return [path for path in self.spool.glob("*.raw") if path.name not in self.names]

    async def part(self, of: int = 1) -> Path:
        """As soon as `of` parts are there, of two files each: the newest."""

        async def look() -> list[Path]:
            for path in self.new():
                os.link(path, self.folder / path.name)
                self.names.add(path.name)
            return sorted(self.folder.glob("*.raw"))

        found: list[Path] = await eventually(look, lambda files: len(files) >= 2 * of)
        return found[-1]

    def tape(self, call_id: str) -> Tape:
        return Tape.load(assemble(self.folder, call_id))
