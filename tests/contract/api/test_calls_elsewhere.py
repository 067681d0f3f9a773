"""Calls on nodes of other processes: they are listed, kept from harm, and left to whom they are."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from cdr import staging
from cdr.ledger import public_name
from masking.ids import call_id
from storage import rotation
from storage.rotation import Reader
from tests.contract.api.house import START, House, LiveCallDouble
from tests.contract.api.recorded import NODE

HERE = [call_id("n000", f"1.{n}") for n in range(3)]
THERE = [call_id(NODE, f"1.{n}") for n in range(3)]


async def hear(house: House) -> None:
    """The node's ingester says that it is there."""
    reader = Reader("its ingester", frozenset({1}), 1, NODE)
    await house.db.write(lambda conn: rotation.report(conn, reader, house.clock()))


async def stage(house: House, call: str, session_id: str, second: float = 0) -> None:
    """A call that came so many seconds after START, as the other node's ingester tells it."""
    at = START + timedelta(seconds=second)
    row = {
        "call_id": call,
        "node": NODE,
        "events": {"linked_id": f"{NODE}-1.1", "rows": []},
        "seen_at": at,
        "offered_at": at,
        "state": "up",
        "session_id": session_id,
        "caller_role": "buyer",
        "callee_role": "seller",
        "trunk_in": "carrier-a",
        "trunk_out": None,
    }
    await house.db.write(lambda conn: staging.put(conn, [row]))


async def end(house: House, call: str) -> None:
    def work(conn: Connection) -> None:
        staging.remove(conn, [call])

    await house.db.write(work)


async def two_apps(house: House) -> tuple[str, str]:
    """A session, and the buyer's token."""
    await house.furnish()
    made = await house.open_session()
    return made["id"], (await house.credential("u-1"))["token"]


async def test_live_calls_of_all_nodes_are_one_list_whatever_ends_meanwhile(house: House) -> None:
    await hear(house)
    for n in range(3):
        house.node.calls[HERE[n]] = LiveCallDouble(HERE[n], START + timedelta(seconds=2 * n))
        await stage(house, THERE[n], f"ses_{n}", 2 * n + 1)
    seen: list[str] = []
    cursor = ""

    for page in range(4):
        path = f"/v1/live-calls?limit=2{cursor}"
        told = (await house.ask("GET", path, role="staff")).json()
        seen += [one["call_id"] for one in told["items"]]
        if page == 0:
            await end(house, THERE[0])  # the one behind which the next page begins
        if told["next_cursor"] is None:
            break
        cursor = f"&cursor={told['next_cursor']}"

    assert seen == [HERE[0], THERE[0], HERE[1], THERE[1], HERE[2], THERE[2]]
    forged = await house.ask("GET", "/v1/live-calls?cursor=abc", role="staff")
    assert forged.status == 422


async def test_a_call_elsewhere_is_ended_and_moved_by_its_own_process_alone(house: House) -> None:
    session_id, _ = await two_apps(house)
    await stage(house, THERE[0], session_id)

    async def refused(method: str, path: str, body: object = None) -> tuple[int, str | None]:
        reply = await house.ask(method, path, body)
        if reply.error_id == "call_elsewhere":
            assert reply.json()["reason"] == public_name(NODE)
        return reply.status, reply.error_id

    wish = {"user_id": "u-1", "to": "gsm"}
    for apart in (False, True):  # a process with a node of its own, and one with none
        house.node.apart = apart
        for method, path, body in (
            ("DELETE", "/v1/live-calls/{}", None),
            ("POST", "/v1/calls/{}/handover", wish),
        ):
            there = await refused(method, path.format(THERE[0]), body)
            gone = await refused(method, path.format(THERE[1]), body)
            assert there == (409, "call_elsewhere")
            assert gone == (404, "live_call_not_found")


async def test_a_process_without_a_node_says_that_it_begins_no_call(house: House) -> None:
    session_id, token = await two_apps(house)
    house.node.apart = True

    click = await house.ask("POST", f"/v1/sessions/{session_id}/calls", {"from": "u-1"})
    tap = await house.ask_app("POST", f"/v1/app/sessions/{session_id}/calls", token=token)

    for refused in (click, tap):
        assert (refused.status, refused.error_id) == (409, "no_node_here")
        assert "controller" in refused.json()["detail"]


async def test_an_app_sees_its_calls_on_any_node_and_nobody_elses(house: House) -> None:
    session_id, buyer = await two_apps(house)
    stranger = (await house.credential("u-9"))["token"]
    await hear(house)
    await stage(house, THERE[0], session_id)
    path = f"/v1/app/calls/{THERE[0]}/handover"

    mine = (await house.ask_app("GET", "/v1/app/calls", token=buyer)).json()["items"]
    theirs = (await house.ask_app("GET", "/v1/app/calls", token=stranger)).json()["items"]
    elsewhere = await house.ask_app("POST", path, {"to": "gsm"}, token=buyer)
    hidden = await house.ask_app("POST", path, {"to": "gsm"}, token=stranger)

    assert [(one["call_id"], one["direction"]) for one in mine] == [(THERE[0], "out")]
    assert theirs == []
    assert (elsewhere.status, elsewhere.error_id) == (409, "call_elsewhere")
    assert (hidden.status, hidden.error_id) == (404, "live_call_not_found")
