"""JSON as it is kept in the database: compact, and the same text for the same value."""

from __future__ import annotations

import json
from typing import Any, Final

# Made once: json.dumps with any option of its own makes an encoder at every call.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dumps(value: Any) -> str:  # noqa: ANN401 (whatever JSON can say)
    """`value` as JSON without spaces. Raises ValueError for NaN and infinities."""
    return _ENCODER.encode(value)
