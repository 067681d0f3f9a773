"""Calls that are not over, told by the staging: of nodes that are heard of, and no others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, insert, text

from cdr import live, staging
from cdr.events import EventRow, parse
from storage import Database, rotation
from storage.rotation import Reader
from storage.schema import open_calls

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HERE, THERE = "n0123456789ab", "nfedcba987654"


def hear(conn: Connection, node: str, at: datetime = NOW) -> None:
    rotation.report(conn, Reader(f"reader of {node}", frozenset({1}), 1, node), at)


def stage(conn: Connection, *rows: dict[str, Any]) -> None:
    staging.put(conn, rows)


def a_call(number: int, state: str | None = "up", node: str = HERE, **more: Any) -> dict[str, Any]:  # noqa: ANN401 (columns)
    """The row of a call that came so many seconds before NOW."""
    return {
        "call_id": f"cal_{number:06}",
        "node": node,
        "events": {"linked_id": f"{node}-{number}", "rows": []},
        "seen_at": NOW,
        "offered_at": NOW - timedelta(seconds=number),
        "state": state,
        "session_id": f"ses_{number}",
        "caller_role": "buyer",
        "callee_role": "seller",
        "trunk_in": "carrier-a",
        "trunk_out": None,
        **more,
    }


def test_calls_of_nodes_that_are_heard_of_are_told_and_no_others(
    database: Database, runner: asyncio.Runner
) -> None:
    def work(conn: Connection) -> Any:  # noqa: ANN401 (what is looked at)
        hear(conn, HERE)
        hear(conn, THERE, NOW - live.HEARD - timedelta(seconds=1))
        stage(conn, a_call(1, trunk_out="carrier-b"), a_call(2, "ringing"), a_call(3, node=THERE))
        stage(conn, a_call(4, None, offered_at=None))  # channels that nobody offered
        of = live.nodes(conn, NOW)
        newest = [one.call_id for one in live.newest(conn, of, at_most=9)]
        return of, live.counts(conn, of), newest, live.on_trunks(conn, of)

    of, counts, newest, trunks = runner.run(database.write(work))
    assert of == {HERE}
    assert counts == {"up": 1, "ringing": 1}
    assert newest == ["cal_000001", "cal_000002"]
    assert trunks == {"carrier-a": 2, "carrier-b": 1}


def test_the_newest_are_told_as_they_are(database: Database, runner: asyncio.Runner) -> None:
    def work(conn: Connection) -> Any:  # noqa: ANN401 (what is looked at)
        stage(conn, *[a_call(n, trunk_out="carrier-b" if n % 2 else None) for n in range(50)])
        of = frozenset({HERE})
        found = live.newest(conn, of, at_most=3)
        by_trunk = live.newest(conn, of, at_most=100, trunk="carrier-b")
        by_session = live.newest(conn, of, at_most=100, session_id="ses_7")
        since = live.offers(conn, of, NOW - timedelta(seconds=4.5))
        return found, by_trunk, by_session, since

    found, by_trunk, by_session, since = runner.run(database.write(work))
    assert [one.since for one in found] == [NOW - timedelta(seconds=n) for n in range(3)]
    assert (found[0].state, found[0].caller, found[0].trunk_in) == ("up", "buyer", "carrier-a")
    assert len(by_trunk) == 25
    assert [one.call_id for one in by_session] == ["cal_000007"]
    assert sorted(call for call, _ in since) == [f"cal_{n:06}" for n in range(5)]


def test_what_is_staged_again_shows_what_came_since_and_what_is_over_is_gone(
    database: Database, runner: asyncio.Runner
) -> None:
    linked = f"{HERE}-1700000000.1"

    def row(second: int, said: str, channel: str = linked, event: str = "USER_DEFINED") -> bytes:
        return (
            f'{{"eventtime":"170000000{second}.000000","eventenum":"{event}",'
            f'"userdeftype":"{said}","uniqueid":"{channel}","linkedid":"{linked}",'
            '"channame":"PJSIP/carrier-a-00000001"}'
        ).encode()

    lines = [
        row(0, "OFFER;trunk=carrier-a;called=1"),
        row(1, "PLAN;session=ses_1;caller=buyer;callee=seller"),
        row(2, "ATTEMPT;n=1;channel=gsm;trunk=carrier-b"),
        row(5, "", f"{HERE}-1700000002.2", "ANSWER"),
    ]
    rows: tuple[EventRow, ...] = parse(lines, HERE).rows
    of = frozenset({HERE})

    def work(conn: Connection) -> list[Any]:
        seen = []
        for n in (1, 2, 3, 4):
            stage(conn, staging.row_of("cal_1", HERE, rows[:n]))
            [one] = live.newest(conn, of, at_most=5)
            seen.append((one.state, one.session_id, one.trunk_out))
        staging.remove(conn, ["cal_1"])
        return [*seen, live.newest(conn, of, at_most=5), live.is_up(conn, "cal_1")]

    assert runner.run(database.write(work)) == [
        ("offered", None, None),
        ("offered", "ses_1", None),
        ("ringing", "ses_1", None),
        ("up", "ses_1", "carrier-b"),
        (),
        False,
    ]


def test_ten_thousand_are_counted_and_the_newest_found_by_an_index(
    database: Database, runner: asyncio.Runner
) -> None:
    def work(conn: Connection) -> list[str]:
        conn.execute(insert(open_calls), [a_call(n) for n in range(10_000)])
        of = frozenset({HERE})
        assert live.counts(conn, of) == {"up": 10_000}
        assert len(live.newest(conn, of, at_most=20)) == 20
        cursor = live.OLDEST_FIRST.encode((NOW - timedelta(seconds=5_000), "cal_005000"))
        oldest = live.oldest(conn, of, limit=20, cursor=cursor)
        assert [one.call_id for one in oldest[:2]] == ["cal_004999", "cal_004998"]
        assert len(oldest) == 21, "one more says that there is a next page"
        if conn.dialect.name != "sqlite":
            return []
        page = live.OLDEST_FIRST.apply(live.CALLS, limit=20, cursor=cursor)
        return [plan(conn, one) for one in (live.COUNTS, live.NEWEST, page, live.OF_USER)]

    plans = runner.run(database.write(work))
    if plans:  # SQLite says what it does
        assert "USING COVERING INDEX ix_open_calls_offered_at" in plans[0]
        assert "USING INDEX ix_open_calls_offered_at" in plans[1]
        assert "USING INDEX ix_open_calls_offered_at" in plans[2]
        assert "TEMP B-TREE" not in plans[1] + plans[2]
        assert "SCAN" not in plans[2] + plans[3]
        assert "USING INDEX ix_open_calls_session_id" in plans[3]


def plan(conn: Connection, query: Select[Any]) -> str:
    given = query.params(nodes=[HERE], at_most=20, user="u-1")
    literal = given.compile(conn, compile_kwargs={"literal_binds": True})
    return str(conn.execute(text(f"EXPLAIN QUERY PLAN {literal}")).all())
