"""The options by which records are chosen on the command line: those of the list of calls.

Imported by the parser, so it imports nothing that takes time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from masking.outcome import Outcome
from masking.plan import Channel
from maskline.cli.values import moment


def add_export_options(command: argparse.ArgumentParser) -> None:
    """What `records export` takes."""
    command.add_argument("--format", choices=("csv", "jsonl", "parquet"), default="csv")
    command.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="- is standard output"
    )
    command.add_argument("--bom", action="store_true", help="CSV: begin with a byte order mark")
    add_filters(command)


def add_filters(command: argparse.ArgumentParser) -> None:
    """What a filter takes; those that may be repeated mean any of them."""
    chosen = command.add_argument_group("which calls (all, if nothing is said)")
    for name, text in (
        ("session", "of the session"),
        ("conversation", "of the conversation"),
        ("listing", "about the listing"),
        ("user", "with the user on either side"),
        ("number", "with the proxy number, dialled or shown"),
        ("trunk", "through the trunk"),
        ("node", "on the node"),
    ):
        chosen.add_argument(f"--{name}", metavar="ID", help=text)
    chosen.add_argument(
        "--phone", action="store_true", help="with the phone that is read from standard input"
    )
    for name, values in (
        ("outcome", [one.value for one in Outcome]),
        ("channel", [one.value for one in Channel]),
        ("came-by", ["gsm", "app", "click"]),
    ):
        chosen.add_argument(f"--{name}", action="append", default=[], choices=values)
    chosen.add_argument(
        "--cause", type=int, action="append", default=[], metavar="Q850", help="ended with it"
    )
    for name, kind, text in (
        ("ring", float, "seconds that it rang"),
        ("talk", float, "seconds that they talked"),
        ("mos", float, "worst mean opinion score"),
        ("stars", int, "worst rating"),
    ):
        for end, word in (("min", "at least"), ("max", "at most")):
            chosen.add_argument(f"--{name}-{end}", type=kind, metavar="N", help=f"{text}, {word}")
    for name in ("recorded", "rated"):
        chosen.add_argument(f"--{name}", choices=("yes", "no"))
    chosen.add_argument("--from", type=moment, metavar="TIME", help="offered at or after it")
    chosen.add_argument("--until", type=moment, metavar="TIME", help="offered before it")
