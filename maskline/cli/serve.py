"""`maskline up` and `maskline serve`."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable

from maskline import logs
from maskline.app import Role, run_app
from maskline.cli.common import settings_of
from maskline.errors import MasklineError
from maskline.settings import Settings


def up(arguments: argparse.Namespace) -> int:
    """Run everything until SIGTERM or SIGINT."""
    settings = settings_of(arguments).with_own_platform()
    logs.set_up(settings.log_level)
    if arguments.demo:
        return _up_with_demo(settings)
    return run_app(settings, frozenset(Role), _say)


def serve(arguments: argparse.Namespace) -> int:
    """Run single roles until SIGTERM or SIGINT."""
    settings = settings_of(arguments)
    logs.set_up(settings.log_level)
    return run_app(settings, frozenset(map(Role, arguments.role)), _say)


def _up_with_demo(settings: Settings) -> int:
    """Everything, and beside it the demo page; then the calls that are printed."""
    from maskline.demo.desk import open_console  # noqa: PLC0415 (only the demo needs it)
    from maskline.demo.page import Stage, divide  # noqa: PLC0415 (likewise)
    from maskline.demo.show import show  # noqa: PLC0415 (likewise)

    places = divide(settings)
    stage = Stage(places)

    async def demo(chosen: Settings) -> None:
        ready = asyncio.Event()

        def tell(line: str) -> None:
            _say(line)
            ready.set()

        async def calls() -> None:
            await ready.wait()
            await _told(console())
            await _told(show(chosen.data, dict(os.environ)))

        async def console() -> None:
            _say(await open_console(chosen))

        async def page() -> None:
            await _told(stage.run(tell))
            ready.set()  # it cannot be; the calls are printed all the same

        both = [asyncio.create_task(work()) for work in (page, calls)]
        try:
            await asyncio.wait(both)
        finally:
            for task in both:
                task.cancel()
            await asyncio.wait(both)

    return run_app(places.settings, frozenset(Role), _say, demo, lambda: stage.guests)


async def _told(work: Awaitable[None]) -> None:
    """What goes wrong with the demo is said in one line; Maskline goes on."""
    try:
        await work
    except MasklineError as error:
        _say(f"maskline: {error}")


def _say(line: str) -> None:
    print(line, flush=True)
