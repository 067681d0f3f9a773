"""A database whose owner may die at any statement: for "killed here, what is left?".

Every way from a work to its database is a moment to die: before and after each statement, those
that are prepared past SQLAlchemy included, and before and after the work itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from storage import Database
from storage.errors import NotAtOnce

T = TypeVar("T")


class Killed(Exception):
    """Stands for the end of the process."""


class Mortal:
    """A database whose owner dies at the n-th moment: before or after an operation, or within."""

    def __init__(self, db: Database, dies_at: int = 0) -> None:
        self._db = db
        self._dies_at = dies_at
        self.moments = 0

    def live(self, dies_at: int = 0) -> None:
        """Another life begins, which ends at its n-th moment; 0: never."""
        self._dies_at = dies_at
        self.moments = 0

    @property
    def died(self) -> bool:
        """Whether this life is over."""
        return 0 < self._dies_at <= self.moments

    def moment(self) -> None:
        """Whoever is dead stays dead: nothing more is done in this life."""
        self.moments += 1
        if self.died:
            raise Killed

    async def read(self, work: Callable[[Connection], T]) -> T:
        self.moment()
        return await self._db.read(work)

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        return await self.read(work)

    def peek(self, work: Callable[[Connection], T]) -> T:
        raise NotAtOnce

    async def write(self, work: Callable[[Connection], T]) -> T:
        self.moment()
        result = await self._db.write(lambda conn: work(self._mortal(conn)))
        self.moment()  # it was kept, and nobody heard
        return result

    async def close(self) -> None:
        await self._db.close()

    def _mortal(self, conn: Connection) -> Connection:
        mortal: Any = _Watched(conn, self, _STATEMENTS)
        return mortal  # type: ignore[no-any-return]


_STATEMENTS = frozenset({"execute", "executemany", "exec_driver_sql", "scalar", "scalars"})


class _Watched:
    """Passes everything on; every statement is a moment to die before, and one after."""

    def __init__(self, watched: Any, owner: Mortal, names: frozenset[str]) -> None:  # noqa: ANN401
        self._watched = watched
        self._owner = owner
        self._names = names

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever is watched has)
        member = getattr(self._watched, name)
        if name in ("connection", "dbapi_connection"):  # the driver's, for what is prepared
            return _Watched(member, self._owner, self._names)
        if name not in self._names:
            return member

        def statement(*args: Any, **named: Any) -> Any:  # noqa: ANN401
            self._owner.moment()
            result = member(*args, **named)
            try:
                self._owner.moment()
            except Killed:
                if hasattr(result, "close"):
                    result.close()  # no statement of the dead goes on
                raise
            return result

        return statement
