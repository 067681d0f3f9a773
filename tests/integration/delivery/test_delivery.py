"""Notices reach those they are for: signed, in order, again until they are taken."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from api.outbound import new_secret, retry
from masking.notice import Notice, NoticeKind
from storage import deliveries, dispatch, outbox, webhooks
from storage.deliveries import State
from tests.integration.delivery.conftest import SECRET, Post
from tests.support.receiver import Received, Receiver, answers, takes_all, until


async def test_a_notice_arrives_signed_and_complete(post: Post, receiver: Receiver) -> None:
    webhook = await post.webhook(receiver)
    await post.owe(post.notice(7))

    async with post.delivering():
        await post.until_log(webhook, State.DELIVERED)

    (got,) = receiver.got
    assert got.signed_by(SECRET)
    assert got.headers["webhook-timestamp"] == str(int(post.now.timestamp()))
    assert got.event == {
        "type": "call.ended",
        "timestamp": "2026-11-22T10:00:00.000Z",
        "id": got.id,
        "sequence": 1,
        "conversation_id": "chat-1",
        "data": {"n": 7},
    }
    (kept,) = await post.log(webhook)
    assert [one.status for one in kept.log] == [204]


async def test_owing_the_same_again_changes_nothing(post: Post, receiver: Receiver) -> None:
    webhook = await post.webhook(receiver)
    await post.owe(post.notice(1), post.notice(1))
    async with post.delivering():
        await post.until_log(webhook, State.DELIVERED)
        await post.owe(post.notice(1), post.notice(2))
        await post.until_log(webhook, State.DELIVERED, State.DELIVERED)

    assert [one["data"]["n"] for one in receiver.events] == [1, 2]


async def test_what_was_rolled_back_is_not_owed(post: Post, receiver: Receiver) -> None:
    await post.webhook(receiver)

    def fails(conn: object) -> None:
        outbox.owe(conn, post.notice(1))  # type: ignore[arg-type]
        raise KeyError("the call could not be recorded")

    with pytest.raises(KeyError):
        await post.db.write(fails)
    assert not await post.db.read(dispatch.waits)


async def test_each_webhook_gets_the_kinds_it_asked_for(post: Post) -> None:
    async with Receiver() as some, Receiver() as every:
        missed = await post.webhook(some, ("call.missed",))
        both = await post.webhook(every)
        await post.owe(post.notice(1), post.notice(1, kind=NoticeKind.CALL_MISSED))
        async with post.delivering():
            await post.until_log(missed, State.DELIVERED)
            await post.until_log(both, State.DELIVERED, State.DELIVERED)

    assert [one["type"] for one in some.events] == ["call.missed"]
    assert [one["type"] for one in every.events] == ["call.ended", "call.missed"]


async def test_a_conversation_keeps_its_order_whatever_fails(post: Post) -> None:
    refused: set[int] = set()

    async def takes_each_the_second_time(received: Received) -> web.StreamResponse:
        n = received.event["data"]["n"]
        if n % 3 == 0 and n not in refused:
            refused.add(n)
            return web.Response(status=500)
        return web.Response(status=204)

    async with Receiver(takes_each_the_second_time) as receiver:
        webhook = await post.webhook(receiver)
        await post.owe(*(post.notice(n, f"chat-{n % 4}") for n in range(40)))
        async with post.delivering():
            for _ in range(60):
                log = await post.log(webhook)
                if log and all(one.state is State.DELIVERED for one in log):
                    break
                post.advance(seconds=10)
                await asyncio.sleep(0.05)
        await post.until_log(webhook, *[State.DELIVERED] * 40)

    taken: dict[str, list[int]] = {}
    for one in receiver.events:
        order = taken.setdefault(one["conversation_id"], [])
        if one["data"]["n"] not in order:
            order.append(one["data"]["n"])
    assert sorted(taken) == ["chat-0", "chat-1", "chat-2", "chat-3"]
    for order in taken.values():
        assert order == sorted(order)
    # Nothing of a conversation came while an earlier one of it was still to be taken.
    ns = [one["data"]["n"] for one in receiver.events]
    for n in refused:
        first, second = (at for at, each in enumerate(ns) if each == n)
        between = [each for each in ns[first + 1 : second] if each % 4 == n % 4]
        assert between == []


async def test_two_of_one_conversation_are_never_under_way_at_once(post: Post) -> None:
    under_way: list[str] = []

    async def slow(received: Received) -> web.StreamResponse:
        conversation = received.event["conversation_id"]
        assert conversation not in under_way
        under_way.append(conversation)
        await asyncio.sleep(0.02)
        under_way.remove(conversation)
        return web.Response(status=204)

    async with Receiver(slow) as receiver:
        webhook = await post.webhook(receiver)
        await post.owe(*(post.notice(n, f"chat-{n % 5}") for n in range(30)))
        async with post.delivering(), post.delivering():
            await post.until_log(webhook, *[State.DELIVERED] * 30)

    assert len({one.id for one in receiver.got}) == len(receiver.got) == 30


async def test_a_slow_receiver_delays_nobody_else(post: Post) -> None:
    released = asyncio.Event()

    async def hangs(received: Received) -> web.StreamResponse:
        await released.wait()
        return web.Response(status=204)

    async with Receiver(hangs) as slow, Receiver() as quick:
        await post.webhook(slow)
        webhook = await post.webhook(quick)
        notices = [post.notice(n, f"chat-{n}") for n in range(60)]
        await post.owe(*notices)
        async with post.delivering():
            await post.until_log(webhook, *[State.DELIVERED] * 60)
            assert slow.most_at_once <= post.settings.at_once
            assert len(slow.got) <= post.settings.at_once
        released.set()


async def test_a_failing_receiver_is_tried_again_by_the_table(lite: Post) -> None:
    async with Receiver(answers(500)) as receiver:
        webhook = await lite.webhook(receiver)
        await lite.owe(lite.notice(1))
        async with lite.delivering():
            for tries, pause_s in enumerate(retry.PAUSES_S[:4], 1):
                await lite.until_log(webhook, State.PENDING, tries=tries)
                (waiting,) = await lite.log(webhook)
                assert waiting.due_at == lite.now + timedelta(seconds=pause_s)
                assert len(receiver.got) == tries
                lite.advance(seconds=pause_s)
            receiver.behaviour = takes_all
            lite.advance(seconds=retry.PAUSES_S[4])
            await lite.until_log(webhook, State.DELIVERED)
    assert len({one.id for one in receiver.got}) == 1
    assert len({one.body for one in receiver.got}) == 1


async def test_what_fails_for_three_days_is_dead_and_can_be_sent_again(post: Post) -> None:
    async with Receiver(answers(503)) as receiver:
        webhook = await post.webhook(receiver)
        await post.owe(post.notice(1), post.notice(2))
        async with post.delivering() as deliverer:
            await until(lambda: bool(receiver.got), "the first try")
            for _ in range(80):
                post.advance(hours=1)
                seen = len(receiver.got)
                await asyncio.sleep(0.03)
                if seen != len(receiver.got):
                    await asyncio.sleep(0.03)
            await deliverer.tidy()
            await post.until_log(webhook, State.DEAD, State.DEAD)
            first, second = await post.log(webhook)
            assert 5 <= first.tries < 60
            assert first.log[-1].status == 503

            receiver.behaviour = takes_all
            before = len(receiver.got)
            again = await post.db.write(
                lambda conn: deliveries.resend_dead(conn, webhook, post.now, at_most=10)
            )
            assert again == 2
            post.advance(minutes=16)  # its circuit is open still
            await post.until_log(webhook, State.DELIVERED, State.DELIVERED)
    ids = [one.id for one in receiver.got[before:]]
    assert len(ids) == 2
    assert ids[0] == receiver.got[0].id
    assert second.finished_at is not None


async def test_a_retry_waits_as_long_as_the_receiver_asks(lite: Post) -> None:
    async with Receiver(answers(429, Retry_After="300")) as receiver:
        webhook = await lite.webhook(receiver)
        await lite.owe(lite.notice(1))
        async with lite.delivering():
            await lite.until_log(webhook, State.PENDING, tries=1)
    (waiting,) = await lite.log(webhook)
    assert waiting.due_at == lite.now + timedelta(seconds=300)


async def test_the_circuit_opens_and_one_delivery_shows_that_it_may_close(post: Post) -> None:
    async with Receiver(answers(500)) as receiver:
        webhook = await post.webhook(receiver)
        await post.owe(*(post.notice(n, f"chat-{n}") for n in range(40)))
        async with post.delivering():
            await until(lambda: len(receiver.got) >= retry.TRIPS, "the first tries")
            found = await post.found(webhook)
            for _ in range(200):
                found = await post.found(webhook)
                if found.open_until is not None and receiver.at_once == 0:
                    break
                await asyncio.sleep(0.02)
            assert found.open_until is not None
            tried = len(receiver.got)
            assert tried <= post.settings.at_once  # and not all forty

            receiver.behaviour = takes_all
            receiver.most_at_once = 0
            post.advance(seconds=11)
            await post.until_log(webhook, *[State.DELIVERED] * 40)
        found = await post.found(webhook)
        assert (found.failures, found.open_until) == (0, None)
        assert len({one.id for one in receiver.got}) == 40


async def test_a_receiver_that_is_gone_is_sent_no_more(lite: Post) -> None:
    async with Receiver(answers(410)) as receiver:
        webhook = await lite.webhook(receiver)
        await lite.owe(lite.notice(1), lite.notice(2, "chat-2"))
        async with lite.delivering():
            await until(lambda: len(receiver.got) == 2, "both tries")
            found = await lite.found(webhook)
            for _ in range(200):
                found = await lite.found(webhook)
                if not found.enabled:
                    break
                await asyncio.sleep(0.02)
            assert (found.enabled, found.disabled_why) == (False, "gone")
            lite.advance(hours=5)
            await lite.owe(lite.notice(3))
            await asyncio.sleep(0.2)  # several looks, at which nothing must be sent
            assert len(receiver.got) == 2

            receiver.behaviour = takes_all
            on = {"enabled": True}
            await lite.db.write(lambda conn: webhooks.change(conn, webhook, on, lite.now))
            await lite.until_log(webhook, State.DELIVERED, State.DELIVERED)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(lite: Post, status: int) -> None:
    async with Receiver() as elsewhere:
        async with Receiver(answers(status, Location=elsewhere.url)) as receiver:
            webhook = await lite.webhook(receiver)
            await lite.owe(lite.notice(1))
            async with lite.delivering():
                await lite.until_log(webhook, State.PENDING, tries=1)
        assert elsewhere.got == []
    (kept,) = await lite.log(webhook)
    assert kept.log[0].status == status


async def test_an_answer_that_never_ends_is_cut_off(lite: Post) -> None:
    sent = 0

    async def drips(received: Received) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse(status=200)
        await answer.prepare(received.request)
        for _ in range(4096):
            await answer.write(b"x" * 4096)
            sent += 4096
        return answer

    async with Receiver(drips) as receiver:
        webhook = await lite.webhook(receiver)
        await lite.owe(lite.notice(1))
        async with lite.delivering():
            await lite.until_log(webhook, State.DELIVERED)
    assert 0 < sent < 4096 * 4096


async def test_both_secrets_sign_while_one_is_replaced(lite: Post, receiver: Receiver) -> None:
    webhook = await lite.webhook(receiver)
    fresh = new_secret(b"f" * 32)
    until_then = lite.now + timedelta(hours=1)
    await lite.db.write(
        lambda conn: webhooks.rotate(
            conn, lite.vault, webhook, fresh, until=until_then, now=lite.now
        )
    )
    async with lite.delivering():
        await lite.owe(lite.notice(1))
        await lite.until_log(webhook, State.DELIVERED)
        lite.advance(hours=2)
        await lite.owe(lite.notice(2))
        await lite.until_log(webhook, State.DELIVERED, State.DELIVERED)

    during, after = receiver.got
    assert (during.signed_by(SECRET), during.signed_by(fresh)) == (True, True)
    assert (after.signed_by(SECRET), after.signed_by(fresh)) == (False, True)


async def test_secrets_are_kept_sealed(post: Post, receiver: Receiver) -> None:
    await post.webhook(receiver)

    def everything(conn: object) -> str:
        rows = conn.exec_driver_sql("SELECT * FROM webhooks").all()  # type: ignore[attr-defined]
        return repr(rows)

    assert SECRET not in await post.db.read(everything)


async def test_a_test_goes_to_its_webhook_alone(lite: Post) -> None:
    async with Receiver() as asked, Receiver() as other:
        webhook = await lite.webhook(asked, ("pool.low",))
        await lite.webhook(other)
        await lite.owe(
            Notice(NoticeKind.WEBHOOK_TEST, "test 1", lite.now, data={"webhook_id": webhook})
        )
        async with lite.delivering():
            await lite.until_log(webhook, State.DELIVERED)
    assert [one["type"] for one in asked.events] == ["webhook.test"]
    assert other.got == []


async def test_what_is_old_is_forgotten_and_what_is_needed_is_not(post: Post) -> None:
    async with Receiver() as well, Receiver(answers(500)) as ill:
        good, bad = await post.webhook(well), await post.webhook(ill)
        await post.owe(post.notice(1))
        async with post.delivering() as deliverer:
            await post.until_log(good, State.DELIVERED)
            await post.until_log(bad, State.PENDING, tries=1)
            post.advance(days=8)
            await deliverer.tidy()
            await post.until_log(good)
            await post.until_log(bad, State.DEAD)  # needs its notice still
            post.advance(days=31)
            await deliverer.tidy()
            await post.until_log(bad)

    def left(conn: object) -> int:
        return len(conn.exec_driver_sql("SELECT id FROM outbox").all())  # type: ignore[attr-defined]

    assert await post.db.read(left) == 0
