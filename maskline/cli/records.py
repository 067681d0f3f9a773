"""`maskline records`: the ledger of call records, read where it is kept."""

from __future__ import annotations

import argparse
import asyncio
import json

from cdr import ledger
from cdr.ledger_export import Published
from maskline.cli.common import settings_of
from maskline.records_verify import (
    Report,
    opened,
    published_heads,
    read_heads,
    verify_database,
    verify_file,
)


def head(arguments: argparse.Namespace) -> int:
    """Print the head of each chain, one JSON object a line: to be kept where nobody changes it."""
    for one in asyncio.run(_heads(arguments)):
        print(json.dumps(one.line(), sort_keys=True))
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Say of each chain whether it is whole; 1 if any is not."""
    report = asyncio.run(_verify(arguments))
    if arguments.json:
        print(json.dumps(report.as_json()))
    else:
        print("\n".join(report.lines()))
    return 0 if report.whole else 1


async def _heads(arguments: argparse.Namespace) -> list[Published]:
    async with opened(settings_of(arguments)) as (db, _):
        return await published_heads(db, node=arguments.node, day=_day(arguments))


async def _verify(arguments: argparse.Namespace) -> Report:
    given = [] if arguments.heads is None else read_heads(arguments.heads)
    if arguments.file is not None:
        against = "the heads in the database" if arguments.heads is None else "the heads given"
        heads = given if arguments.heads is not None else await _heads(arguments)
        return verify_file(arguments.file, heads, against=against, part=arguments.part)
    async with opened(settings_of(arguments)) as (db, vault):
        return await verify_database(
            db, vault, node=arguments.node, day=_day(arguments), published=given
        )


def _day(arguments: argparse.Namespace) -> int | None:
    return None if arguments.day is None else ledger.day_from(arguments.day)
