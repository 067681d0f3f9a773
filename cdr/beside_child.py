"""``python -m cdr.beside_child``: prepares batches for the ingester that asks (`cdr.beside`).

It only reads from the database. What it cannot do it leaves to the one that asks, which meets the
same trouble itself and says so.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from cdr import child
from cdr.beside import Prepared, Question, Setting
from cdr.events import Parsed, parse
from cdr.prepare import prepare_ahead
from storage import Database, open_database
from storage.database import Limits
from storage.errors import StorageError
from storage.vault import Vault

T = TypeVar("T")

_LIMITS: Final = Limits(readers=1, connections=1)


class Preparer:
    """Answers with a `Prepared`, None, or what kind of error kept it from it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._setting: Setting | None = None
        self._vault: Vault | None = None
        self._db: Database | None = None

    def answer(self, asked: bytes) -> bytes:
        """To a `Setting` first, then to each `Question`."""
        given = pickle.loads(asked)  # noqa: S301 (from the process that started this one)
        said: Prepared | str | None
        if isinstance(given, Setting):
            self._run(self._set(given))
            said = None
        else:
            try:
                said = self._run(self._prepared(given))
            except StorageError as error:
                said = error.error_id
            except Exception as error:  # noqa: BLE001 (its text may quote rows)
                said = type(error).__name__
        return pickle.dumps(said, 5)

    def close(self) -> None:
        """Let go of the database."""
        if self._db is not None:
            self._run(self._db.close())
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        # Not by the runner: to set SIGINT's handler and back it writes out, for an error that is
        # then dropped, the task with all that it answers. That took a third of the time.
        return self._runner.get_loop().run_until_complete(work)

    async def _set(self, setting: Setting) -> None:
        if self._db is not None:
            await self._db.close()
        self._setting = setting
        self._vault = Vault.from_file(setting.vault)
        self._db = open_database(setting.url, _LIMITS)

    async def _prepared(self, question: Question) -> Prepared | None:
        assert self._setting is not None
        assert self._vault is not None
        assert self._db is not None
        setting = self._setting
        parsed: Parsed = parse(question.raw.split(b"\n"), setting.node)
        batch = await prepare_ahead(
            self._db,
            self._vault,
            setting.node,
            parsed.rows,
            question.now,
            question.before,
            app_host=setting.app_host,
        )
        if batch is None:
            return None
        newest_us = parsed.rows[-1].at_us if parsed.rows else None
        return Prepared(batch, len(parsed.rows), parsed.garbage, newest_us)


def main() -> None:
    """Serve until the end of the input."""
    os.nice(5)  # whoever sets up calls goes first
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    preparer = Preparer()
    try:
        child.serve(preparer.answer)
    finally:
        preparer.close()


if __name__ == "__main__":
    main()
