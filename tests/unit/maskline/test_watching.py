"""What is looked after is looked at again, and a trouble that lasts is said once."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from maskline.watching import Complaint, follow

LOG = logging.getLogger("maskline.test")


class Away(Exception):
    """What may be the matter."""


async def test_a_nudge_is_looked_after_at_once_and_trouble_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nudge, looks = asyncio.Event(), asyncio.Queue[int](9)
    faults = ["a disk", "a disk", None, "a disk", "a wire"]

    async def look() -> None:
        looks.put_nowait(1)
        if fault := faults.pop(0):
            raise Away(fault)

    watch = follow(look, nudge, 60, (Away,), Complaint(LOG, "not done yet"))
    task = asyncio.create_task(watch)
    async with asyncio.timeout(5):
        await looks.get()
        while faults:
            nudge.set()
            await looks.get()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    said = [record.getMessage() for record in caplog.records if record.name == LOG.name]
    assert said == ["not done yet: a disk", "not done yet: a disk", "not done yet: a wire"]


async def test_it_looks_again_unasked() -> None:
    looks = asyncio.Queue[int](9)

    async def look() -> None:
        looks.put_nowait(1)

    watch = follow(look, asyncio.Event(), 0.01, (Away,), Complaint(LOG, ""))
    task = asyncio.create_task(watch)
    async with asyncio.timeout(5):
        for _ in range(3):
            await looks.get()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_what_is_no_trouble_of_its_kind_ends_it() -> None:
    async def look() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await follow(look, asyncio.Event(), 60, (Away,), Complaint(LOG, ""))
