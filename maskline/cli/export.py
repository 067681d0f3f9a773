"""`maskline records export`: call records into a file, with the filters of the list of calls.

A phone is read from standard input, never from the arguments: those are seen by all who may list
processes, and stay in the shell's history.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from pathlib import Path

from cdr.bands import Range
from cdr.export import Format
from cdr.model import CameBy
from cdr.record_filter import Filter
from masking import e164
from masking.errors import InvalidPhone
from masking.outcome import Outcome
from masking.plan import Channel
from maskline.cli.common import settings_of
from maskline.errors import CommandRefused
from maskline.export_file import STANDARD_OUTPUT, Bar, Wish, export_records
from maskline.settings import Settings
from maskline.store import utc_now
from storage.database import Limits, open_database, parse_url
from storage.vault import Vault

_LONG = Limits(deadline_s=600.0)  # for one piece, on a database that is busy


def export(arguments: argparse.Namespace) -> int:
    """Write the file; say on stderr how many records are in it."""
    settings = settings_of(arguments)
    key = settings.data / "vault.key"
    if not key.is_file():
        raise CommandRefused(f"there is no vault {key}; give --data")
    vault = Vault.from_file(key)
    wish = Wish(
        wanted=_filter(arguments, vault),
        format=Format(arguments.format),
        out=arguments.out,
        bom=arguments.bom,
        who=getpass.getuser(),
    )
    count = asyncio.run(_export(settings, vault, wish))
    where = "standard output" if wish.out == STANDARD_OUTPUT else str(wish.out)
    print(f"{count} records in {where}", file=sys.stderr)
    return 0


async def _export(settings: Settings, vault: Vault, wish: Wish) -> int:
    url = parse_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandRefused(f"there is no database {url.database}; give --data")
    db = open_database(settings.database, _LONG)
    bar = Bar(sys.stderr)
    try:
        return await export_records(db, vault, wish, utc_now(), bar.show)
    finally:
        bar.end()
        await db.close()


def _filter(given: argparse.Namespace, vault: Vault) -> Filter:
    mos = (None if one is None else round(one * 100) for one in (given.mos_min, given.mos_max))
    return Filter(
        session_id=given.session,
        conversation_id=given.conversation,
        listing_id=given.listing,
        user_id=given.user,
        phone_index=_phone(vault) if given.phone else None,
        outcomes=tuple(map(Outcome, given.outcome)),
        channels=tuple(map(Channel, given.channel)),
        came_by=tuple(map(CameBy, given.came_by)),
        number=given.number,
        trunk=given.trunk,
        node=given.node,
        causes=tuple(given.cause),
        ring_ms=_milliseconds(given.ring_min, given.ring_max),
        talk_ms=_milliseconds(given.talk_min, given.talk_max),
        mos=Range(*mos),
        recorded=_yes(given.recorded),
        rated=_yes(given.rated),
        stars=Range(given.stars_min, given.stars_max),
        since=getattr(given, "from"),
        until=given.until,
    )


def _phone(vault: Vault) -> bytes:
    prompt = "The phone (is not shown): "
    line = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    try:
        return vault.index(e164.parse(line.strip()))
    except InvalidPhone:
        raise CommandRefused("that is no phone: give it as +79000000000") from None


def _milliseconds(least: float | None, most: float | None) -> Range:
    ends = (None if one is None else round(one * 1000) for one in (least, most))
    return Range(*ends)


def _yes(said: str | None) -> bool | None:
    return None if said is None else said == "yes"
