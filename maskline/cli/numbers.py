"""`maskline numbers import`: proxy numbers from a text file, in batches, over HTTP."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from maskline.cli.common import with_api
from maskline.client import ApiClient
from maskline.errors import CommandRefused

BATCH = 500
_PLACE = re.compile(r"numbers\[([0-9]+)\]")


def import_numbers(arguments: argparse.Namespace) -> int:
    """Add the numbers of a file, one a line; empty lines and # comments are passed over."""
    numbers = _read(arguments.file)

    async def work(api: ApiClient) -> tuple[int, int]:
        added = already = 0
        for start in range(0, len(numbers), BATCH):
            batch = numbers[start : start + BATCH]
            sent = [number for _, number in batch]
            body = {"pool": arguments.pool, "trunk": arguments.trunk, "numbers": sent}
            try:
                done = await api.ask("POST", "/v1/numbers", body)
            except CommandRefused as error:
                raise CommandRefused(_by_line(str(error), batch, start)) from None
            added, already = added + done["added"], already + done["already"]
        return added, already

    added, already = with_api(arguments, work)
    print(f"{added} added, {already} already there, pool {arguments.pool}")
    return 0


def _by_line(refusal: str, batch: Sequence[tuple[int, str]], before: int) -> str:
    """What the API said of its list, said of the file."""
    text = _PLACE.sub(lambda found: f"line {batch[int(found[1])][0]}", refusal)
    return f"{text} (the {before} numbers before are in)" if before else text


def _read(file: str) -> list[tuple[int, str]]:
    """Each number with its line, counted from 1."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:
        raise CommandRefused(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandRefused(f"{file} is not text") from None
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    numbers = [(place, line) for place, line in enumerate(lines, start=1) if line]
    if not numbers:
        raise CommandRefused(f"{file} holds no number")
    return numbers
