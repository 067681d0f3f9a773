"""Calls on nodes of other processes, on the pages of what they go over: told by their staging."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from cdr import staging
from masking.staff import StaffRole
from storage import rotation
from storage.rotation import Reader
from tests.contract.api.house import House, LiveCallDouble
from tests.contract.api.recorded import NODE
from tests.contract.console.look import Seat


async def _elsewhere(house: House, session_id: str) -> None:
    """One call of the session, and one of another, on a node whose ingester is heard of."""
    house.clock.advance(seconds=10)
    at = house.clock()

    def work(conn: Connection) -> None:
        rotation.report(conn, Reader("its ingester", frozenset({1}), 1, NODE), at)
        rows = [
            {
                "call_id": f"cal_{n}",
                "node": NODE,
                "events": {"linked_id": f"{NODE}-{n}", "rows": []},
                "seen_at": at,
                "offered_at": at - timedelta(seconds=5),
                "state": "up",
                "session_id": session,
                "caller_role": "buyer",
                "callee_role": "seller",
                "trunk_in": "carrier-a",
                "trunk_out": out,
            }
            for n, session, out in ((1, session_id, "carrier-a"), (2, "ses_other", None))
        ]
        staging.put(conn, rows)

    await house.db.write(work)
    house.clock.advance(seconds=5)


async def test_a_session_and_a_trunk_count_the_calls_of_every_node(lite: House, desk: Seat) -> None:
    await lite.furnish()
    session = (await lite.open_session())["id"]
    await _elsewhere(lite, session)
    lite.node.calls["cal_here"] = LiveCallDouble("cal_here", lite.clock(), session)
    supervisor = await desk(StaffRole.SUPERVISOR)

    shown = await supervisor.get(f"/console/sessions/{session}")
    closing = await supervisor.get(f"/console/sessions/{session}/close")
    trunk = await supervisor.get("/console/trunks/carrier-a")

    assert "2 calls are up in this session now." in shown.words
    assert "The 2 calls that are up now go on until they end by themselves." in closing.words
    assert "4 / 100" in trunk.words  # one of them goes in and out by it
