"""`maskline doctor` and `maskline demo`."""

from __future__ import annotations

import argparse
import asyncio
import os

from maskline.cli.common import settings_of


def doctor(arguments: argparse.Namespace) -> int:
    """A line for each check; 1 when something is wrong."""
    from maskline.doctor import examine  # noqa: PLC0415 (looks at what may be broken)

    settings = settings_of(arguments)
    findings = asyncio.run(examine(settings))
    for finding in findings:
        print(finding.line())
    return 0 if all(finding.ok for finding in findings) else 1


def demo(arguments: argparse.Namespace) -> int:
    """Place real calls against the Maskline that runs on the data folder."""
    from maskline.demo.desk import open_console  # noqa: PLC0415 (only the demo needs it)
    from maskline.demo.show import show  # noqa: PLC0415 (likewise)

    settings = settings_of(arguments)
    asyncio.run(show(settings.data, dict(os.environ)))
    print(asyncio.run(open_console(settings)))
    return 0
