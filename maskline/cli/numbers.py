"""`maskline numbers import`: proxy numbers from a text file, in batches, over HTTP."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from maskline.cli.common import with_api
from maskline.client import ApiClient
from maskline.errors import CommandRefused

BATCH = 500


def import_numbers(arguments: argparse.Namespace) -> int:
    """Add the numbers of a file, one a line; empty lines and # comments are passed over."""
    numbers = _read(arguments.file)

    async def work(api: ApiClient) -> tuple[int, int]:
        added = already = 0
        for start in range(0, len(numbers), BATCH):
            batch = numbers[start : start + BATCH]
            body = {"pool": arguments.pool, "trunk": arguments.trunk, "numbers": batch}
            done = await api.ask("POST", "/v1/numbers", body)
            added, already = added + done["added"], already + done["already"]
        return added, already

    added, already = with_api(arguments, work)
    print(f"{added} added, {already} already there, pool {arguments.pool}")
    return 0


def _read(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:
        raise CommandRefused(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandRefused(f"{file} is not text") from None
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    numbers = [line for line in lines if line]
    if not numbers:
        raise CommandRefused(f"{file} holds no number")
    return numbers
