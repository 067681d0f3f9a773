"""`maskline recordings` and `maskline audit`: whether what is kept is as it was written."""

from __future__ import annotations

import argparse
import asyncio

from maskline.cli.common import settings_of
from maskline.recording_part import files_of
from maskline.recordings_verify import Report, verify_audit, verify_recordings
from maskline.records_verify import opened
from maskline.store import utc_now
from storage.audit import Verdict


def verify(arguments: argparse.Namespace) -> int:
    """Hold every recording against its file; 1 if anything is wrong."""
    report = asyncio.run(_recordings(arguments))
    print("\n".join(report.lines()))
    return 1 if report.wrong else 0


def audit(arguments: argparse.Namespace) -> int:
    """Say whether the audit log is whole, and its head; 1 if it is not."""
    found = asyncio.run(_audit(arguments))
    if found.broken_at is None:
        print(f"{found.entries} entries, all as they were written; head {found.head.hex()}")
    else:
        print(f"entry {found.broken_at} is not as it was written, or is not there")
    return 0 if found.intact else 1


async def _recordings(arguments: argparse.Namespace) -> Report:
    settings = settings_of(arguments)
    async with opened(settings) as (db, vault):
        return await verify_recordings(
            db, vault, files_of(settings), utc_now(), quick=arguments.quick
        )


async def _audit(arguments: argparse.Namespace) -> Verdict:
    async with opened(settings_of(arguments)) as (db, _):
        return await verify_audit(db)
