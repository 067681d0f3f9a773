"""``python -m maskline.toolbox``: set-up from a shell or a Makefile, before there is anything else.

Uses the standard library only, so that it works before the dependencies are installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

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
    for name, (_action, text) in ACTIONS.items():
        commands.add_parser(name, help=text)
    chosen = parser.parse_args(arguments)
    try:
        action, _text = ACTIONS[chosen.command]
        action(ToolboxSettings.from_env(os.environ))
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


ACTIONS: Mapping[str, tuple[Callable[[ToolboxSettings], None], str]] = {
    "install": (_install, "install what is missing"),
    "where": (_where, "show what is installed"),
    "verify": (_verify, "compare every unpacked file with the manifest"),
}

if __name__ == "__main__":
    sys.exit(main())
