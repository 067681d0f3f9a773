"""Decides offers: facts from the database, trunks from a copy of them, the rule from the domain.

A decision that would come after its offer has expired is worth nothing: it fails instead, and the
dialplan says "try again" by itself. Nearly every call is one look-up; what has to be asked or
written first costs one transaction more, which reads everything again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from masking import routing
from masking.known import Answer, AskPlatform, Enquiry, LookUp, OpenLink, RoutingFacts
from masking.model import Pool
from masking.plan import Decision, Offer
from masking.routing import Loads, Ruling
from masking.trunks import Trunk
from maskline.clerk import Clerk
from maskline.hook import SILENT, Asking, HookAnswer, Platform
from storage import reaching, strangers, trunks
from storage import routing as stored
from storage.database import Database
from storage.errors import NotAtOnce
from storage.pool_rules import secrets_of
from storage.routing import Dialling
from storage.vault import Vault

__all__ = ["StoredRoutes", "TrunkBook"]

_ROUNDS: Final = 5  # of looking, asking and writing before one offer is given up


class TrunkBook:
    """A copy of the trunks. `TrunkWatch` keeps it as new as the node's configuration."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._version = -1
        self._trunks: tuple[Trunk, ...] = ()

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """As they were last read; none if they never were."""
        return self._trunks

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


class Unsettled(Exception):
    """What was known of an offer changed as often as it was looked at."""


class _Roomy:
    """Loads of trunks while facts are settled: room is looked for afterwards, on the event loop."""

    def can_take(self, trunk: Trunk, now: datetime, channels: int = 1) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class _Settled:
    """The facts in which a decision is true by now, or what is to be asked before."""

    facts: RoutingFacts
    ask: AskPlatform | None = None


class StoredRoutes:
    """The controller's `Routes` over the database."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        book: TrunkBook,
        clock: Callable[[], datetime],
        *,
        platform: Platform | None = None,
        busy: Callable[[], AbstractSet[str]] = frozenset,
        devices: Callable[[str], tuple[str, ...]] = lambda _: (),
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`busy`: the ids of sessions that have a call up; `platform`: None is always silent.

        `devices`: user names of a user's devices that are registered now.
        """
        self._db = db
        self._vault = vault
        self._book = book
        self._clock = clock
        self._platform = platform
        self._devices = devices
        self._clerk = Clerk(vault, entropy, busy)

    async def facts(self, offer: Offer) -> RoutingFacts:
        """All that is known about `offer`. Raises StorageError."""
        facts = await self._db.look_up(lambda conn: self._known(conn, offer)[0])
        return self._with_devices(facts)

    def decide_at_once(self, offer: Offer, loads: Loads) -> Decision | None:
        """See the controller's `Routes`."""
        try:
            facts = self._with_devices(self._db.peek(lambda conn: self._known(conn, offer)[0]))
            found = routing.rule(offer, facts, loads, self._clock())
            if type(found) is LookUp:
                wanted, known = found, facts
                facts = self._db.peek(lambda conn: self._looked_up(conn, wanted, known))
                found = routing.rule(offer, self._with_devices(facts), loads, self._clock())
        except NotAtOnce:
            return None
        return found.decision if type(found) is Ruling and not found.deeds else None

    async def decide(self, offer: Offer, loads: Loads) -> Decision:
        """See the controller's `Routes`."""
        facts = await self.facts(offer)
        found = routing.rule(offer, facts, loads, self._clock())
        if type(found) is LookUp:
            wanted, known = found, facts
            facts = await self._db.look_up(lambda conn: self._looked_up(conn, wanted, known))
            found = routing.rule(offer, self._with_devices(facts), loads, self._clock())
        if type(found) is Ruling and not found.deeds:
            return found.decision
        return await self._settle(offer, loads, found)

    def _known(
        self, conn: Connection, offer: Offer, locking: datetime | None = None
    ) -> tuple[RoutingFacts, Dialling | None]:
        known = self._book.known(conn)
        if offer.app is not None:
            found = reaching.app_facts(conn, self._vault, offer.app, offer.called)
            return replace(found, trunks=known), None
        if offer.clicked is not None:
            found = reaching.clicked_facts(conn, self._vault, offer.called, offer.clicked)
            return replace(found, trunks=known), None
        trunk = routing.trunk_of(offer, known)
        if trunk is None:
            return RoutingFacts(trunks=known), None
        who = routing.identify(offer, trunk)
        if who.number is None:
            return RoutingFacts(trunks=known), None
        dialling = Dialling(who.number, who.caller, offer.trunk, offer.asked, offer.digits)
        now = locking or self._clock()
        found = stored.facts(conn, self._vault, dialling, trunks=known, now=now, locking=locking)
        return found, dialling

    def _looked_up(self, conn: Connection, wanted: LookUp, facts: RoutingFacts) -> RoutingFacts:
        pool = facts.pool or Pool(wanted.session.pool)
        return replace(facts, callee=reaching.look_up(conn, wanted, pool, self._clock()))

    def _with_devices(self, facts: RoutingFacts) -> RoutingFacts:
        """With the devices that are registered by now, where the callee ever had one."""
        callee = facts.callee
        if callee is None or callee.app_until is None:
            return facts
        return replace(facts, callee=replace(callee, devices=self._devices(callee.user_id)))

    # -- what has to be asked or written first ----------------------------------------------------

    async def _settle(self, offer: Offer, loads: Loads, found: Ruling | Enquiry) -> Decision:
        """Ask and write until there is a decision that needs neither. Raises Unsettled."""
        ask = found if isinstance(found, AskPlatform) else None
        answer: HookAnswer | None = None
        for _ in range(_ROUNDS):
            if ask is not None and answer is None:
                answer = await self._ask(offer, ask)
            now, said = self._clock(), answer
            settled = await self._db.write(lambda conn: self._write(conn, offer, said, now))  # noqa: B023 (awaited at once)
            ask = settled.ask
            if ask is None:
                # The same facts at the same time: the same meaning, which is true by now.
                facts = self._with_devices(settled.facts)
                ruling = routing.rule(offer, facts, loads, now)
                if isinstance(ruling, Ruling):
                    return ruling.decision
        raise Unsettled

    def _write(
        self, conn: Connection, offer: Offer, answer: HookAnswer | None, now: datetime
    ) -> _Settled:
        """Read again, and carry out what the decision asks for, in this transaction."""
        told = link = callee = None
        for _ in range(_ROUNDS):
            facts, dialling = self._known(conn, offer, now)
            if facts.number is None or dialling is None:
                return _Settled(facts)
            if answer is not None and told is None:
                told = self._clerk.told(conn, answer, dialling, facts.number, now)
                continue  # a session may have been opened
            facts = replace(facts, told=told, link=link, callee=callee or facts.callee)
            found = routing.rule(offer, facts, _Roomy(), now)
            match found:
                case AskPlatform():
                    return _Settled(facts, found)
                case LookUp():
                    callee = self._looked_up(conn, found, facts).callee
                case OpenLink() if dialling.caller is not None:
                    link = self._clerk.open_link(conn, found, dialling.caller, now)
                case Ruling():
                    if all(
                        self._clerk.do(conn, deed, facts, dialling, now)
                        for deed in reversed(found.deeds)
                    ):
                        return _Settled(facts)
                case _:
                    raise Unsettled
        raise Unsettled

    async def _ask(self, offer: Offer, ask: AskPlatform) -> HookAnswer:
        platform = self._platform
        if platform is None:
            return SILENT

        def look(conn: Connection) -> tuple[RoutingFacts, Asking | None, str | None]:
            facts, dialling = self._known(conn, offer)
            if facts.pool is None or facts.number is None or dialling is None:
                return facts, None, None
            return (
                facts,
                self._asking(conn, offer, ask, dialling),
                secrets_of(conn, self._vault, facts.pool.name).hook_secret,
            )

        facts, asking, secret = await self._db.read(look)
        hook = None if facts.pool is None else facts.pool.rules.hook
        if asking is None or hook is None:
            return HookAnswer(Answer.SILENT)
        return await platform.ask(hook, secret, asking)

    def _asking(
        self, conn: Connection, offer: Offer, ask: AskPlatform, dialling: Dialling
    ) -> Asking:
        caller, listing = dialling.caller, ask.listing
        users: tuple[str, ...] = ()
        if caller is not None:
            users = strangers.users_with(conn, self._vault.index(caller))
        return Asking(
            call_id=offer.call_id,
            why=ask.why,
            number=dialling.number,
            caller_ref=None if caller is None else self._vault.pseudonym(caller),
            user_ids=users,
            session_id=None if ask.held is None else ask.held.session.id,
            listing_number_id=None if listing is None else listing.id,
            listing=None if listing is None else listing.listing,
        )
