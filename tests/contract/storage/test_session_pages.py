"""Sessions listed: in pages, by what they belong to, by a phone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from masking.model import Listing, Phone, Role, Session, SessionState
from storage import Database, sessions
from storage.errors import BadCursor
from storage.pages import Page
from storage.vault import Vault
from tests.support.storage import (
    ANNA,
    BUYER,
    DAY,
    NOW,
    SELLER,
    a_draft,
    a_person,
    opened,
    stocked,
)


class TestPages:
    """Lists of sessions: the newest first, each once."""

    @staticmethod
    async def page(db: Database, vault: Vault, **filters: object) -> Page[Session]:
        return await db.read(lambda conn: sessions.page(conn, vault, now=NOW, **filters))  # type: ignore[arg-type]

    async def test_filters_narrow_the_list(self, db: Database, vault: Vault) -> None:
        await stocked(db, vault, size=9)
        one = await opened(db, vault, a_draft(conversation="a"))
        two = await opened(
            db, vault, a_draft(a_person(Role.BUYER, 5), conversation="b"), rotation=1
        )
        old = await opened(
            db,
            vault,
            a_draft(a_person(Role.BUYER, 6), conversation="b"),
            now=NOW - 2 * DAY,
            rotation=2,
        )
        await db.write(lambda conn: sessions.close(conn, one.id, NOW))

        async def ids(**filters: object) -> list[str]:
            return [session.id for session in (await self.page(db, vault, **filters)).items]

        assert await ids() == [two.id, one.id, old.id]
        assert await ids(conversation_id="b") == [two.id, old.id]
        assert await ids(user_id="buyer-5") == [two.id]
        assert await ids(user_id="u-2", state=SessionState.OPEN) == [two.id]
        assert await ids(state=SessionState.CLOSED) == [one.id]
        assert await ids(state=SessionState.EXPIRED) == [old.id]
        assert await ids(conversation_id="none") == []

    async def test_pages_neither_skip_nor_repeat_while_sessions_are_opened_and_closed(
        self, db: Database, vault: Vault
    ) -> None:
        await stocked(db, vault, size=40)
        there = [
            await opened(db, vault, a_draft(), now=NOW + timedelta(seconds=n), rotation=n)
            for n in range(11)
        ]
        seen: list[str] = []
        cursor: str | None = None
        while True:
            found = await self.page(db, vault, limit=3, cursor=cursor)
            assert len(found.items) <= 3
            seen += [session.id for session in found.items]
            later = NOW + timedelta(seconds=100 + len(seen))
            await opened(db, vault, a_draft(), now=later, rotation=20 + len(seen))
            await db.write(lambda conn: sessions.close(conn, there[0].id, NOW))
            if found.next_cursor is None:
                break
            cursor = found.next_cursor

        assert seen == [session.id for session in reversed(there)]

    @pytest.mark.parametrize(
        "cursor", ["", "x", "WyJzZXNzaW9ucyJd", "W10", "é", "A" * 5000, "bnVsbA", "eyJhIjoxfQ"]
    )
    async def test_a_cursor_that_was_not_given_out_is_refused(
        self, db: Database, vault: Vault, cursor: str
    ) -> None:
        with pytest.raises(BadCursor):
            await self.page(db, vault, cursor=cursor)


async def test_sessions_are_found_by_their_listing(db: Database, vault: Vault) -> None:
    await stocked(db, vault, 2)
    about = await opened(db, vault, replace(a_draft(), listing=Listing("L-7", "A car")))
    await opened(db, vault, replace(a_draft(), listing=Listing("L-8")))

    found = await db.read(lambda conn: sessions.page(conn, None, listing_id="L-7", now=NOW))

    assert [one.id for one in found.items] == [about.id]
    assert all(one.phone is None for one in found.items[0].participants)


async def test_sessions_are_found_by_a_phone_of_either_side_also_when_they_are_over(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, 3)
    first = await opened(db, vault)
    await db.write(lambda conn: sessions.close(conn, first.id, NOW))
    await db.write(lambda conn: sessions.sweep(conn, NOW + 365 * DAY))
    second = await opened(db, vault, a_draft(BUYER, a_person(Role.SELLER, 2)))
    await opened(db, vault, a_draft(a_person(Role.BUYER, 3), SELLER))

    both = await db.read(lambda conn: sessions.of_phone(conn, vault, ANNA, limit=2))
    newest = await db.read(lambda conn: sessions.of_phone(conn, vault, ANNA, limit=1))
    nobody = await db.read(
        lambda conn: sessions.of_phone(conn, vault, Phone("+79990000000"), limit=2)
    )

    assert ([one.id for one in both[0]], both[1]) == ([second.id, first.id], False)
    assert ([one.id for one in newest[0]], newest[1]) == ([second.id], True)
    assert nobody == ((), False)
