"""What is found beside a call, on either database: the pair's other calls, what was told of it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert

from cdr import pair, records
from cdr.model import CallRecord
from masking.notice import Notice, NoticeKind
from storage import Database, outbox, told
from storage.schema import calls
from storage.vault import Vault
from tests.contract.storage.test_retention import a_call
from tests.support.storage import NOW

SIDES = {"caller_sealed": None, "caller_index": None}


async def called(
    db: Database, vault: Vault, *sides: tuple[str | None, str | None], apart_s: int = 60
) -> list[CallRecord]:
    """Calls of these two users each, one after the other."""
    rows = [
        a_call(vault, n, NOW + timedelta(seconds=n * apart_s))
        | SIDES
        | {"caller_user_id": one, "callee_user_id": other, "conversation_id": f"chat-{n % 2}"}
        for n, (one, other) in enumerate(sides)
    ]
    await db.write(lambda conn: conn.execute(insert(calls), rows))
    found = await db.read(lambda conn: [records.get(conn, row["call_id"]) for row in rows])
    return [one for one in found if one is not None]


async def test_the_pair_s_calls_are_found_either_way_round_nearest_first(
    db: Database, vault: Vault
) -> None:
    made = await called(
        db,
        vault,
        *(("u-1", "u-2"), ("u-2", "u-1"), ("u-1", "u-3"), ("u-1", "u-2")),
        *(("u-1", "u-2"), ("u-2", "u-1"), (None, "u-2")),
    )
    here = made[3]

    earlier = await db.read(lambda conn: pair.before(conn, here, 5))
    later = await db.read(lambda conn: pair.after(conn, here, 5))

    assert [one.call_id for one in earlier] == [made[1].call_id, made[0].call_id]
    assert [one.call_id for one in later] == [made[4].call_id, made[5].call_id]
    assert len(await db.read(lambda conn: pair.after(conn, here, 1))) == 1


async def test_calls_of_the_same_moment_are_each_found_once(db: Database, vault: Vault) -> None:
    made = await called(db, vault, *[("u-1", "u-2")] * 4, apart_s=0)
    here = made[1]

    earlier = await db.read(lambda conn: pair.before(conn, here, 5))
    later = await db.read(lambda conn: pair.after(conn, here, 5))

    assert [one.call_id for one in earlier] == [made[0].call_id]
    assert [one.call_id for one in later] == [made[2].call_id, made[3].call_id]


async def test_all_notices_of_a_call_are_found_and_no_other_call_s(
    db: Database, vault: Vault
) -> None:
    keys = [
        (NoticeKind.CALL_ENDED, "call.ended cal_a 1"),
        (NoticeKind.CALL_CORRECTED, "call.corrected cal_a 2"),
        (NoticeKind.CALL_CORRECTED, "call.corrected cal_a 3"),
        (NoticeKind.RECORDING_READY, "recording.ready cal_a"),
        (NoticeKind.CALL_QUALITY, "call.quality:cal_a:buyer:1"),
        (NoticeKind.CALL_HANDOVER, "call.handover:cal_a:support:1"),
        (NoticeKind.CALL_ENDED, "call.ended cal_b 1"),
        (NoticeKind.CALL_QUALITY, "call.quality:cal_ab:buyer:1"),
    ]
    owed = [Notice(kind, key, NOW + timedelta(seconds=n)) for n, (kind, key) in enumerate(keys)]
    await db.write(lambda conn: outbox.owe_all(conn, owed))

    found = await db.read(lambda conn: told.of_call(conn, "cal_a", 2))

    assert [one.kind for one in found] == [
        NoticeKind.CALL_ENDED,
        NoticeKind.CALL_CORRECTED,
        NoticeKind.RECORDING_READY,
        NoticeKind.CALL_QUALITY,
        NoticeKind.CALL_HANDOVER,
    ]
