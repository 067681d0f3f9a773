"""What is asked of call records is answered alike by both databases: each test runs on either."""

from __future__ import annotations

import asyncio

import pytest

from storage import Database
from tests.contract.records.many import Many


@pytest.fixture
def many(database: Database, runner: asyncio.Runner) -> Many:
    """Some hundred calls of few people in a short time."""
    return runner.run(Many.made(database))
