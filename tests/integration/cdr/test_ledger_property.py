"""Whatever honest things are done, the ledger is whole; any one dishonest thing is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, delete, func, insert, select, update

from cdr import corrections, ledger, ledger_rows, records
from cdr.corrections import Wish
from cdr.events import parse
from cdr.fold import fold
from cdr.ledger import ERASABLE, Group
from cdr.ledger_export import Published, verify_export
from cdr.model import CallRecord
from masking.model import Phone
from masking.outcome import Outcome
from maskline.records_verify import Report, verify_database
from storage.database import Database
from storage.schema import call_versions, calls, ledger_days, metadata
from storage.vault import Vault, VaultKeys
from tests.unit.cdr.calls import call
from tests.unit.cdr.scenario import NODE, START

T = TypeVar("T")
VAULT = Vault(VaultKeys.generate())
PHONE = VAULT.seal(Phone("+79990001122"))
CHAINED = (calls, call_versions, ledger_days)


def folded(n: int) -> CallRecord:
    found = fold(NODE, parse([row.rstrip() for _, row in call(n).rows], NODE).rows)
    assert isinstance(found, CallRecord)
    return replace(found, session_id=None)


RECORDS = [folded(n) for n in range(12)]
STRANGER = folded(99)


@dataclass
class Book:
    """A ledger under test: what a node's ingester, operators and an eraser do to it."""

    conn: Connection
    now: datetime = START
    kept: int = 0

    def batch(self, count: int) -> None:
        rows = []
        for record in RECORDS[self.kept : self.kept + count]:
            row = records.row_of(record, self.now, None)
            row |= {"caller_user_id": f"u-{self.kept % 2}", "callee_user_id": "u-9"}
            row |= {"conversation_id": "chat-1", "listing_id": "L-1", "listing_title": "Лада"}
            if self.kept % 3 == 0:
                row["caller_sealed"] = PHONE
                row["caller_index"] = VAULT.index(Phone("+79990001122"))
            rows.append(row)
            self.kept += 1
        sealed = ledger_rows.sealed(VAULT, rows)
        records.insert(
            self.conn, ledger_rows.place(self.conn, NODE, ledger.day_of(self.now), sealed)
        )

    def tomorrow(self) -> None:
        self.now += timedelta(days=1)

    def correct(self, n: int) -> None:
        if n >= self.kept:
            return
        found = records.get(self.conn, RECORDS[n].call_id)
        assert found is not None
        outcome = Outcome.MISSED if found.outcome is not Outcome.MISSED else Outcome.BUSY
        wish = Wish(found.version, "known better", outcome)
        corrections.correct(self.conn, VAULT, found.call_id, wish, "key_1", self.now)

    def erase(self, n: int, group: Group) -> None:
        for table in (calls, call_versions):
            which = table.c.call_id == RECORDS[n].call_id
            for row in self.conn.execute(select(table).where(which)).all():
                gone: dict[str, Any] = dict.fromkeys(ERASABLE[group])
                gone["ledger_openings"] = ledger.erased(row.ledger_openings, {group})
                mine = which & (table.c.ledger_seq == row.ledger_seq)
                self.conn.execute(update(table).where(mine).values(**gone))

    def report(self, published: tuple[Published, ...] = ()) -> Report:
        return asyncio.run(verify_database(cast("Database", self), VAULT, published=published))

    async def read(self, work: Callable[[Connection], T]) -> T:
        return work(self.conn)

    def heads(self) -> tuple[Published, ...]:
        return tuple(map(Published.of, ledger_rows.heads(self.conn)))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    metadata.create_all(made)
    yield made
    made.dispose()


@contextmanager
def book(engine: Engine) -> Iterator[Book]:
    """An empty one."""
    with engine.connect() as conn:
        transaction = conn.begin()
        yield Book(conn)
        transaction.rollback()


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just(Book.batch), st.integers(1, 4)),
        st.tuples(st.just(Book.correct), st.integers(0, 5)),
        st.tuples(st.just(Book.erase), st.integers(0, 5), st.sampled_from(Group)),
        st.tuples(st.just(Book.tomorrow)),
    ),
    max_size=8,
)


def cut_tail(book: Book, seq: int, name: str) -> None:
    book.conn.execute(delete(calls).where(calls.c.ledger_seq >= seq))


def take_out(book: Book, seq: int, name: str) -> None:
    for table in (calls, call_versions):
        book.conn.execute(delete(table).where(table.c.ledger_seq == seq))


def change(book: Book, seq: int, name: str) -> None:
    for table in (calls, call_versions):
        column = table.c.get(name)
        if column is not None:
            which = table.c.ledger_seq == seq
            book.conn.execute(update(table).where(which).values({name: "else"}))
    which = call_versions.c.ledger_seq == seq
    if name in ledger.CONTENT:
        forged = func.replace(call_versions.c.content, '"ring_ms"', '"ring_mz"')
        book.conn.execute(update(call_versions).where(which).values(content=forged))


def swap(book: Book, seq: int, name: str) -> None:
    """Two neighbours of a chain change places."""
    day = book.conn.scalar(select(func.min(ledger_days.c.day)))
    for old, new in ((seq, 1000), (seq + 1, seq), (1000, seq + 1)):
        for table in (calls, call_versions):
            which = (table.c.ledger_seq == old) & (table.c.ledger_day == day)
            book.conn.execute(update(table).where(which).values(ledger_seq=new))


def slip_in(book: Book, seq: int, name: str) -> None:
    row = dict(book.conn.execute(select(calls).limit(1)).mappings().one())
    row |= {"call_id": STRANGER.call_id, "linked_id": STRANGER.linked_id}
    place: dict[str, Any] = {"ledger_seq": 999} if seq % 2 else dict(ledger_rows.NO_PLACE)
    book.conn.execute(insert(calls).values(**(row | place)))


def give_back(book: Book, seq: int, name: str) -> None:
    """A salt of one's own, and somebody for it."""
    which = calls.c.ledger_seq == seq
    book.conn.execute(
        update(calls).where(which).values(ledger_openings=b"\1" * 48, callee_user_id="u-7")
    )


TEXTS = ("outcome", "direction", "trunk_in", "caller_user_id", "listing_title", "corrected_why")


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    DEEDS,
    st.sampled_from([cut_tail, take_out, change, swap, slip_in, give_back]),
    st.data(),
)
def test_honest_deeds_leave_it_whole_and_a_dishonest_one_shows(
    engine: Engine,
    deeds: list[tuple[Any, ...]],
    tamper: Callable[[Book, int, str], None],
    data: st.DataObject,
) -> None:
    with book(engine) as it:
        it.batch(3)
        published = it.heads()
        for deed, *how in deeds:
            deed(it, *how)
        assert it.report().whole, list(it.report().lines())
        assert it.report(published).whole
        today = ledger.day_of(START)
        mine = calls.c.ledger_day == today
        seqs = it.conn.scalars(select(calls.c.ledger_seq).where(mine)).all()
        which = ledger_days.c.day == today
        first = it.conn.scalar(select(ledger_days.c.calls).where(which)) or 0
        seq = data.draw(st.sampled_from(sorted(seqs)) if seqs else st.just(1))
        if tamper is swap:
            seq = data.draw(st.integers(1, first - 1))
        if tamper in (cut_tail, change, give_back, slip_in) and not seqs:
            return
        tamper(it, seq, data.draw(st.sampled_from(TEXTS)))
        assert not it.report().whole, tamper.__name__


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(DEEDS, st.data())
def test_an_export_says_by_itself_whether_it_is_whole(
    engine: Engine, deeds: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    with book(engine) as it:
        it.batch(3)
        for deed, *how in deeds:
            if deed is not Book.correct:  # older versions are not exported
                deed(it, *how)
        heads = it.heads()
        rows = it.conn.execute(select(calls)).mappings()
        lines = [ledger.exported(dict(row)) for row in rows]
        lines = data.draw(st.permutations(lines))
        assert all(one.whole for one in verify_export(lines, heads))

        n = data.draw(st.integers(0, len(lines) - 1))
        left_out = [*lines[:n], *lines[n + 1 :]]
        if any(line["day"] == lines[n]["day"] for line in left_out):  # else nothing tells of it
            assert not all(one.whole for one in verify_export(left_out, heads))
        link = ledger.link_of(
            str(lines[n]["content"]).encode(), bytes.fromhex(str(lines[n]["personal"]))
        )
        bare = {name: lines[n][name] for name in ("node", "day", "seq")} | {"link": link.hex()}
        assert all(one.whole for one in verify_export([*left_out, bare], heads))
        assert all(one.whole for one in verify_export(left_out, heads, part=True))

        forged = dict(lines[n])
        kind = data.draw(st.sampled_from(["content", "personal", "hash", "seq"]))
        if kind == "content":
            forged["content"] = str(forged["content"]).replace('"ring_ms":', '"ring_ms":1')
        elif kind == "seq":
            forged["seq"] = int(forged["seq"]) + 1
        else:
            raw = bytearray(bytes.fromhex(str(forged[kind])))
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1
            forged[kind] = raw.hex()
        assert not all(one.whole for one in verify_export([*left_out, forged], heads))
        assert not all(one.whole for one in verify_export([*lines, forged], heads))
