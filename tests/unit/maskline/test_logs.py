"""A log line is one line, and never quotes what an exception says."""

from __future__ import annotations

import logging
import sys

from maskline.logs import LineFormatter


def _line(message: str, *args: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("maskline.test", logging.INFO, "x.py", 1, message, args, info)
    return LineFormatter().format(record)


def test_a_line_says_when_how_bad_who_and_what() -> None:
    stamp, level, name, *text = _line("%s is up", "it").split(" ")
    assert stamp.endswith("Z")
    assert (level, name, " ".join(text)) == ("info", "maskline.test", "it is up")


def test_line_breaks_of_others_cannot_forge_a_line() -> None:
    line = _line("%s", "a\r\n2026-01-01 error forged\x00\x1b[31m\u2028")
    assert line.splitlines() == [line]
    assert "\\r\\n" in line
    assert "\\x1b" in line


def test_an_exception_shows_its_type_and_place_but_not_its_text() -> None:
    try:
        try:
            raise KeyError("+79161234567")
        except KeyError as error:
            raise ValueError("+79161234567 is odd") from error
    except ValueError:
        line = _line("failed", error=sys.exc_info()[1])
    assert "+7916" not in line
    assert "[ValueError after KeyError at test_logs.py:" in line
