"""Opening sessions whose number alone does not tell them: extensions and PINs."""

from __future__ import annotations

from itertools import cycle

import pytest

from masking.model import Role
from masking.rules import Exhausted, NumberRules, PinRules, PoolRules, Stranger, StrangerRules
from storage import Database, sessions
from tests.contract.storage.opening import closed, got, number_of, opened, seller_meets, with_rules
from tests.support.storage import DAY, NOW, a_draft, a_person


class TestExtensions:
    """A number is shared out by digits typed after it."""

    RULES = NumberRules(exhausted=Exhausted.EXTENSION, extension_length=3)

    async def test_a_participant_holds_more_than_the_pool_has_and_each_place_once(
        self, db: Database
    ) -> None:
        await with_rules(db, self.RULES, 2)

        there = [await opened(db, seller_meets(n)) for n in range(12)]

        places = [(number_of(one), one.leases[1].extension) for one in there]
        assert len(set(places)) == 12
        assert sorted(extension == "" for _, extension in places) == [False] * 10 + [True] * 2
        assert {len(extension) for _, extension in places} == {0, 3}
        assert {one.leases[0].extension for one in there} == {""}, "buyers need none"
        assert [await got(db, one) for one in there] == there

    async def test_ended_places_are_used_again(self, db: Database) -> None:
        await with_rules(db, self.RULES, 1)
        plain, digits = [await opened(db, seller_meets(n)) for n in range(2)]
        await closed(db, plain)
        later = NOW + 8 * DAY

        again = await opened(db, seller_meets(3), now=later)

        assert (again.leases[1].extension, digits.leases[1].extension[:1]) != ("", "")
        assert again.leases[1].extension == ""


class TestPins:
    """Whoever calls from another phone says who they are."""

    @staticmethod
    def rules(
        length: int = 6,
        *,
        unknown: Stranger = Stranger.ANNOUNCE,
        withheld: Stranger = Stranger.ANNOUNCE,
    ) -> PoolRules:
        pin = PinRules(length=length)
        return PoolRules(strangers=StrangerRules(unknown=unknown, withheld=withheld, pin=pin))

    @pytest.mark.parametrize("of", ["unknown", "withheld"])
    async def test_each_lease_has_one_where_the_pool_asks_for_it(
        self, db: Database, of: str
    ) -> None:
        asked, not_asked = Stranger.PIN, Stranger.ANNOUNCE
        unknown, withheld = (asked, not_asked) if of == "unknown" else (not_asked, asked)
        await with_rules(db, self.rules(unknown=unknown, withheld=withheld))

        session = await opened(db)

        pins = [lease.pin for lease in session.leases]
        assert all(pin is not None and len(pin) == 6 and pin.isdigit() for pin in pins)
        assert pins[0] != pins[1]
        assert await got(db, session) == session
        assert all(str(pin) not in repr(session) for pin in pins)

    async def test_elsewhere_there_is_none(self, db: Database) -> None:
        await with_rules(db, self.rules(unknown=Stranger.STATIC))

        assert [lease.pin for lease in (await opened(db)).leases] == [None, None]

    async def test_no_two_on_a_number_are_alike(
        self, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await with_rules(db, self.rules(4, unknown=Stranger.PIN), 1)
        drawn = (n // 3 for n in range(10_000))  # each three times over
        monkeypatch.setattr(
            "masking.digits.Digits.draw", lambda _self, length: f"{next(drawn):0{length}}"
        )

        there = [
            await opened(db, a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n)))
            for n in range(20)
        ]

        pins = [lease.pin for session in there for lease in session.leases]
        assert len(set(pins)) == 40

    async def test_the_two_of_one_session_on_a_number_are_not_alike(
        self, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await with_rules(db, self.rules(6, unknown=Stranger.PIN), 1)
        drawn = cycle(range(12))
        monkeypatch.setattr(
            "masking.digits.Digits.draw", lambda _self, length: f"{next(drawn):0{length}}"
        )

        session = await opened(db)

        assert [lease.pin for lease in session.leases] == ["000000", "000001"]

    async def test_they_grow_as_leases_on_a_number_make_guessing_cheap(self, db: Database) -> None:
        await with_rules(db, self.rules(4, unknown=Stranger.PIN), 1)
        there = [
            await opened(db, a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n)))
            for n in range(6)
        ]

        pins = [lease.pin or "" for session in there for lease in session.leases]
        assert [len(pin) for pin in pins] == [4, *[5] * 9, 6, 6]

    async def test_those_of_closed_sessions_that_cool_no_more_do_not_count(
        self, db: Database
    ) -> None:
        await with_rules(db, self.rules(4, unknown=Stranger.PIN), 1)
        before = await opened(db)
        await closed(db, before)
        await db.write(lambda conn: sessions.sweep(conn, NOW + 30 * DAY))

        again = await opened(db, now=NOW + 30 * DAY)

        assert [len(lease.pin or "") for lease in again.leases] == [4, 5]
