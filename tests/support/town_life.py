"""A random life of a whole town on a database, but for its calls (`tests.support.town_machine`).

Sessions are opened, extended, closed, recycled and expire; phones are declared for one call;
listings show numbers and rotate. Time moves only when the machine moves it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import Connection

from masking.digits import SECRET_BYTES
from masking.errors import CallerNumberTaken, MaskingError, PoolExhausted, SamePhone
from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.listing import ListingDraft, ListingNumber
from masking.model import Lease, Listing, Participant, Phone, Pool, Role, Session
from masking.rules import (
    Exhausted,
    ListingRules,
    NumberRules,
    PinRules,
    PoolRules,
    Sticky,
    Stranger,
    StrangerRules,
)
from maskline.routes import StoredRoutes, TrunkBook
from storage import enrolments, listings, numbers, open_database, sessions, trunks
from storage.listings import Change
from tests.support.databases import empty
from tests.support.storage import TRUNK, a_vault
from tests.support.town import Shop, Town, Way

T = TypeVar("T")

NUMBERS = tuple(Phone(f"+7495111000{n}") for n in range(1, 4))
PEOPLE = tuple(Phone(f"+7916000000{n}") for n in range(1, 4))
OTHERS = tuple(Phone(f"+7999000000{n}") for n in range(1, 3))  # no account: wives, desk phones
ALL = (*PEOPLE, *OTHERS)
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
SPANS = (timedelta(seconds=61), timedelta(hours=1), timedelta(days=1))
IDLE = timedelta(hours=1)
REST = timedelta(days=2)
LINK = timedelta(days=3)
_people = st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=2, unique=True)


class TownLife(RuleBasedStateMachine):
    """What happens beside calls; `url` is that of a migrated database."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.runner = asyncio.Runner()
        self.db = open_database(self.url)
        self.vault = a_vault()
        self.rng = random.Random(0)
        self.routes = StoredRoutes(
            self.db, self.vault, TrunkBook(self.vault), lambda: self.now, entropy=self.entropy
        )
        self.serial = 0
        self.pool = Pool("default")
        self.town = Town(timedelta(0), REST)

    def entropy(self, count: int) -> bytes:
        return self.rng.randbytes(count)

    def write(self, work: Callable[[Connection], T]) -> T:
        return self.runner.run(self.db.write(work))

    @initialize(
        cool_down=st.sampled_from((timedelta(0), timedelta(hours=2))),
        size=st.integers(1, len(NUMBERS)),
        sticky=st.sampled_from(Sticky),
        exhausted=st.sampled_from(Exhausted),
        unknown=st.sampled_from((Stranger.ANNOUNCE, Stranger.PIN)),
        shared=st.booleans(),
        seed=st.integers(0, 2**32),
    )
    def begin(
        self,
        cool_down: timedelta,
        size: int,
        sticky: Sticky,
        exhausted: Exhausted,
        unknown: Stranger,
        shared: bool,
        seed: int,
    ) -> None:
        self.rng = random.Random(seed)
        self.size = size
        rules = PoolRules(
            numbers=NumberRules(
                sticky=sticky, exhausted=exhausted, recycle_after=IDLE, extension_length=2
            ),
            strangers=StrangerRules(
                unknown=unknown, withheld=unknown, pin=PinRules(length=4, lock_out=IDLE)
            ),
            listings=ListingRules(shared=shared, extension_length=3, rest=REST, link=LINK),
        )
        self.pool = Pool("default", cool_down=cool_down, max_call_s=1800, rules=rules)
        self.town = Town(cool_down, REST)

        def work(conn: Connection) -> None:
            empty(conn)
            trunks.add(conn, self.vault, TRUNK, START)
            numbers.put_pool(conn, self.pool, START)
            numbers.add_numbers(conn, "default", TRUNK.name, NUMBERS[:size], START)

        self.write(work)

    # -- sessions ---------------------------------------------------------------------------------

    @rule(people=_people, ttl=st.sampled_from(SPANS[1:]))
    def open(self, people: list[Phone], ttl: timedelta) -> None:
        two = tuple(
            Participant(role, f"u-{phone[-1]}", phone)
            for role, phone in zip((Role.BUYER, Role.SELLER), people, strict=True)
        )
        draft = SessionDraft("chat-1", two, "default", ttl)
        self.serial += 1
        new_id = session_id(self.now, self.serial.to_bytes(10, "big"))
        rotation, secret, now = self.serial, self.entropy(SECRET_BYTES), self.now
        full = [p for p in people if len(self.town.held(p, now)) == self.size]

        def work(conn: Connection) -> Session | MaskingError:
            try:
                return sessions.open_session(
                    conn,
                    self.vault,
                    draft,
                    now=now,
                    session_id=new_id,
                    rotation=rotation,
                    secret=secret,
                )
            except MaskingError as error:
                return error

        opened = self.write(work)
        if isinstance(opened, MaskingError):
            rules = self.pool.rules.numbers
            assert full or rules.sticky is Sticky.STRICT, opened.error_id
            if isinstance(opened, PoolExhausted):
                assert full
                assert rules.exhausted is not Exhausted.EXTENSION
            return
        for phone in full:
            lease = _lease_of(opened, phone)
            assert lease is not None
            by_digits = self.pool.rules.numbers.exhausted is not Exhausted.RECYCLE_IDLE
            assert lease.extension or not by_digits, "shared, and digits tell nobody apart"
        self._learn_of_recycled(full)
        self._learn(opened)
        assert self._get(new_id) == opened, "not what was stored"

    def _learn_of_recycled(self, full: list[Phone]) -> None:
        """Whoever held all numbers may have got the place of their idlest session."""
        town = self.town
        for phone in full:
            theirs = {way.session for way in town.ways if way.phone == phone and way.sure}
            live = [one for one in theirs if town.live(one, self.now)]
            gone = [one for one in live if self._get(one).closed_why == "recycled"]
            for one in gone:
                idle = [town.spans[other].idle_since for other in live]
                assert town.spans[one].idle_since == min(idle), "not the idlest"
                assert self.now - town.spans[one].idle_since >= IDLE
                town.recycled(one, phone, self.now)

    def _learn(self, session: Session, shop: str | None = None) -> None:
        ways = []
        for me, you in (session.participants, session.participants[::-1]):
            lease, theirs = session.lease(me.role), session.lease(you.role)
            assert lease is not None
            assert theirs is not None
            assert me.phone is not None
            assert you.phone is not None
            ways.append(
                Way(
                    session.id,
                    me.phone,
                    (lease.number.e164, lease.extension),
                    you.phone,
                    theirs.number.e164,
                    pin=lease.pin,
                )
            )
        if shop is not None:
            self.town.of_shop[session.id] = shop
        self.town.opened(session.id, ways, session.expires_at, self.now)

    @precondition(lambda self: self.town.spans)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.town.spans)))
        self.write(lambda conn: sessions.close(conn, wanted, self.now))
        if self.town.live(wanted, self.now):
            self.town.ended(wanted, self.now)

    @precondition(lambda self: self.town.spans)
    @rule(data=st.data(), span=st.sampled_from(SPANS))
    def extend(self, data: st.DataObject, span: timedelta) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.town.spans)))
        until = self.now + span
        if self.town.live(wanted, self.now):
            self.write(lambda conn: sessions.extend(conn, wanted, until, self.now))
            self.town.ended(wanted, until)
        else:
            with pytest.raises(MaskingError):
                self.write(lambda conn: sessions.extend(conn, wanted, until, self.now))

    @precondition(lambda self: self.town.spans)
    @rule(data=st.data(), answered=st.booleans())
    def end_a_call(self, data: st.DataObject, answered: bool) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.town.spans)))
        if not self.town.live(wanted, self.now):
            return
        self.write(lambda conn: sessions.call_ended(conn, wanted, self.now, answered))
        self.town.called(wanted, self.now)
        until = self._get(wanted).expires_at
        if answered and wanted in self.town.of_shop:
            assert until == max(self.town.spans[wanted].live_until, self.now + LINK)
        assert until >= self.town.spans[wanted].live_until
        self.town.ended(wanted, until)

    @rule(span=st.sampled_from((timedelta(milliseconds=1), timedelta(seconds=59), *SPANS)))
    def wait(self, span: timedelta) -> None:
        self.now += span

    @rule()
    def sweep(self) -> None:
        self.write(lambda conn: (sessions.sweep(conn, self.now), listings.sweep(conn, self.now)))

    # -- other phones -----------------------------------------------------------------------------

    @precondition(lambda self: self.town.spans)
    @rule(data=st.data(), phone=st.sampled_from(ALL))
    def declare(self, data: st.DataObject, phone: Phone) -> None:
        """A participant says from which phone they will call, once."""
        wanted = data.draw(st.sampled_from(sorted(self.town.spans)))
        own = next(way for way in self.town.ways if way.session == wanted and way.sure)
        user = next(one.user_id for one in self._get(wanted).participants if one.phone == own.phone)
        ttl, now = timedelta(minutes=10), self.now
        taken = phone in {own.phone, own.other} or not self.town.live(wanted, now)
        try:
            self.write(
                lambda conn: enrolments.declare(
                    conn, self.vault, wanted, user, phone, ttl=ttl, now=now
                )
            )
        except (SamePhone, CallerNumberTaken, MaskingError):
            place = (own.place[0], "")
            here = [one for one in self.town.ways if one.phone == phone and one.place == place]
            many = [one for one in self.town.ways if one.session == wanted and one.until]
            assert taken or many or any(self.town.binds(one, now) for one in here)
            return
        assert not taken
        until = min(now + ttl, self.town.spans[wanted].live_until)
        place = (own.place[0], "")
        self.town.ways.append(
            Way(wanted, phone, place, own.other, own.shown, sure=False, until=until)
        )

    # -- listings ---------------------------------------------------------------------------------

    @rule(seller=st.sampled_from(PEOPLE), ttl=st.sampled_from(SPANS[1:]))
    def list_something(self, seller: Phone, ttl: timedelta) -> None:
        self.serial += 1
        new_id = f"lis_{self.serial:06}"
        draft = ListingDraft(
            Listing(f"L-{self.serial}"),
            Participant(Role.SELLER, f"u-{seller[-1]}", seller),
            "default",
            ttl,
        )
        try:
            made = self.write(
                lambda conn: listings.create(
                    conn, self.vault, draft, new_id=new_id, now=self.now, entropy=self.entropy
                )
            )
        except MaskingError:
            return  # every number is shown
        self.town.shops[new_id] = Shop(seller, self.now + ttl)
        self._learn_place(made)

    @precondition(lambda self: self.town.shops)
    @rule(data=st.data())
    def rotate(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.town.shops)))
        change = Change(rotate=True)
        try:
            self.write(
                lambda conn: listings.change(
                    conn, self.vault, wanted, change, now=self.now, entropy=self.entropy
                )
            )
        except MaskingError:
            return  # over, or nothing else to show
        made = self.write(lambda conn: listings.get(conn, self.vault, wanted))
        assert made is not None
        self._learn_place(made)

    @precondition(lambda self: self.town.shops)
    @rule(data=st.data())
    def take_down(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.town.shops)))
        self.write(lambda conn: listings.close(conn, wanted, self.now))
        shop = self.town.shops[wanted]
        shop.live_until = min(shop.live_until, self.now)

    def _learn_place(self, made: ListingNumber) -> None:
        assert made.shown is not None
        self.town.shows(made.id, (made.shown.number.e164, made.shown.extension), self.now)

    def teardown(self) -> None:
        self.runner.run(self.db.close())
        self.runner.close()

    def _get(self, wanted: str) -> Session:
        found = self.runner.run(self.db.read(lambda conn: sessions.get(conn, self.vault, wanted)))
        assert found is not None
        return found


def _lease_of(session: Session, phone: Phone) -> Lease | None:
    role = next(one.role for one in session.participants if one.phone == phone)
    return session.lease(role)
