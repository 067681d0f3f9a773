"""Who keeps the sessions of a simulated day: dictionaries, or Maskline's storage on SQLite.

Both leave every choice to `masking`. Places that are over are given back when the time has passed.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from bench.crowd import a_vault
from masking import lifecycle
from masking.allocation import Place, Side, choose
from masking.digits import Digits
from masking.ids import session_id
from masking.known import Held, RoutingFacts
from masking.lifecycle import SessionDraft
from masking.model import Participant, Phone, Pool, ProxyNumber, Session
from masking.stock import Stock
from masking.trunks import Trunk
from storage import numbers, routing, sessions, trunks
from storage.database import parse_url
from storage.routing import Dialling
from storage.sqlite import begin_write, make_engine

TRUNK = Trunk("carrier-a", "127.0.0.2", max_channels=1_000_000, max_cps=1_000_000)
_NO_DIGITS = Digits(b"")


def number(n: int) -> Phone:
    """The nth proxy number, from 1."""
    return Phone(f"+7495{1_000_000 + n}")


class Keeper(Protocol):
    """Keeps sessions of one pool."""

    def grow(self, now: datetime) -> None:
        """Give the pool one number more."""
        ...

    def open(self, draft: SessionDraft, now: datetime) -> Session:
        """Open a session. Raises what `masking.errors` says."""
        ...

    def close(self, session_id: str, now: datetime) -> None: ...

    def facts(self, dialled: Phone, caller: Phone, now: datetime) -> RoutingFacts: ...


class InMemory:
    """Dictionaries and a heap."""

    def __init__(self, pool: Pool, size: int = 0) -> None:
        self._pool = pool
        self._numbers: list[ProxyNumber] = []
        self._stock = Stock(pool.name, ())
        self._sessions: dict[str, Session] = {}
        self._places: dict[tuple[int, Phone], str] = {}
        self._held: defaultdict[Phone, dict[int, dict[str, bool]]] = defaultdict(dict)
        self._latest: dict[Phone, int] = {}
        self._of_pair: dict[frozenset[Phone], dict[Phone, int]] = {}
        self._over: list[tuple[datetime, str]] = []
        self._rotation = 0
        self._add(size)

    def grow(self, now: datetime) -> None:
        self._add(1)

    def _add(self, count: int) -> None:
        for n in range(len(self._numbers) + 1, len(self._numbers) + count + 1):
            self._numbers.append(ProxyNumber(n, number(n), self._pool.name, TRUNK.name))
        self._stock = Stock(self._pool.name, self._numbers)

    def open(self, draft: SessionDraft, now: datetime) -> Session:
        self._give_back(now)
        first, second = lifecycle.check(draft)
        places = (self._place(first, second), self._place(second, first))
        new_id = session_id(now, self._rotation.to_bytes(10, "big"))
        opened = lifecycle.begin(draft, self._pool, places, session_id=new_id, now=now)
        self._rotation += 1
        self._sessions[new_id] = opened
        given: dict[Phone, int] = {}
        for one, place in zip(opened.participants, places, strict=True):
            assert one.phone is not None
            self._held[one.phone][place.number.id] = {"": True}
            given[one.phone] = place.number.id
            if place.why[0] != ("by", "sticky"):  # which is out of turn
                self._latest[one.phone] = place.number.id
            self._places[place.number.id, one.phone] = new_id
        self._of_pair[frozenset(given)] = given
        heapq.heappush(self._over, (opened.leases[0].reserved_until, new_id))
        return opened

    def close(self, session_id: str, now: datetime) -> None:
        closed = lifecycle.close(
            self._sessions[session_id], cool_down=self._pool.cool_down, now=now
        )
        self._sessions[session_id] = closed
        heapq.heappush(self._over, (closed.leases[0].reserved_until, session_id))

    def facts(self, dialled: Phone, caller: Phone, now: datetime) -> RoutingFacts:
        self._give_back(now)
        proxy = self._stock.spelt(dialled)
        if proxy is None:
            return RoutingFacts(trunks=(TRUNK,))
        known = RoutingFacts(number=proxy, pool=self._pool, trunks=(TRUNK,))
        of = self._places.get((proxy.id, caller))
        if of is None:
            return known
        session = self._sessions[of]
        lease = next(
            lease for lease in session.leases if session.participant(lease.role).phone == caller
        )
        return replace(known, held=(Held(lease, session, caller),))

    def _place(self, me: Participant, you: Participant) -> Place:
        assert me.phone is not None
        assert you.phone is not None
        had = self._of_pair.get(frozenset((me.phone, you.phone)), {})
        side = Side(
            me.role,
            me.phone,
            you.phone,
            self._held[me.phone],
            latest=self._latest.get(me.phone),
            earlier=had.get(me.phone),
        )
        return choose(self._stock, side, self._pool.rules.numbers, self._rotation, _NO_DIGITS)

    def _give_back(self, now: datetime) -> None:
        while self._over and self._over[0][0] <= now:
            at, over = heapq.heappop(self._over)
            session = self._sessions.get(over)
            if session is None or session.leases[0].reserved_until != at:
                continue  # it was closed: what was known before is not so any more
            del self._sessions[over]
            for lease in session.leases:
                phone = session.participant(lease.role).phone
                assert phone is not None
                del self._held[phone][lease.number.id]
                del self._places[lease.number.id, phone]


class OnSqlite:
    """Maskline's storage, all in one transaction: the day is simulated, so is its disk."""

    def __init__(self, conn: Connection, pool: Pool, now: datetime) -> None:
        self._conn = conn
        self._vault = a_vault()
        self._pool = pool
        self._size = 0
        self._serial = 0
        trunks.add(conn, self._vault, TRUNK, now)
        numbers.put_pool(conn, pool, now)

    @classmethod
    @contextmanager
    def at(cls, path: Path, pool: Pool, now: datetime) -> Iterator[OnSqlite]:
        """In the migrated file at `path`."""
        engine = make_engine(parse_url(f"sqlite:///{path}"))
        with engine.connect() as conn, begin_write(conn):
            yield cls(conn, pool, now)
        engine.dispose()

    def grow(self, now: datetime) -> None:
        self._size += 1
        numbers.add_numbers(self._conn, self._pool.name, TRUNK.name, [number(self._size)], now)

    def open(self, draft: SessionDraft, now: datetime) -> Session:
        self._serial += 1
        return sessions.open_session(
            self._conn,
            self._vault,
            draft,
            now=now,
            session_id=session_id(now, self._serial.to_bytes(10, "big")),
            rotation=self._serial,
        )

    def close(self, session_id: str, now: datetime) -> None:
        sessions.close(self._conn, session_id, now)

    def facts(self, dialled: Phone, caller: Phone, now: datetime) -> RoutingFacts:
        found = routing.facts(self._conn, self._vault, Dialling(dialled, caller, TRUNK.name))
        return replace(found, trunks=(TRUNK,))
