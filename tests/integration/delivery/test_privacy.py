"""Phones that were planted in every call are in nothing that is owed, sent, kept or logged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from cdr.ingest import Ingester
from masking.model import Phone, Pool
from storage import numbers
from storage.deliveries import State
from storage.schema import deliveries, outbox, webhooks
from tests.integration.cdr.world import add_session
from tests.integration.delivery.conftest import Post
from tests.support.planted import phone_spellings
from tests.support.receiver import Receiver, answers
from tests.support.storage import NOW
from tests.unit.cdr.calls import call
from tests.unit.cdr.scenario import NODE

PHONES = (Phone("+79161234567"), Phone("+79267654321"))


async def test_calls_are_told_of_without_any_phone(
    post: Post, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def begin(conn: Connection) -> None:
        numbers.put_pool(conn, Pool("default"), NOW)
        add_session(conn, post.vault, "ses_1", "chat-1", PHONES)

    await post.db.write(begin)
    lines = [row for n in range(3) for _, row in call(n).rows]
    (tmp_path / "events.jsonl").write_bytes(b"".join(lines))
    async with Receiver() as well, Receiver(answers(500)) as ill:
        taken, refused = await post.webhook(well), await post.webhook(ill)
        await Ingester(post.db, post.vault, tmp_path, NODE, lambda: post.now).drain()
        async with post.delivering():
            await post.until_log(taken, *[State.DELIVERED] * 4)
            await post.until_log(refused, *[State.PENDING] * 4)
    assert sorted(one["type"] for one in well.events) == ["call.ended"] * 3 + ["call.missed"]

    def kept(conn: Connection) -> bytes:
        tables = (outbox, deliveries, webhooks)
        return repr([conn.execute(select(table)).all() for table in tables]).encode()

    said = [one.body for one in well.got + ill.got]
    said += [repr(dict(one.headers)).encode() for one in well.got + ill.got]
    said += [caplog.text.encode(), await post.db.read(kept)]
    assert [
        spelt for text in said for phone in PHONES for spelt in phone_spellings(phone, text)
    ] == []
