"""What an inspection says of a past moment is what was decided in it, whatever happened since.

Random lives of sessions, listings and callers; at each step it is written down whom every number
reaches for everybody, by the call path itself; at the end the past is inspected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from masking.errors import MaskingError
from masking.ids import listing_number_id, session_id
from masking.inspection import Finding, Question
from masking.known import Enrol, OpenLink
from masking.lifecycle import SessionDraft
from masking.listing import LinkRefusal, ListingDraft
from masking.model import Listing, Participant, Phone, Pool, Role, TtlFrom
from masking.plan import Plan, Prompt, Refusal
from masking.rules import Exhausted, ListingRules, NumberRules, PinRules, PoolRules, StrangerRules
from masking.rules import Stranger as Unknown
from storage import (
    Database,
    endings,
    enrolments,
    inspection,
    listings,
    numbers,
    sessions,
    trunks,
)
from storage.links import Opening, open_link
from storage.vault import Vault
from tests.support.storage import NOW, TRUNK, a_vault, proxies

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BUYERS = [Participant(Role.BUYER, f"b-{n}", Phone(f"+7916000000{n}")) for n in range(2)]
SELLERS = [Participant(Role.SELLER, f"s-{n}", Phone(f"+7926000000{n}")) for n in range(2)]
OTHERS = [Phone("+79030000001"), Phone("+79030000002")]
EVERYBODY = [*(one.phone for one in (*BUYERS, *SELLERS)), *OTHERS, None]
NUMBERS = proxies(2)
CALLS = 12  # inspected after each step

pools = st.builds(
    lambda exhausted, cool_down, shared, unknown: Pool(
        "default",
        cool_down=cool_down,
        max_call_s=1800,
        rules=PoolRules(
            numbers=NumberRules(exhausted=exhausted, recycle_after=HOUR, extension_length=2),
            strangers=StrangerRules(unknown=unknown, pin=PinRules(length=4)),
            listings=ListingRules(shared=shared, extension_length=3, rest=3 * HOUR, link=5 * HOUR),
        ),
    ),
    st.sampled_from(Exhausted),
    st.sampled_from([timedelta(0), 2 * HOUR]),
    st.booleans(),
    st.sampled_from([Unknown.ANNOUNCE, Unknown.PIN]),
)
steps = st.tuples(
    st.sampled_from(
        (
            *("open", "open", "close", "extend", "call", "declare", "enrol"),
            *("list", "link", "rotate", "close-listing", "sweep", "wait"),
        )
    ),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from([7 * MINUTE, 40 * MINUTE, 2 * HOUR]),
)


@dataclass
class Life:
    """What happens, as the API and the call path make it happen, with the clock under control."""

    conn: Connection
    vault: Vault
    now: datetime = NOW
    made: int = 0
    sessions: list[str] = field(default_factory=list)
    listings: list[str] = field(default_factory=list)

    def do(self, what: str, a: int, b: int) -> None:
        """Do something, if it may be done."""
        deed: dict[str, Callable[[int, int], object]] = {
            "open": self._open,
            "close": self._close,
            "extend": self._extend,
            "call": self._call,
            "declare": self._declare,
            "enrol": self._enrol,
            "list": self._list,
            "link": self._link,
            "rotate": self._rotate,
            "close-listing": self._close_listing,
            "sweep": self._sweep,
            "wait": lambda _a, _b: None,
        }
        with suppress(MaskingError):
            deed[what](a, b)

    def entropy(self, length: int) -> bytes:
        """Unlike the last, and always the same."""
        self.made += 1
        return (self.made * 7919).to_bytes(length, "big")

    def _open(self, a: int, b: int) -> None:
        draft = SessionDraft(
            f"chat-{a}-{b}",
            (BUYERS[a % 2], SELLERS[b % 2]),
            "default",
            (1 + a % 4) * HOUR,
            Listing(f"L-{b % 3}"),
            ttl_from=TtlFrom.LAST_CALL if b % 2 else TtlFrom.CREATION,
        )
        new_id = session_id(self.now, self.entropy(10))
        opened = sessions.open_session(
            self.conn,
            self.vault,
            draft,
            now=self.now,
            session_id=new_id,
            rotation=self.made,
            secret=self.entropy(32),
            busy=frozenset(),
        )
        self.sessions.append(opened.id)

    def _close(self, a: int, _b: int) -> None:
        if self.sessions:
            sessions.close(self.conn, self.sessions[a % len(self.sessions)], self.now)

    def _extend(self, a: int, b: int) -> None:
        if self.sessions:
            until = self.now + (1 + b) * HOUR
            sessions.extend(self.conn, self.sessions[a % len(self.sessions)], until, self.now)

    def _call(self, a: int, b: int) -> None:
        if not self.sessions:
            return
        one = self.sessions[a % len(self.sessions)]
        found = sessions.get(self.conn, self.vault, one)
        if found is not None and found.expires_at > self.now:
            endings.call_ended(self.conn, one, self.now, bool(b % 2))

    def _declare(self, a: int, b: int) -> None:
        if self.sessions:
            one = self.sessions[a % len(self.sessions)]
            enrolments.declare(
                self.conn, self.vault, one, f"b-{b % 2}", OTHERS[0], ttl=HOUR, now=self.now
            )

    def _enrol(self, a: int, b: int) -> None:
        """As by the PIN that is typed on the number."""
        question = Question(NUMBERS[a % 2], OTHERS[1])
        for held in self._held():
            if held.lease.number.e164 == question.number and held.live(self.now):
                deed = Enrol(held.session.id, held.lease.role)
                enrolments.enrol(
                    self.conn, self.vault, deed, held.lease.number, OTHERS[1], self.now, why="pin"
                )
                return

    def _held(self) -> Iterator[Any]:
        for number, one in product(NUMBERS, (*BUYERS, *SELLERS)):
            yield from self.look(number, one.phone).facts.held

    def _list(self, a: int, b: int) -> None:
        draft = ListingDraft(Listing(f"L-{b % 3}"), SELLERS[a % 2], "default", (2 + b) * HOUR)
        new_id = listing_number_id(self.now, self.entropy(10))
        listings.create(
            self.conn, self.vault, draft, new_id=new_id, now=self.now, entropy=self.entropy
        )
        self.listings.append(new_id)

    def _link(self, a: int, b: int) -> None:
        """A call to whatever number a listing shows."""
        if not self.listings:
            return
        one = listings.get(self.conn, self.vault, self.listings[a % len(self.listings)])
        caller = EVERYBODY[b]
        if one is None or one.shown is None or caller is None:
            return
        new_id = session_id(self.now, self.entropy(10))
        opening = Opening(new_id, self.made, self.entropy)
        link = open_link(self.conn, self.vault, one, caller, opening, self.now)
        if not isinstance(link, LinkRefusal):
            self.sessions.append(link.session.id)

    def _rotate(self, a: int, _b: int) -> None:
        if self.listings:
            change = listings.Change(rotate=True)
            one = self.listings[a % len(self.listings)]
            listings.change(self.conn, self.vault, one, change, now=self.now, entropy=self.entropy)

    def _close_listing(self, a: int, _b: int) -> None:
        if self.listings:
            listings.close(self.conn, self.listings[a % len(self.listings)], self.now)

    def _sweep(self, _a: int, _b: int) -> None:
        sessions.sweep(self.conn, self.now)

    def look(
        self,
        number: Phone,
        caller: Phone | None,
        typed: tuple[str, ...] = (),
        *,
        at: datetime | None = None,
    ) -> Finding:
        question = Question(number, caller, typed)
        return inspection.look(self.conn, self.vault, question, at=at or self.now, now=self.now)

    def some_of_all(self, chance: Random) -> list[tuple[Phone, Phone | None, tuple[str, ...]]]:
        """Of every number, everybody and every place's digits so many at random."""
        typed: set[tuple[str, ...]] = {(), ("1",), ("0000",)}
        for held in self._held():
            typed |= {(held.lease.extension,), (held.lease.pin or "",)}
        for one in self.listings:
            found = listings.get(self.conn, self.vault, one)
            if found is not None and found.shown is not None:
                typed.add((found.shown.extension,))
        calls = [*product(NUMBERS, EVERYBODY, sorted(typed))]
        return chance.sample(calls, min(len(calls), CALLS))


def gist(found: Finding) -> tuple[object, ...]:
    """What is decided, and for whom."""
    match found.outcome:
        case Plan() as plan:
            return "reach", plan.session_id, plan.caller, plan.callee, plan.number_out
        case Refusal() as refusal:
            return "refuse", refusal.reason, refusal.session_id, refusal.caller
        case Prompt() as prompt:
            asked = prompt.asked
            return "ask", asked.question, asked.session_id, asked.listing_number_id
        case OpenLink() as link:
            return "open", link.listing.id, link.extension


class Undone(Exception):
    """Nothing of it is to stay."""


def test_the_past_is_what_was_decided_in_it(database: Database, runner: asyncio.Runner) -> None:
    @settings(
        max_examples=15,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(pools, st.lists(steps, min_size=3, max_size=12), st.integers(0, 999))
    def lives(pool: Pool, story: list[tuple[str, int, int, timedelta]], seed: int) -> None:
        chance = Random(seed)

        def work(conn: Connection) -> None:
            life = Life(conn, a_vault())
            trunks.add(conn, life.vault, TRUNK, NOW)
            numbers.put_pool(conn, pool, NOW)
            numbers.add_numbers(conn, "default", TRUNK.name, NUMBERS, NOW)
            written: list[tuple[datetime, Any, tuple[object, ...]]] = []
            for what, a, b, later in story:
                life.do(what, a, b)
                life.now += later
                listings.sweep(conn, life.now)
                calls = life.some_of_all(chance)
                written += [(life.now, who, gist(life.look(*who))) for who in calls]
                life.now += MINUTE
            for at, who, decided in written:
                assert gist(life.look(*who, at=at)) == decided, (at, who, story)
            raise Undone

        with suppress(Undone):
            runner.run(database.write(work))

    lives()
