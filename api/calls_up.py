"""Calls that are up, wherever they are: on this process's node, and on those of other processes.

The own node's are in memory. Of others the ingester's staging tells, a second or so later. Where
there is neither, nothing is known, which is not the same as no calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from api.services import LiveCall, Services
from cdr import live as staged
from cdr.ledger import public_name
from storage.columns import from_ms, to_ms

NODES_EVERY_MS: Final = 5_000
KEPT_MS: Final = 900
MOST_KEPT: Final = 100
MOST_OF_SESSION: Final = 100
LATE: Final = timedelta(seconds=10)  # so much later a call may be staged than it was offered


@dataclass(frozen=True, slots=True)
class Now:
    """Calls that are up, and which came of late."""

    states: Mapping[str, int] | None  # how many; None: no node is heard of
    offers: Sequence[tuple[str, int]]  # ids, and when they came, in milliseconds since 1970


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest calls that are up, and how many there are."""

    calls: Sequence[LiveCall]
    count: int


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is asked of the staging."""

    nodes: frozenset[str]
    at_most: int
    session_id: str | None
    trunk: str | None


_Staged = tuple[Sequence[LiveCall], int]


class CallsUp:
    """One process's way to them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._others: frozenset[str] = frozenset()
        self._looked_ms = 0
        self._kept: dict[_Ask, tuple[int, _Staged]] = {}

    async def now(self, now: datetime) -> Now:
        """How many there are. Raises StorageError."""
        own = self._services.live.live_calls()
        others = await self._other_nodes(now)
        states = Counter(one.state for one in own)
        offers = [(one.call_id, to_ms(one.since)) for one in own]
        if others:
            read = self._services.db.read
            count, came = await read(partial(_now, nodes=others, since=now - LATE))
            states.update(count)
            offers += came
        known = bool(own) or bool(others) or self._services.node is not None
        return Now(states if known else None, offers)

    async def newest(
        self,
        now: datetime,
        *,
        at_most: int,
        session_id: str | None = None,
        trunk: str | None = None,
    ) -> Newest:
        """The newest of that session that use that trunk, where one is given."""
        own = [
            one
            for one in self._services.live.live_calls()
            if session_id in (None, one.session_id)
            and (trunk is None or trunk in (one.trunk_in, one.trunk_out))
        ]
        others = await self._other_nodes(now)
        found: list[LiveCall] = list(own)
        count = len(own)
        if others:
            calls, more = await self._staged(now, _Ask(others, at_most, session_id, trunk))
            found += calls
            count += more
        found.sort(key=lambda one: (one.since, one.call_id), reverse=True)
        return Newest(found[:at_most], count)

    async def of_session(self, now: datetime, session_id: str) -> int:
        """How many calls of the session are up."""
        return (await self.newest(now, at_most=MOST_OF_SESSION, session_id=session_id)).count

    async def on_trunks(self, now: datetime) -> Mapping[str, int]:
        """How many calls each trunk carries; one that goes in and out by it counts twice."""
        found = Counter(
            name
            for one in self._services.live.live_calls()
            for name in (one.trunk_in, one.trunk_out)
            if name is not None
        )
        others = await self._other_nodes(now)
        if others:
            found.update(await self._services.db.read(partial(staged.on_trunks, of=others)))
        return found

    async def oldest(
        self, now: datetime, *, limit: int, cursor: str | None
    ) -> tuple[Sequence[LiveCall], str | None]:
        """A page of all of them, oldest first, and the cursor behind it. Raises BadCursor."""
        order = staged.OLDEST_FIRST
        after = None if cursor is None else order.decode(cursor)
        found = [
            one
            for one in self._services.live.live_calls()
            if after is None or (from_ms(to_ms(one.since)), one.call_id) > after
        ]
        others = await self._other_nodes(now)
        if others:
            page = partial(staged.oldest, of=others, limit=limit, cursor=cursor)
            found += await self._services.db.read(page)
        found.sort(key=lambda one: (to_ms(one.since), one.call_id))
        shown = found[:limit]
        if len(found) == len(shown):
            return shown, None
        return shown, order.encode((shown[-1].since, shown[-1].call_id))

    async def of_user(self, now: datetime, user_id: str) -> Sequence[LiveCall]:
        """Those on other nodes in whose sessions the user takes part."""
        others = await self._other_nodes(now)
        if not others:
            return ()
        return await self._services.db.read(partial(staged.of_user, of=others, user_id=user_id))

    async def elsewhere(self, call_id: str) -> str | None:
        """The public name of the other node that the call is on; None: on none that is known."""
        node = await self._services.db.read(partial(staged.node_of, call_id=call_id))
        return None if node in (None, self._services.node) else public_name(node)

    async def is_up(self, call_id: str) -> bool:
        """Whether the call is not over yet."""
        if any(one.call_id == call_id for one in self._services.live.live_calls()):
            return True
        return await self._services.db.read(partial(staged.is_up, call_id=call_id))

    async def _staged(self, now: datetime, ask: _Ask) -> _Staged:
        """As read within a second: many lists may ask the same."""
        kept = self._kept.get(ask)
        if kept is None or abs(to_ms(now) - kept[0]) >= KEPT_MS:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            found = await self._services.db.read(partial(_newest, ask=ask))
            kept = self._kept[ask] = (to_ms(now), found)
        return kept[1]

    async def _other_nodes(self, now: datetime) -> frozenset[str]:
        if abs(to_ms(now) - self._looked_ms) >= NODES_EVERY_MS:
            heard = await self._services.db.read(partial(staged.nodes, now=now))
            self._others = heard - {self._services.node}
            self._looked_ms = to_ms(now)
        return self._others


def _now(
    conn: Connection, nodes: frozenset[str], since: datetime
) -> tuple[dict[str, int], list[tuple[str, int]]]:
    return staged.counts(conn, nodes), staged.offers(conn, nodes, since)


def _newest(conn: Connection, ask: _Ask) -> _Staged:
    calls = staged.newest(
        conn, ask.nodes, at_most=ask.at_most, session_id=ask.session_id, trunk=ask.trunk
    )
    if ask.session_id is None and ask.trunk is None:
        return calls, sum(staged.counts(conn, ask.nodes).values())
    return calls, len(calls)
