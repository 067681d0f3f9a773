"""Exports call records into a file that is whole or not there, readable by its owner alone.

Reads the database itself, so that it works with nothing running, and tells the audit log before
the first record is read. Memory is bounded however many records there are.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Final

from cdr import export, export_rows
from cdr.export import Format
from cdr.record_filter import Filter, told
from maskline.errors import CommandRefused
from storage import audit
from storage.audit import Action, Actor, ActorKind, Entry
from storage.columns import to_ms
from storage.database import Database
from storage.vault import Vault

STANDARD_OUTPUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported, and by whom."""

    wanted: Filter
    format: Format
    out: Path  # `-`: standard output
    bom: bool
    who: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    records: int
    share: float  # of the time that is to be gone through, 0 to 1


async def export_records(
    db: Database, vault: Vault, wish: Wish, now: datetime, tell: Callable[[Progress], None]
) -> int:
    """Write the file; how many records are in it. Raises CommandRefused, StorageError."""
    # Calls that come meanwhile are not in it: it has an end.
    until = now if wish.wanted.until is None else min(wish.wanted.until, now)
    wanted = replace(wish.wanted, until=until)
    facts = {"format": wish.format.value, **told(wanted, vault.person_ref)}
    actor = Actor(ActorKind.COMMAND, wish.who)
    entry = Entry(now, actor, Action.RECORDS_EXPORTED, "records", facts=facts)
    with _file(wish.out) as write:
        await db.write(lambda conn: audit.append(conn, entry))
        first_ms = await db.read(partial(export_rows.oldest_ms, wanted=wanted))
        writer = export.writer_of(wish.format, bom=wish.bom)
        write(writer.head())
        done, after = 0, None
        while True:
            piece = await db.read(partial(export_rows.read, wanted=wanted, after=after))
            write(writer.rows(piece.rows))
            done += len(piece.rows)
            if piece.resume is None:
                break
            after = piece.resume
            tell(Progress(done, export_rows.share(first_ms, to_ms(until), after)))
        write(writer.tail())
    tell(Progress(done, 1.0))
    return done


@contextmanager
def _file(out: Path) -> Iterator[Callable[[bytes], object]]:
    """Where to write; renamed to `out` when all went well, else removed."""
    if out == STANDARD_OUTPUT:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandRefused(f"cannot write {out}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            _settle(file)
        draft.replace(out)
    except OSError as error:
        raise CommandRefused(f"cannot write {out}: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


class Bar:
    """A line on a terminal that says how far it is; nothing where there is no terminal."""

    WIDTH: Final = 30
    EVERY_S: Final = 0.1

    def __init__(self, terminal: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal if terminal.isatty() else None
        self._clock = clock
        self._begun = clock()
        self._next = self._begun

    def show(self, progress: Progress) -> None:
        """Draw it, but not too often."""
        now = self._clock()
        if self._terminal is None or (now < self._next and progress.share < 1):
            return
        self._next = now + self.EVERY_S
        full = round(progress.share * self.WIDTH)
        bar = "#" * full + "-" * (self.WIDTH - full)
        took_s = now - self._begun
        left = ""
        if 0.01 < progress.share < 1:
            left = f", {took_s / progress.share - took_s:.0f} s left"
        text = f"[{bar}] {progress.share:4.0%}  {progress.records:,} records{left}"
        self._terminal.write(f"\r{text}\x1b[K")
        self._terminal.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal is not None:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()
