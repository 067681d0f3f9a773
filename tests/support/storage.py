"""What tests of stored things begin with: a database of either kind, a vault, a pool, a draft."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from sqlalchemy import Connection

from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Card, Listing, Participant, Phone, Pool, Role, Session
from masking.trunks import Trunk
from storage import Database, numbers, routing, sessions, trunks
from storage.routing import Dialling
from storage.vault import Vault, VaultKeys

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
ANNA = Phone("+79161234567")
PETR = Phone("+79267654321")
BUYER = Participant(Role.BUYER, "u-1", ANNA, Card("Anna", 4.9, (("verified", "yes"),)))
SELLER = Participant(Role.SELLER, "u-2", PETR, Card("Petr"))
TRUNK = Trunk("carrier-a", "127.0.0.2")

_serial = count()


def a_vault() -> Vault:
    """The same vault in every process and every run."""
    return Vault(VaultKeys(sealing={1: b"k" * 32}, index=b"i" * 32))


def a_person(role: Role, n: int) -> Participant:
    """Somebody with a phone of their own."""
    country = "+7916" if role is Role.BUYER else "+7926"
    return Participant(role, f"{role.value}-{n}", Phone(f"{country}{n:07}"))


def a_draft(
    buyer: Participant = BUYER,
    seller: Participant = SELLER,
    *,
    conversation: str = "chat-81",
    ttl: timedelta = DAY,
) -> SessionDraft:
    return SessionDraft(
        conversation, (buyer, seller), "default", ttl, Listing("L-42", "Lada Vesta")
    )


def proxies(n: int) -> list[Phone]:
    """So many proxy numbers, always the same."""
    return [Phone(f"+7495{1110000 + one}") for one in range(1, n + 1)]


def stock(conn: Connection, vault: Vault, size: int, cool_down: timedelta = 7 * DAY) -> None:
    """A trunk and the pool ``default`` with `size` numbers on it."""
    trunks.add(conn, vault, TRUNK, NOW)
    numbers.put_pool(conn, Pool("default", cool_down=cool_down), NOW)
    numbers.add_numbers(conn, "default", TRUNK.name, proxies(size), NOW)


async def stocked(
    db: Database, vault: Vault, size: int = 3, cool_down: timedelta = 7 * DAY
) -> None:
    await db.write(lambda conn: stock(conn, vault, size, cool_down))


async def opened(
    db: Database,
    vault: Vault,
    draft: SessionDraft | None = None,
    *,
    now: datetime = NOW,
    rotation: int = 0,
) -> Session:
    """A new session, as the API opens it."""
    new_id = session_id(now, next(_serial).to_bytes(10, "big"))
    return await db.write(
        lambda conn: sessions.open_session(
            conn, vault, draft or a_draft(), now=now, session_id=new_id, rotation=rotation
        )
    )


def as_routed(session: Session) -> Session:
    """What a route tells of it: no PIN, and not how its numbers were chosen."""
    leases = tuple(replace(lease, pin=None, why=()) for lease in session.leases)
    return replace(session, leases=leases)


def leases_of(found: Iterable[Session]) -> list[tuple[str, str]]:
    """Whom each lease binds to which number: (proxy number, phone)."""
    return [
        (lease.number.e164, session.participant(lease.role).phone or "")
        for session in found
        for lease in session.leases
    ]


def live_session(
    conn: Connection, vault: Vault, number: Phone, caller: Phone, now: datetime
) -> str | None:
    """The session to which a caller's own live lease on `number` leads, if there is one."""
    found = routing.facts(conn, vault, Dialling(number, caller, TRUNK.name))
    live = [held.session.id for held in found.held if held.live(now)]
    assert len(live) < 2, "one place, two sessions"
    return live[0] if live else None
