"""JSON as it is kept in the database: compact, and the same text for the same value."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

_STRICT: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
# For the few values that orjson does not take: integers beyond 64 bits, halves of surrogate pairs.
# Made once: json.dumps with any option of its own makes an encoder at every call.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dumps(value: Any) -> str:  # noqa: ANN401 (whatever JSON can say)
    """`value` as JSON without spaces; what is no number (NaN, infinities) becomes null."""
    try:
        return orjson.dumps(value, option=_STRICT).decode()
    except TypeError:
        return _ENCODER.encode(value)
