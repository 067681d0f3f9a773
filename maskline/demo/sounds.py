"""Which known recording was heard: a search for it in what arrived. No I/O but `load`.

A recording is found twice over: first its loudness over time, coarsely and cheaply, wherever it
might begin; then the samples themselves at the best of these places. Speech of the same length, or
the same sentence in another language, does not pass the second test.
"""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Self

from maskline.demo.g711 import RATE_HZ

LIKE = 0.8  # least correlation of the samples; G.711 alone costs less than 0.01
_HOP = RATE_HZ // 200  # 5 ms
_WINDOW = 4 * _HOP  # loudness is taken over 20 ms
_CANDIDATES = 3
_PROBE = RATE_HZ  # the samples are laid over each other for so long, then as a whole


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A recording, cut to what is audible of it. Known by identity, not by its samples."""

    name: str
    samples: tuple[int, ...] = field(repr=False)
    _loudness: tuple[float, ...] = field(repr=False)

    @classmethod
    def of(cls, name: str, samples: Sequence[int]) -> Self:
        """From 8 kHz samples. Raises ValueError where they hold less than 0.3 s of sound."""
        loud = [n for n, sample in enumerate(samples) if abs(sample) > 300]
        if not loud or loud[-1] - loud[0] < 0.3 * RATE_HZ:
            raise ValueError(f"{name} has too little sound in it to be known again")
        cut = tuple(samples[loud[0] : loud[-1] + 1])
        return cls(name, cut, tuple(_centred(_loudness(cut))))

    @classmethod
    def load(cls, path: Path, name: str = "") -> Self:
        """From a WAV file, 8 kHz, 16 bit, mono."""
        with wave.open(str(path), "rb") as opened:
            if (opened.getframerate(), opened.getsampwidth(), opened.getnchannels()) != (
                RATE_HZ,
                2,
                1,
            ):
                raise ValueError(f"{path.name} is not 8 kHz, 16 bit, mono")
            data = array("h", opened.readframes(opened.getnframes()))
        return cls.of(name or path.stem, data)

    @property
    def length_ms(self) -> int:
        """How long it sounds."""
        return len(self.samples) * 1000 // RATE_HZ

    def first(self, ms: int) -> Sound:
        """Its beginning, for those who do not wait for the end."""
        return self if ms >= self.length_ms else Sound.of(self.name, self.samples[: ms * 8])


@dataclass(slots=True)
class Ear:
    """Listens for recordings in samples that go on arriving; never looks at a place twice."""

    _samples: list[int] = field(default_factory=list)
    _loudness: list[float] = field(default_factory=list)
    _looked: dict[Sound, int] = field(default_factory=dict)  # places of 5 ms

    def add(self, samples: Sequence[int]) -> None:
        """What arrived since."""
        self._samples += samples
        first = len(self._loudness)
        tail = self._samples[first * _HOP :]
        self._loudness += _loudness(tail)

    def find(self, sound: Sound) -> int | None:
        """Where the whole of `sound` begins, in ms of what arrived; None: not there (yet)."""
        span = len(sound._loudness)  # noqa: SLF001  (its own kind)
        begin = self._looked.get(sound, 0)
        places = range(begin, len(self._loudness) - span)
        if not places:
            return None
        self._looked[sound] = max(begin, places.stop - 4)  # the fine search may look 5 ms around
        prefix = list(accumulate(self._loudness[begin : places.stop + span], initial=0.0))
        squares = list(
            accumulate(
                (one * one for one in self._loudness[begin : places.stop + span]), initial=0.0
            )
        )
        likeness = []
        for place in places:
            here = place - begin
            total = prefix[here + span] - prefix[here]
            spread = squares[here + span] - squares[here] - total * total / span
            if spread <= 0.0:
                continue
            dot = sum(map(mul, sound._loudness, self._loudness[place : place + span]))  # noqa: SLF001
            likeness.append((dot / math.sqrt(spread), place))
        best = sorted(likeness, reverse=True)[:_CANDIDATES]
        for rough, place in best:
            if rough < LIKE:
                break
            if (at := self._exactly(sound, place * _HOP)) is not None:
                return at * 1000 // RATE_HZ
        return None

    def _exactly(self, sound: Sound, around: int) -> int | None:
        """The sample at which `sound` begins, within 5 ms of `around`."""
        probe = sound.samples[:_PROBE]
        lags = range(max(0, around - _HOP), around + _HOP + 1)
        best = max(lags, key=lambda lag: sum(map(mul, probe, self._samples[lag : lag + _PROBE])))
        heard = self._samples[best : best + len(sound.samples)]
        if len(heard) < len(sound.samples):
            return None
        return best if correlation(sound.samples, heard) >= LIKE else None


def correlation(one: Sequence[int], two: Sequence[int]) -> float:
    """How alike two rows of samples are, -1 to 1; loudness does not matter."""
    power = float(sum(map(mul, one, one))) * float(sum(map(mul, two, two)))
    return sum(map(mul, one, two)) / math.sqrt(power) if power > 0.0 else 0.0


def _loudness(samples: Sequence[int]) -> list[float]:
    """Root of the power in each window of 20 ms, every 5 ms."""
    sums = list(accumulate((one * one for one in samples), initial=0))[::_HOP]
    wide = _WINDOW // _HOP
    return [
        math.sqrt((sums[n + wide] - sums[n]) / _WINDOW) for n in range(max(0, len(sums) - wide))
    ]


def _centred(values: Sequence[float]) -> list[float]:
    """Without their mean, of length one."""
    mean = sum(values) / len(values)
    shifted = [value - mean for value in values]
    size = math.sqrt(sum(map(mul, shifted, shifted)))
    return [value / size for value in shifted]
