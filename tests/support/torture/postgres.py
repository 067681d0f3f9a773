"""A PostgreSQL that may be killed: what it has committed is there when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres import PostgresServer, running_postgres

# fsync is of no use here: we kill processes, and what they have written stays with the kernel.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "on",
    "shared_buffers": "32MB",
    "max_connections": "100",
}


@contextmanager
def durable_postgres() -> Iterator[PostgresServer]:
    """Start a server, stop it at the end. Raises PostgresMissing."""
    with running_postgres(_SETTINGS) as server:
        yield server
