"""`maskline up` and `maskline serve`."""

from __future__ import annotations

import argparse
import os

from maskline import logs
from maskline.app import Role, run_app
from maskline.cli.common import settings_of
from maskline.settings import Settings


def up(arguments: argparse.Namespace) -> int:
    """Run everything until SIGTERM or SIGINT."""
    settings = settings_of(arguments)
    logs.set_up(settings.log_level)
    return run_app(settings, frozenset(Role), _say, _demo if arguments.demo else None)


def serve(arguments: argparse.Namespace) -> int:
    """Run single roles until SIGTERM or SIGINT."""
    settings = settings_of(arguments)
    logs.set_up(settings.log_level)
    return run_app(settings, frozenset(map(Role, arguments.role)), _say)


async def _demo(settings: Settings) -> None:
    from maskline.demo.show import show  # noqa: PLC0415 (only the demo needs it)

    await show(settings.data, dict(os.environ))


def _say(line: str) -> None:
    print(line, flush=True)
