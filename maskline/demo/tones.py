"""Which tone a frame of audio holds (Goertzel's algorithm). Pure functions; never any I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from operator import mul

from maskline.demo.g711 import FRAME_SAMPLES, GRID_HZ, RATE_HZ

AUDIBLE_RMS = 100.0  # of 32,767; below it a frame is silence
PURITY = 0.7  # share of a frame's power that its tone must have


def is_audible(samples: Sequence[int]) -> bool:
    """Whether there is more than line noise in `samples`."""
    return bool(samples) and _power(samples) / len(samples) > AUDIBLE_RMS**2


def dominant_hz(samples: Sequence[int], likely: int | None = None) -> int | None:
    """The frequency (multiple of 50 Hz) that holds most of a 20 ms frame's power; None: no tone.

    `likely`, e.g. the tone of the frame before, is tried first and saves the search.
    """
    if len(samples) != FRAME_SAMPLES or not is_audible(samples):
        return None
    needed = PURITY * _power(samples)
    if likely is not None and _power_at(samples, likely) >= needed:
        return likely
    grid = range(GRID_HZ, RATE_HZ // 2, GRID_HZ)
    return next((hz for hz in grid if _power_at(samples, hz) >= needed), None)


def _power(samples: Sequence[int]) -> float:
    return float(sum(map(mul, samples, samples)))


def _power_at(samples: Sequence[int], hz: int) -> float:
    """Power of the frame at `hz`, on the scale of `_power` (Parseval)."""
    cosine, sine = _basis(hz)
    real = sum(map(mul, samples, cosine))
    imaginary = sum(map(mul, samples, sine))
    return float(2 * (real * real + imaginary * imaginary) / FRAME_SAMPLES)


@cache
def _basis(hz: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    turn = 2 * math.pi * hz / RATE_HZ
    angles = [turn * n for n in range(FRAME_SAMPLES)]
    return tuple(map(math.cos, angles)), tuple(map(math.sin, angles))
