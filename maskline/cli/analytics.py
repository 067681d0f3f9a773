"""`maskline analytics`: funnel, lift and traffic over HTTP; recounting, from the database."""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cdr.analytics_rebuild import Recount, rebuild, spans
from maskline.analytics_tables import funnel_chart, funnel_rows, lift_text, traffic_rows
from maskline.cli.common import settings_of, table, with_api
from maskline.client import ApiClient
from maskline.errors import CommandRefused
from maskline.settings import Settings
from maskline.store import utc_now
from storage.analytics import hour_of
from storage.analytics_upkeep import first_hour_kept
from storage.database import Limits, open_database, parse_url

_LONG = Limits(deadline_s=600.0)  # a day of records takes its time
_WEEK = timedelta(days=7)


def funnel(arguments: argparse.Namespace) -> int:
    """Show how far calls come."""
    found = _ask(arguments, "funnel", group_by=arguments.by, category=arguments.category)
    _show(*funnel_rows(found), as_csv=arguments.csv)
    if arguments.chart is not None:
        _write(arguments.chart, funnel_chart(found))
    return 0


def lift(arguments: argparse.Namespace) -> int:
    """Show what the Call button adds over a shown number."""
    found = _ask(arguments, "lift", category=arguments.category, confidence=arguments.confidence)
    print(lift_text(found))
    return 0


def traffic(arguments: argparse.Namespace) -> int:
    """Show ASR, NER, ACD, PDD and MOS."""
    found = _ask(arguments, "traffic", group_by=arguments.by)
    _show(*traffic_rows(found), as_csv=arguments.csv)
    return 0


def recount(arguments: argparse.Namespace) -> int:
    """Count the records anew, or only say whether the counters are right."""
    now = utc_now()
    until = arguments.until or now
    since = arguments.since or until - _WEEK
    if since >= until:
        raise CommandRefused("--from must be before --until")
    found = asyncio.run(
        _recount(settings_of(arguments), since, until, now, mend=not arguments.check)
    )
    what = "are wrong" if arguments.check else "were wrong and are right now"
    print(f"{found.calls} calls counted; {found.wrong} counters {what}")
    return 1 if arguments.check and found.wrong else 0


async def _recount(
    settings: Settings, since: datetime, until: datetime, now: datetime, *, mend: bool
) -> Recount:
    url = parse_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandRefused(f"there is no database {url.database}; give --data")
    db = open_database(settings.database, _LONG)
    calls = wrong = 0
    try:
        for span in spans(hour_of(since), hour_of(until) + 1, first_hour_kept(now)):
            do = db.write if mend else db.read
            one = await do(partial(rebuild, span=span, mend=mend))
            calls, wrong = calls + one.calls, wrong + one.wrong
    finally:
        await db.close()
    return Recount(calls, wrong)


def _ask(arguments: argparse.Namespace, what: str, **query: str | None) -> dict[str, Any]:
    times = {"from": arguments.since, "until": arguments.until}
    given = query | {name: _text(at) for name, at in times.items()}

    async def work(api: ApiClient) -> dict[str, Any]:
        wanted = {name: value for name, value in given.items() if value is not None}
        found: dict[str, Any] = await api.ask("GET", f"/v1/analytics/{what}", query=wanted)
        return found

    return with_api(arguments, work)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _show(head: tuple[str, ...], rows: list[tuple[str, ...]], *, as_csv: bool) -> None:
    if as_csv:  # no cell can begin a formula: names and figures only
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([name.lower() for name in head])
        writer.writerows(rows)
    else:
        print(table(rows, head))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise CommandRefused(f"cannot write {file}: {error.strerror}") from None
