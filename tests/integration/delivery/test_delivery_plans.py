"""What is done for deliveries again and again costs no more for all that was delivered before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Connection, insert, select, update

from api.outbound.deliverer import Deliverer
from storage import Database, deliveries, dispatch, sending
from storage.deliveries import Ended, State, Try
from storage.schema import deliveries as delivery_rows
from storage.schema import outbox
from storage.sending import Taken, Tried
from tests.integration.delivery.conftest import START, Post
from tests.support.planned import Planned, cost

DAY = timedelta(days=1)
KEPT, KEPT_DEAD = 7 * DAY, 30 * DAY
_FEW = ("webhooks",)  # as many as the platform has set up
_WAITING = ("ix_outbox_stream_due", "ix_deliveries_since")  # holds what waits, and nothing else


def fill(
    conn: Connection, webhook: str, ended: Iterable[tuple[State, datetime]], first: int = 1
) -> None:
    """A notice each, and what became of its delivery."""
    notices, made = [], []
    for n, (state, at) in enumerate(ended, first):
        notices.append(
            {
                "id": n,
                "key": f"old {n}",
                "kind": "call.ended",
                "at": at,
                "data": "{}",
                "sequence": 10_000 + n,
                "stream_due": False,
            }
        )
        made.append(
            {
                "id": n,
                "webhook_id": webhook,
                "notice_id": n,
                "sequence": 10_000 + n,
                "conversation_id": f"chat-{n}",
                "created_at": at,
                "since": at,
                "due_at": at,
                "claim": 1,
                "tries": 1,
                "log": [],
                "finished_at": None if state is State.PENDING else at,
                "state": state.value,
            }
        )
    conn.execute(insert(outbox), notices)
    conn.execute(insert(delivery_rows), made)


def _tried(taken: Taken, state: State) -> Tried:
    return Tried(taken, Try(START, 200, None, 5), state, START + DAY)


async def test_handing_out_sending_and_tidying_scan_nothing(lite: Post) -> None:
    webhook = await lite.webhook("http://127.0.0.1:9/")
    old = [(State.DELIVERED, START - n * DAY) for n in range(20)]
    await lite.db.write(lambda conn: fill(conn, webhook, old))
    await lite.owe(*(lite.notice(n, f"chat-{n % 3}") for n in range(9)))
    planned = Planned(lite.db)

    await planned.look_up(dispatch.waits)
    await planned.write(lambda conn: dispatch.dispatch(conn, stream=True, now=lite.now))
    assert len(await planned.read(dispatch.to_stream)) == 9
    await planned.write(lambda conn: dispatch.streamed(conn, 99))
    taken = await planned.write(
        lambda conn: sending.take(conn, webhook, now=lite.now, until=lite.now + DAY, at_most=9)
    )
    states = (State.DELIVERED, State.PENDING, State.DEAD)
    tried = [_tried(one, state) for one, state in zip(taken, states, strict=True)]
    await planned.write(lambda conn: sending.settle(conn, webhook, tried[:2], lite.now))
    await planned.write(lambda conn: sending.let_go(conn, taken[2:], lite.now))
    await planned.look_up(lambda conn: sending.waits(conn, webhook, lite.now))
    await planned.read(lambda conn: sending.next_due(conn, webhook))
    await planned.read(lambda conn: sending.put_off_until(conn, webhook, ["chat-1", "chat-2"]))
    await planned.write(
        lambda conn: sending.hurry(conn, webhook, now=lite.now, taken_until=lite.now)
    )
    await planned.read(lambda conn: deliveries.counts(conn, lite.now))
    await planned.read(lambda conn: deliveries.dead(conn, webhook))
    for state in (None, State.DEAD):
        await planned.read(
            lambda conn, state=state: deliveries.page(conn, webhook, state=state)  # type: ignore[misc]
        )
    lite.advance(days=5)
    await Deliverer(replace(lite.house(), db=cast("Database", planned))).tidy()

    assert planned.scans(*_FEW, *_WAITING) == set()
    assert planned.sorts() == set()
    for index in ("ix_deliveries_due", "ix_deliveries_turn", "ix_deliveries_finished_at"):
        assert any(index in step for step in planned.steps)


async def test_what_waits_and_what_was_given_up_is_counted_over_all_webhooks(post: Post) -> None:
    assert await post.db.read(lambda conn: deliveries.counts(conn, START)) == (0, 0, 0.0)
    one, another = [await post.webhook(f"http://127.0.0.1:{port}/") for port in (8, 9)]
    minute = timedelta(minutes=1)
    some = [(State.PENDING, START - minute), (State.DEAD, START), (State.DELIVERED, START)]
    await post.db.write(lambda conn: fill(conn, one, some))
    more = [(State.PENDING, START), (State.DEAD, START - DAY), (State.PENDING, START)]
    await post.db.write(lambda conn: fill(conn, another, more, first=9))

    assert await post.db.read(lambda conn: deliveries.counts(conn, START)) == (3, 2, 60.0)


async def test_what_was_delivered_before_costs_a_probe_nothing(lite: Post) -> None:
    webhook = await lite.webhook("http://127.0.0.1:9/")
    some = [(State.PENDING, START), (State.DEAD, START), (State.DEAD, START)]
    await lite.db.write(lambda conn: fill(conn, webhook, some))

    def count(conn: Connection) -> tuple[object, int]:
        found = deliveries.counts(conn, START + DAY)
        return found, cost(conn, lambda conn: deliveries.counts(conn, START + DAY))

    found, few = await lite.db.read(count)
    assert found == (1, 2, 86_400.0)
    many = [(State.DELIVERED, START) for _ in range(3000)]
    await lite.db.write(lambda conn: fill(conn, webhook, many, first=10))

    assert await lite.db.read(count) == (found, few)


def forgetting(
    after: Ended | None, at_most: int = 500
) -> Callable[[Connection], deliveries.Forgotten]:
    return lambda conn: deliveries.forget(
        conn, delivered=START - KEPT, dead=START - KEPT_DEAD, after=after, at_most=at_most
    )


async def forgotten(post: Post, at_most: int) -> tuple[int, Ended | None]:
    """Forget all that may be, in pieces; in how many, and how far that is."""
    after: Ended | None = None
    for pieces in range(1, 1000):
        done = await post.db.write(forgetting(after, at_most))
        after = done.after
        if not done.more:
            return pieces, after
    raise AssertionError("it never ends")


async def test_deliveries_forgotten_in_pieces_are_those_whose_time_is_over(post: Post) -> None:
    webhook = await post.webhook("http://127.0.0.1:9/")
    states = (State.DELIVERED, State.DEAD, State.PENDING, State.DEAD)
    rows = [(states[n % 4], START - (n % 40) * DAY - (n // 80) * DAY / 7) for n in range(160)]
    await post.db.write(lambda conn: fill(conn, webhook, rows))
    kept = [
        n
        for n, (state, at) in enumerate(rows, 1)
        if state is State.PENDING or at >= START - (KEPT if state is State.DELIVERED else KEPT_DEAD)
    ]

    pieces, _ = await forgotten(post, 3)

    left = await post.db.read(
        lambda conn: list(conn.scalars(select(delivery_rows.c.id).order_by(delivery_rows.c.id)))
    )
    assert left == kept
    assert pieces > 10


async def test_what_was_given_up_is_passed_over_once(lite: Post) -> None:
    webhook = await lite.webhook("http://127.0.0.1:9/")
    rows = [(State.DEAD, START - 9 * DAY + timedelta(seconds=n)) for n in range(3000)]
    await lite.db.write(lambda conn: fill(conn, webhook, rows))
    _, after = await forgotten(lite, 500)

    again = await lite.db.write(lambda conn: cost(conn, forgetting(after)))
    anew = await lite.db.write(lambda conn: cost(conn, forgetting(None)))

    assert again * 20 < anew


async def test_notices_forgotten_in_pieces_are_those_nobody_needs(post: Post) -> None:
    webhook = await post.webhook("http://127.0.0.1:9/")
    rows = [(State.DELIVERED, START - (n % 9) * DAY) for n in range(90)]
    await post.db.write(lambda conn: fill(conn, webhook, rows))

    def vary(conn: Connection) -> None:
        deliveries_of = delivery_rows.c.notice_id
        conn.execute(delivery_rows.delete().where(deliveries_of % 3 != 0))
        conn.execute(update(outbox).where(outbox.c.id % 10 == 1).values(sequence=None))
        conn.execute(update(outbox).where(outbox.c.id % 10 == 2).values(stream_due=True))

    await post.db.write(vary)
    before = START - 4 * DAY
    kept = [
        n for n, (_, at) in enumerate(rows, 1) if at >= before or n % 3 == 0 or n % 10 in (1, 2)
    ]
    after, pieces = 0, 0
    while pieces == 0 or after:
        done = await post.db.write(
            lambda conn, after=after: dispatch.forget(conn, before, after=after, at_most=9)  # type: ignore[misc]
        )
        after, pieces = done.after, pieces + 1

    left = await post.db.read(
        lambda conn: list(conn.scalars(select(outbox.c.id).order_by(outbox.c.id)))
    )
    assert left == kept
    assert pieces > 5


async def test_a_look_for_notices_to_forget_reads_a_piece_of_them(lite: Post) -> None:
    webhook = await lite.webhook("http://127.0.0.1:9/")

    def look(conn: Connection) -> int:
        return cost(conn, lambda conn: dispatch.forget(conn, START - 4 * DAY, at_most=100))

    needed = [(State.DEAD, START - 9 * DAY) for _ in range(1000)]
    await lite.db.write(lambda conn: fill(conn, webhook, needed))
    few = await lite.db.write(look)
    young = [(State.DELIVERED, START) for _ in range(2000)]
    await lite.db.write(lambda conn: fill(conn, webhook, young, first=2000))

    assert await lite.db.write(look) == few
