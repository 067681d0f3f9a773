"""Copies SQLite's log back into its file beside the writer, so that no commit waits for it.

In a large file nearly every page of the log goes to another place on the disk: whoever opened a
session would wait for what the last three hundred left behind. It only copies what was committed,
with SQLite's own PRAGMA, and takes no lock that a reader or the writer waits for. Should it not
come to it, or fail, the writer does it itself (`wal_autocheckpoint`), as ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_ROWS: Final = 1_000  # changed since the last time: some 4,000 pages of the log
_REST_S: Final = 0.05  # at least, between two


class Checkpoints:
    """What is to be copied, and who copies it: `run` in a thread of its own until `stop`."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._rows = 0
        self._seen = 0
        self._due = threading.Event()
        self._stopped = threading.Event()

    def committed(self, rows: int) -> None:
        """The writer's connection has changed so many rows since it was opened."""
        self._rows += rows - self._seen if rows >= self._seen else rows
        self._seen = rows
        if self._rows >= _ROWS:
            self._rows = 0
            self._due.set()

    def run(self) -> None:
        """Copy whenever there is enough, until stopped."""
        conn: Connection | None = None
        try:
            while self._wait():
                try:
                    conn = conn or self._connect()
                    conn.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()
                except DBAPIError:  # a full disk, a broken file: the writer meets it as well
                    _close(conn)
                    conn = None
        finally:
            _close(conn)

    def stop(self) -> None:
        """End `run`, after what it is at."""
        self._stopped.set()
        self._due.set()

    def _wait(self) -> bool:
        if self._stopped.wait(_REST_S):
            return False
        self._due.wait()
        self._due.clear()
        return not self._stopped.is_set()


def _close(conn: Connection | None) -> None:
    if conn is not None:
        with suppress(DBAPIError):
            conn.close()
