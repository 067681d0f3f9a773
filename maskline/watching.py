"""Looks after something again and again: at once when nudged, else after a pause.

A trouble that lasts is logged once, not at every look. Never decides what a look does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

__all__ = ["Complaint", "follow"]


class Complaint:
    """One kind of trouble, and whether it has been said already."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._said = ""

    def about(self, error: Exception) -> None:
        """Say it, unless it is what was said last."""
        if str(error) != self._said:
            self._log.warning("%s: %s", self._what, error)
        self._said = str(error)

    def over(self) -> None:
        """There is no trouble any more: the next one is said, even if it is the same."""
        self._said = ""


async def follow(
    look: Callable[[], Awaitable[None]],
    nudge: asyncio.Event,
    every_s: float,
    trouble: tuple[type[Exception], ...],
    complaint: Complaint,
) -> NoReturn:
    """Look until cancelled: when nudged, and every so many seconds. `trouble` is complained of."""
    while True:
        nudge.clear()
        try:
            await look()
        except trouble as error:
            complaint.about(error)
        else:
            complaint.over()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await nudge.wait()
