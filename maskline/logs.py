"""Logging: one line an event, on stderr, `time level logger message`.

A line never breaks: control characters are written as escapes. Nobody logs phones; as a second net,
of an exception only its type and its places are shown, never its text, which may quote one.
"""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """Formats a record as a single line."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        parts = [
            f"{stamp}.{int(record.msecs):03d}Z",
            record.levelname.lower(),
            record.name,
            record.getMessage(),
        ]
        if record.exc_info and record.exc_info[1] is not None:
            parts.append(where(record.exc_info[1]))
        return _UNSAFE.sub(lambda bad: repr(bad[0])[1:-1], " ".join(parts))


def where(error: BaseException) -> str:
    """The type of `error` and the places it came through, innermost first; never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames)
    )
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    after = f" after {type(cause).__name__}" if cause is not None else ""
    return f"[{type(error).__name__}{after} at {places}]"


def set_up(level: str) -> None:
    """Send everything from `level` up to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("alembic", "sqlalchemy", "asyncio", "aiohttp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
