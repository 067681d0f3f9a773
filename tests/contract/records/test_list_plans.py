"""Every filter is found by its index, on both databases: nothing reads or sorts the whole list."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, text

from cdr.record_filter import Filter
from cdr.record_search import search
from masking.outcome import Outcome
from tests.contract.records.many import TRUNKS, Many
from tests.contract.records.test_call_list import each_alone
from tests.support.statements import parameters

_BY = {
    "session_id": {"session_id"},
    "conversation_id": {"conversation_id"},
    "listing_id": {"listing_id"},
    "user_id": {"caller_user_id", "callee_user_id"},
    "phone_index": {"caller_index", "caller_user_id", "callee_user_id"},
    "outcomes": {"outcome"},
    "channels": {"channel"},
    "came_by": {"direction"},
    "number": {"number_in", "number_out"},
    "trunk": {"trunk_in", "trunk_out"},
    "node": {"node"},
    "causes": {"cause"},
    "ring_ms": {"ring_band"},
    "talk_ms": {"talk_band"},
    "mos": {"mos_band"},
    "recorded": {"recorded"},
    "rated": {"stars"},
    "stars": {"stars"},
    "tag": {"tag"},
    "since": set[str](),
    "until": set[str](),
}


def plans(conn: Connection, wanted: Filter) -> str:
    """How the database goes about a search, all its statements."""
    postgres = conn.dialect.name == "postgresql"
    if postgres:
        # A table of a few hundred rows is read whole, and rightly; one of millions must not be.
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin"):
            conn.execute(text(f"SET LOCAL {setting} = off"))
    with parameters(conn) as seen:
        search(conn, wanted, limit=20)
    explain = "EXPLAIN " if postgres else "EXPLAIN QUERY PLAN "
    steps: list[str] = []
    for statement, values in seen:
        rows = conn.exec_driver_sql(explain + statement, values)
        steps += [str(row[0 if postgres else 3]) for row in rows]
    return "\n".join(steps)


# Several values of one column: a short list in order for each, and these sorted together.
_OF_SEVERAL = {"outcomes", "ring_ms", "talk_ms", "mos", "stars", "rated"}


def check(plan: str, columns: set[str], postgres: bool) -> None:
    for column in columns:
        # The ledger's index begins with the node as well: to sort all of a node costs nothing here.
        table = "call_tags" if column == "tag" else "calls"
        names = [f"ix_{table}_{column}_offered_at", f"uq_calls_{column}_ledger_day"]
        assert any(name in plan for name in names[: 1 + (column == "node")]), plan
    if not columns:
        assert "ix_calls_offered_at_call_id" in plan, plan
    assert "Seq Scan on call" not in plan, plan
    assert "SCAN call" not in plan, plan
    if postgres and len(columns) < 2:
        # An incremental sort is of what was offered in one millisecond.
        assert "Sort  (" not in plan.replace("Incremental Sort  (", ""), plan


def test_each_filter_alone_goes_by_its_index(many: Many, runner: asyncio.Runner) -> None:
    session = next(one.session.id for one in many.kept if one.session is not None)
    alone = {name: Filter() for name in _BY}
    alone |= {next(iter(_set(one))): one for one in each_alone()}
    alone["session_id"] = Filter(session_id=session)
    for name, wanted in alone.items():

        def look(conn: Connection, wanted: Filter = wanted) -> tuple[str, bool]:
            return plans(conn, wanted), conn.dialect.name == "postgresql"

        plan, postgres = runner.run(many.db.read(look))
        check(plan, _BY[name], postgres and name not in _OF_SEVERAL)


def test_filters_together_go_by_the_index_of_one_of_them(
    many: Many, runner: asyncio.Runner
) -> None:
    wanted = Filter(trunk=TRUNKS[0], outcomes=(Outcome.BLOCKED,))

    def look(conn: Connection) -> str:
        return plans(conn, wanted)

    plan = runner.run(many.db.read(look))
    assert "ix_calls_outcome_offered_at" in plan
    assert "Seq Scan on calls" not in plan
    assert "SCAN calls\n" not in plan + "\n"


def _set(wanted: Filter) -> list[str]:
    nothing = Filter()
    return [name for name in _BY if getattr(wanted, name) != getattr(nothing, name)]
