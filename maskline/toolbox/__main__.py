"""``python -m maskline.toolbox``: set-up from a shell or the Makefile.

Uses the standard library only, so that it works before the dependencies are installed.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from maskline.prompts import ensure_prompts
from maskline.toolbox import (
    ToolboxError,
    ToolboxSettings,
    ensure_asterisk,
    ensure_programs,
    find_asterisk,
    find_sipp,
    find_toolbox,
    web,
)
from maskline.toolbox.pjsua2 import ensure_pjsua2
from maskline.toolbox.testkit import ensure_testkit
from maskline.toolbox.venv import Wanted, ensure_venv

PROJECT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m maskline.toolbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_action, text, argument) in ACTIONS.items():
        command = commands.add_parser(name, help=text)
        if argument:
            command.add_argument("argument", metavar=argument, nargs="?", default="")
    chosen = parser.parse_args(arguments)
    action, _text, argument = ACTIONS[chosen.command]
    try:
        settings = ToolboxSettings.from_env(os.environ)
        action(settings, chosen.argument if argument else "")
    except ToolboxError as error:
        print(f"maskline: {error}", file=sys.stderr)
        return 1
    return 0


def _say(line: str) -> None:
    print(f"maskline: {line}", flush=True)


def _install(settings: ToolboxSettings, _argument: str) -> None:
    ensure_programs(settings, _say)
    ensure_asterisk(settings, _say)


def _where(settings: ToolboxSettings, _argument: str) -> None:
    found = find_asterisk(settings)
    print(f"asterisk {found.version} ({found.source})")
    print(f"  run      {' '.join(found.argv)}")
    print(f"  modules  {found.modules_dir}")
    print(f"  data     {found.data_dir}")
    print(f"sipp       {' '.join(find_sipp(settings).argv)}")


def _verify(settings: ToolboxSettings, _argument: str) -> None:
    box = find_toolbox(settings, full=True)
    _say("no toolbox installed" if box is None else f"{box.root}: all files as unpacked")


def _prompts(settings: ToolboxSettings, argument: str) -> None:
    spoken = settings.cache_dir / "prompts"
    box = functools.cache(lambda: ensure_programs(settings, _say))
    done = ensure_prompts(Path(argument) if argument else spoken, box, spoken_dir=spoken)
    if done.made:
        _say(f"{done.made} announcements made in {done.sounds_dir}")


def _pjsua2(settings: ToolboxSettings, _argument: str) -> None:
    print(ensure_pjsua2(settings, _say))


def _testkit(settings: ToolboxSettings, _argument: str) -> None:
    ensure_testkit(settings, _say)


def _web(settings: ToolboxSettings, script: str) -> None:
    for part in web.EVERY:
        if not script:
            web.ensure_web(settings, _say, part=part)
        elif web.has_script(script, part=part):
            done = web.run_script(settings, script, _say, part=part)
            print(done.stdout, end="")
            if done.returncode != 0:
                raise ToolboxError(f"npm run {script} in {part}/ failed")


def _venv(settings: ToolboxSettings, argument: str) -> None:
    try:
        wanted = Wanted(argument)
    except ValueError:
        raise ToolboxError(f"no lock file {argument}: say run or dev") from None
    ensure_venv(PROJECT, wanted, settings, _say)


Action = Callable[[ToolboxSettings, str], None]
ACTIONS: Mapping[str, tuple[Action, str, str | None]] = {
    "install": (_install, "install what is missing of Asterisk and the tools", None),
    "where": (_where, "show what is installed", None),
    "verify": (_verify, "compare every unpacked file with the manifest", None),
    "prompts": (_prompts, "make the announcements below DIR (default: the cache)", "DIR"),
    "pjsua2": (_pjsua2, "build the tests' SIP client, print its folder", None),
    "testkit": (_testkit, "install what the tests need besides", None),
    "web": (_web, "build the web assets, or run SCRIPT of their package.json", "SCRIPT"),
    "venv": (_venv, "make .venv from the lock file 'run' or 'dev'", "WANTED"),
}

if __name__ == "__main__":
    sys.exit(main())
