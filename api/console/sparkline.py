"""Small lines of figures as the `d` of an SVG path. Pure: figures in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 120
HEIGHT: Final = 28
_EDGE: Final = 2  # so that a stroke is not cut


def path(
    values: Sequence[float | None], *, low: float | None = None, high: float | None = None
) -> str:
    """A line through the values from left to right, broken where one is not known.

    It spans `low` to `high`, by default the values' own; a value that stands alone is a dot.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    least = min(known) if low is None else low
    span = (max(known) if high is None else high) - least
    step = (WIDTH - 2 * _EDGE) / max(1, len(values) - 1)
    parts: list[str] = []
    before = False
    for n, value in enumerate(values):
        if value is not None:
            share = min(1.0, max(0.0, (value - least) / span)) if span > 0 else 0.5
            x, y = _EDGE + n * step, HEIGHT - _EDGE - share * (HEIGHT - 2 * _EDGE)
            alone = not before and (n + 1 == len(values) or values[n + 1] is None)
            parts.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}" + ("h2" if alone else ""))
        before = value is not None
    return "".join(parts)
