"""Values that the tests of this folder start from. They only build; they judge nothing."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from masking.allocation import Place
from masking.known import Held
from masking.lifecycle import SessionDraft, begin
from masking.model import Language, Participant, Phone, Pool, ProxyNumber, Role, Session
from masking.plan import Offer
from masking.routing import RoutingFacts
from masking.trunks import Trunk

T = TypeVar("T")
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
ANNA = Phone("+79161234567")
PETR = Phone("+79267654321")
BUYER = Participant(Role.BUYER, "u-1", ANNA)
SELLER = Participant(Role.SELLER, "u-2", PETR)
POOL = Pool("default", language=Language.EN, ring_s=25, max_call_s=1800)
ONE = ProxyNumber(1001, Phone("+74951110001"), "default", "carrier-a")
TWO = ProxyNumber(1002, Phone("+74951110002"), "default", "carrier-b")
CARRIER_A = Trunk("carrier-a", "127.0.0.2")
CARRIER_B = Trunk("carrier-b", "127.0.0.3")
DRAFT = SessionDraft("chat-81", (BUYER, SELLER), "default", timedelta(days=1))


def a_session(draft: SessionDraft = DRAFT, pool: Pool = POOL) -> Session:
    """The buyer has number one, the seller number two."""
    places = [
        None if who.phone is None else Place(number)
        for who, number in zip(draft.participants, (ONE, TWO), strict=True)
    ]
    return begin(draft, pool, places, session_id="ses_1", now=NOW)


def an_offer(called: str = ONE.e164, caller: str | None = ANNA, trunk: str = "carrier-a") -> Offer:
    return Offer("cal_1", "n1", "PJSIP/carrier-a-00000001", trunk, called, caller, NOW)


def held(session: Session, role: Role = Role.BUYER, **more: Any) -> Held:  # noqa: ANN401
    """The participant's own lease."""
    lease = session.lease(role)
    assert lease is not None
    return Held(**{"lease": lease, "session": session, "phone": None, **more})


def facts_for_buyer(session: Session) -> RoutingFacts:
    return RoutingFacts(number=ONE, pool=POOL, held=(held(session),), trunks=(CARRIER_A, CARRIER_B))


def facts_for_seller(session: Session) -> RoutingFacts:
    return replace(facts_for_buyer(session), number=TWO, held=(held(session, Role.SELLER),))


def read_back(value: T) -> T:
    """An equal value that shares no object with `value`, as one that comes from a database."""
    copy: T = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes
    return copy
