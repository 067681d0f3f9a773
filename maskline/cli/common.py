"""What several commands need: settings from arguments, a client of the running Maskline."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from maskline.client import ApiClient
from maskline.settings import Settings

T = TypeVar("T")
GIVEN = ("data", "http", "sip", "ws", "rtp")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Settings with what the command line gave on top. Raises SettingsRefused."""
    given = {name: getattr(arguments, name, None) for name in GIVEN}
    return Settings.load(given, file=arguments.config)


def with_api(arguments: argparse.Namespace, work: Callable[[ApiClient], Awaitable[T]]) -> T:
    """Run `work` against the Maskline that runs on the data folder. Raises NotRunning."""

    async def go() -> T:
        async with ApiClient.of(settings_of(arguments).data) as api:
            return await work(api)

    return asyncio.run(go())


def table(rows: list[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Rows in columns."""
    every = [head, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    )
