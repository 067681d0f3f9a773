"""`maskline pools`: how full they are, over HTTP; how large they should be, from the database."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

from maskline.cli.common import settings_of, table, with_api
from maskline.client import ApiClient
from maskline.errors import CommandRefused
from maskline.pool_plan import PoolPlan, Traffic, describe, draw, from_history, from_traffic
from maskline.settings import Settings
from maskline.store import utc_now
from storage.database import Limits, open_database, parse_url

_LONG = Limits(deadline_s=600.0)  # a large past takes its time
_HEAD = ("POOL", "NUMBERS", "HELD", "LEFT", "HIGH", "BY", "FORECAST")


def show(arguments: argparse.Namespace) -> int:
    """List pools with their head-room."""

    async def work(api: ApiClient) -> list[tuple[str, ...]]:
        return [
            _row(await api.ask("GET", f"/v1/pools/{quote(pool['name'])}/headroom"))
            async for pool in api.every("/v1/pools")
        ]

    print(table(with_api(arguments, work), _HEAD))
    return 0


def plan(arguments: argparse.Namespace) -> int:
    """Say how many numbers are needed, and what each rule would save."""
    stated = [arguments.participants, arguments.sessions_per_day, arguments.ttl]
    if any(value is not None for value in stated):
        if None in stated:
            raise CommandRefused("give --participants, --sessions-per-day and --ttl, or none")
        found = _of_traffic(arguments)
    else:
        found = asyncio.run(_of_history(settings_of(arguments), arguments))
    print(describe(found))
    if arguments.chart is not None:
        _write(arguments.chart, draw(found))
    return 0


def _of_traffic(arguments: argparse.Namespace) -> PoolPlan:
    if not arguments.refused:
        raise CommandRefused("--refused must be above 0: chance alone excludes nothing")
    traffic = Traffic(
        arguments.participants, arguments.sessions_per_day, arguments.ttl, tuple(arguments.dealers)
    )
    if sum(one.people for one in traffic.dealers) > traffic.participants:
        raise CommandRefused("there are more dealers than participants")
    if sum(one.people * one.a_day for one in traffic.dealers) > traffic.sessions_a_day:
        raise CommandRefused("the dealers alone have more sessions than --sessions-per-day")
    cool_down, recycle_after = arguments.cool_down, arguments.recycle_after
    return from_traffic(traffic, cool_down, recycle_after, arguments.refused, arguments.digits)


async def _of_history(settings: Settings, arguments: argparse.Namespace) -> PoolPlan:
    url = parse_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandRefused(f"there is no database {url.database}; give --data, or state traffic")
    db = open_database(settings.database, _LONG)
    try:
        return await db.read(
            lambda conn: from_history(
                conn, arguments.pool, arguments.days, arguments.digits, utc_now()
            )
        )
    finally:
        await db.close()


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    busiest = found["participants"][0] if found["participants"] else None
    high = found["high_water"]
    return (
        found["pool"],
        str(found["size"]),
        str(found["held"]),
        str(found["left"]),
        "" if high is None else str(high["held"]),
        "" if busiest is None else busiest["user_id"],
        "" if busiest is None else busiest["forecast"]["sentence"],
    )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise CommandRefused(f"cannot write {file}: {error.strerror}") from None
