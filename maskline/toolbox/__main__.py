"""``python -m maskline.toolbox``: set-up from a shell or a Makefile, before there is anything else.

Uses the standard library only, so that it works before the dependencies are installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from maskline.toolbox import (
    ToolboxError,
    ToolboxSettings,
    ensure_asterisk,
    ensure_toolbox,
    find_asterisk,
    find_sipp,
    find_toolbox,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m maskline.toolbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install what is missing")
    commands.add_parser("where", help="show what is installed")
    commands.add_parser("verify", help="compare every unpacked file with the manifest")
    chosen = parser.parse_args(arguments)
    settings = ToolboxSettings.from_env(os.environ)
    try:
        match chosen.command:
            case "install":
                _install(settings)
            case "where":
                _where(settings)
            case "verify":
                _verify(settings)
    except ToolboxError as error:
        print(f"maskline: {error}", file=sys.stderr)
        return 1
    return 0


def _say(line: str) -> None:
    print(f"maskline: {line}", flush=True)


def _install(settings: ToolboxSettings) -> None:
    ensure_toolbox(settings, _say)
    ensure_asterisk(settings, _say)


def _where(settings: ToolboxSettings) -> None:
    found = find_asterisk(settings)
    print(f"asterisk {found.version} ({found.source})")
    print(f"  run      {' '.join(found.argv)}")
    print(f"  modules  {found.modules_dir}")
    print(f"  data     {found.data_dir}")
    print(f"sipp       {' '.join(find_sipp(settings).argv)}")


def _verify(settings: ToolboxSettings) -> None:
    box = find_toolbox(settings, full=True)
    _say("no toolbox installed" if box is None else f"{box.root}: all files as unpacked")


if __name__ == "__main__":
    sys.exit(main())
