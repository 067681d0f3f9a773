"""Lengths of time as people write them: ``7 d``, ``1 h 30 min``, ``45 с``; in whole seconds.

Reads both languages whatever the page's: a value is copied from one page to another.
"""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"d": 86_400, "h": 3600, "min": 60, "s": 1}
_RUSSIAN: Final = {"d": "д", "h": "ч", "min": "мин", "s": "с"}
_READS: Final = {**_SECONDS, **{_RUSSIAN[unit]: size for unit, size in _SECONDS.items()}}
_PART: Final = re.compile(r"([0-9]{1,9})\s*(d|h|min|s|д|ч|мин|с)\.?(?![^\W\d_])\s*")
_LONGEST: Final = 40


def spelt(seconds: int, language: str) -> str:
    """``0 s`` and more, in as few parts as it takes."""
    parts = []
    for unit, size in _SECONDS.items():
        n, seconds = divmod(seconds, size)
        if n:
            parts.append((n, unit))
    words = parts or [(0, "s")]
    return " ".join(f"{n} {_RUSSIAN[unit] if language == 'ru' else unit}" for n, unit in words)


def read(text: str) -> int | None:
    """Seconds; None: this is no length of time with its units."""
    rest, total, above = text.strip().lower(), 0, max(_SECONDS.values()) + 1
    if not rest or len(rest) > _LONGEST:
        return None
    while rest:
        part = _PART.match(rest)
        if part is None or _READS[part[2]] >= above:
            return None
        above = _READS[part[2]]
        total += int(part[1]) * above
        rest = rest[part.end() :]
    return total
