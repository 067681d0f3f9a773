"""Decides offers: facts from the database, trunks from a copy of them, the rule from the domain.

A decision that would come after its offer has expired is worth nothing: it fails instead, and the
dialplan says "try again" by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from masking import routing
from masking.plan import Decision, Offer
from masking.routing import Loads, RoutingFacts
from masking.trunks import Trunk
from storage import routing as stored
from storage import trunks
from storage.database import Database
from storage.vault import Vault


class TrunkBook:
    """A copy of the trunks. `TrunkWatch` keeps it as new as the node's configuration."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._version = -1
        self._trunks: tuple[Trunk, ...] = ()

    def read(self, conn: Connection) -> tuple[int, tuple[Trunk, ...]]:
        """Version and trunks as of `conn`; one small look-up when nothing has changed."""
        version = trunks.version(conn)
        if version != self._version:
            # Two readers may come here at once: both store the same for their version.
            found = trunks.all(conn, self._vault)
            self._trunks, self._version = found, version
            return version, found
        return version, self._trunks

    def known(self, conn: Connection) -> tuple[Trunk, ...]:
        """The trunks as they were last read; reads them if they never were."""
        return self._trunks if self._version >= 0 else self.read(conn)[1]


class StoredRoutes:
    """The controller's `Routes` over the database."""

    def __init__(
        self, db: Database, vault: Vault, book: TrunkBook, clock: Callable[[], datetime]
    ) -> None:
        self._db = db
        self._vault = vault
        self._book = book
        self._clock = clock

    async def facts(self, offer: Offer) -> RoutingFacts:
        """All that is known about `offer`. Raises StorageError."""

        def work(conn: Connection) -> RoutingFacts:
            known = self._book.known(conn)
            trunk = routing.trunk_of(offer, known)
            if trunk is None:
                return RoutingFacts(trunks=known)
            who = routing.identify(offer, trunk)
            if who.number is None:
                return RoutingFacts(trunks=known)
            found = stored.facts(conn, self._vault, number=who.number, caller=who.caller)
            return replace(found, trunks=known)

        return await self._db.look_up(work)

    async def decide(self, offer: Offer, loads: Loads) -> Decision:
        """See the controller's `Routes`."""
        facts = await self.facts(offer)
        return routing.decide(offer, facts, loads, self._clock())
