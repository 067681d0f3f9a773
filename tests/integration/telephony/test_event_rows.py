"""What a node writes of a call into its event file, call by call."""

from __future__ import annotations

import pytest

from masking.model import Language
from masking.plan import Announcement, Refusal, RefusalReason
from telephony.node import Node
from tests.integration.telephony import sipp
from tests.integration.telephony.conftest import (
    CALLEE_HOST,
    CALLER_HOST,
    SPARE,
    SPARE_HOST,
    Bench,
    Row,
    plan,
    step,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def bench(shared: Bench, shared_node: Node) -> Bench:
    shared.forget()
    return shared


@pytest.fixture
def node(shared_node: Node) -> Node:
    return shared_node


def kinds(rows: list[Row]) -> list[str]:
    """The order of one leg is fixed; the legs may interleave."""
    return [row.kind for row in rows if row.leg == "caller"]


def one(rows: list[Row], kind: str) -> dict[str, str]:
    """The facts of that kind; said twice they are the same."""
    first, *others = [row for row in rows if row.kind == kind and row.leg == "caller"]
    assert all(row == first for row in others)
    return first.values


async def test_a_call_that_the_caller_ends(bench: Bench, node: Node) -> None:
    async with bench.controller(node):
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_and_talks(300), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()

    own = [kind for kind in kinds(rows) if kind != "LINKEDID_END"]
    assert own[:4] == ["OFFER", "PLAN", "ATTEMPT", "ANSWER"]
    assert own[4:] == ["LEG", "ATTEMPT_END", "OFFER", "PLAN", "END"]
    assert rows[-1].kind == "LINKEDID_END"  # of the channel that goes last
    assert {"ANSWER", "LEG"} <= {row.kind for row in rows if row.leg == "callee"}
    assert one(rows, "OFFER") == {"trunk": "carrier-a", "app": "", "called": "+74951110001"}
    assert one(rows, "PLAN") == {
        "session": "ses_1",
        "caller": "buyer",
        "callee": "seller",
        "lang": "ru",
        "in": "+74951110001",
        "out": "+74951110002",
    }
    attempt = {"n": "1", "channel": "gsm", "trunk": "carrier-b", "devices": ""}
    assert one(rows, "ATTEMPT") == attempt
    end = one(rows, "ATTEMPT_END")
    assert (end["n"], end["status"], end["cause"]) == ("1", "ANSWER", "16")
    assert 250 <= int(end["talk_ms"]) <= 2000
    assert int(end["dial_ms"]) >= int(end["talk_ms"])
    assert end["ring_ms"].isdigit()
    assert one(rows, "END") == {"by": "caller", "cause": "16"}
    leg = one(rows, "LEG")
    assert (leg["side"], leg["trunk"], leg["codec"]) == ("caller", "carrier-a", "alaw")
    assert {"rtt", "rxjitter", "txjitter", "lp", "rlp", "rxcount", "txcount"} <= leg.keys()


async def test_a_call_that_the_callee_ends(bench: Bench, node: Node) -> None:
    async with bench.controller(node):
        callee = await sipp.sipp(sipp.answers_then_hangs_up(200), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_until_bye(), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()

    assert one(rows, "END") == {"by": "callee", "cause": "16"}
    assert one(rows, "ATTEMPT_END")["status"] == "ANSWER"


@pytest.mark.parametrize(
    ("said", "heard", "cause"),
    [("486 Busy Here", 486, "17"), ("600 Busy Everywhere", 486, "17"), ("603 Decline", 403, "21")],
)
async def test_a_callee_who_refuses_is_rung_once(
    bench: Bench, node: Node, said: str, heard: int, cause: str
) -> None:
    bench.routes.decision = plan(step(), step(SPARE))
    async with bench.controller(node):
        callee = await sipp.sipp(sipp.refuses(said), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_in_vain(heard), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()

    end = one(rows, "ATTEMPT_END")
    assert (end["n"], end["sip"]) == ("1", said[:3])
    assert end["ring_ms"].isdigit()
    assert one(rows, "END") == {"by": "callee", "cause": cause}


async def test_a_call_that_nobody_answers(bench: Bench, node: Node) -> None:
    bench.routes.decision = plan(step(), ring_s=1)
    async with bench.controller(node):
        callee = await sipp.sipp(sipp.never_answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_in_vain(480), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()

    end = one(rows, "ATTEMPT_END")
    assert (end["status"], end["talk_ms"]) == ("NOANSWER", "")
    assert end["ring_ms"].isdigit()
    assert one(rows, "END") == {"by": "system", "cause": "19"}


async def test_a_caller_who_gives_up_while_it_rings(bench: Bench, node: Node) -> None:
    async with bench.controller(node):
        callee = await sipp.sipp(sipp.never_answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.cancels_while_ringing(200), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()

    end = one(rows, "ATTEMPT_END")
    assert (end["n"], end["status"]) == ("1", "CANCEL")
    assert end["ring_ms"].isdigit()
    assert one(rows, "END")["by"] == "caller"


@pytest.mark.parametrize("said", ["403 Forbidden", "500 Server Error", "503 Unavailable"])
async def test_a_trunk_that_fails_is_followed_by_the_next(
    bench: Bench, node: Node, said: str
) -> None:
    bench.routes.decision = plan(step(), step(SPARE))
    async with bench.controller(node):
        first = await sipp.sipp(sipp.refuses(said), bench.folder, host=CALLEE_HOST)
        second = await sipp.sipp(sipp.answers(), bench.folder, host=SPARE_HOST)
        caller = await sipp.sipp(
            sipp.calls_and_talks(100), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert [await one.done() for one in (caller, first, second)] == [0, 0, 0]
        rows = await bench.rows_of_call()

    ends = [row.values for row in rows if row.kind == "ATTEMPT_END"]
    assert [(end["n"], end["sip"], end["status"]) for end in ends] == [
        ("1", said[:3], ends[0]["status"]),
        ("2", "", "ANSWER"),
    ]
    trunks = [row.values["trunk"] for row in rows if row.kind == "ATTEMPT"]
    assert trunks == ["carrier-b", "carrier-c"]


async def test_a_refusal(bench: Bench, node: Node) -> None:
    bench.routes.decision = Refusal(
        RefusalReason.UNKNOWN_CALLER, Announcement.NOT_IN_SERVICE, 1, Language.EN
    )
    async with bench.controller(node):
        caller = await sipp.sipp(
            sipp.calls_in_vain(404), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert await caller.done() == 0
        rows = await bench.rows_of_call()

    assert kinds(rows) == ["OFFER", "REFUSE", "LEG", "OFFER", "END", "LINKEDID_END"]
    assert one(rows, "REFUSE")["reason"] == "unknown_caller"
    assert one(rows, "END") == {"by": "system", "cause": "1"}
