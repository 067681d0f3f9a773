"""The torture run's account finds what it is there to find; its plan is that of its seed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.maskline import Session
from tests.support.torture import plan
from tests.support.torture.account import Account, Kept
from tests.support.torture.callers import Seen
from tests.support.torture.plan import Manner, What
from tests.support.torture.pulse import Pulse

BEGUN_MS = 1_700_000_000_000
CALLER, NUMBER = "+79160000001", "+74950000001"
SESSION = Session("ses_1", "chat-1", CALLER, "+79260000001", NUMBER, "+74950000002", "u-1", "u-2")


def record(**more: object) -> dict[str, Any]:
    return {
        "call_id": "cal_1",
        "number_in": NUMBER,
        "session_id": "ses_1",
        "outcome": "answered",
        "reason": None,
        "talk_s": 2.0,
        **more,
    }


def told(kind: str, event_id: str) -> dict[str, Any]:
    return {"id": event_id, "event": {"type": kind, "data": {"call_id": "cal_1"}}}


def answered() -> Account:
    seen = Seen({"rang": BEGUN_MS, "answered": BEGUN_MS + 200, "ended": BEGUN_MS + 2210})
    entry = {"call_id": "cal_1", "outcome": "answered"}
    kept = Kept([record()], {"chat-1": [entry]}, {"u-2": [entry]}, [told("call.ended", "e1")])
    return Account({CALLER: seen}, {CALLER: SESSION}, kept)


def missed() -> Account:
    seen = Seen({"rang": BEGUN_MS, "cancelled": BEGUN_MS + 2000, "refused-487": BEGUN_MS + 2003})
    entry = {"call_id": "cal_1", "outcome": "missed"}
    webhooks = [told("call.ended", "e1"), told("call.missed", "e2")]
    records = [record(outcome="missed", talk_s=0.0)]
    return Account(
        {CALLER: seen},
        {CALLER: SESSION},
        Kept(records, {"chat-1": [entry]}, {"u-2": [entry]}, webhooks),
    )


def test_a_good_run_has_no_problem() -> None:
    for account in (answered(), missed()):
        assert account.problems() == []
        # The same webhook once more is one webhook.
        account.kept.webhooks.append(account.kept.webhooks[0])
        assert account.problems() == []
    assert Account({}, {CALLER: SESSION}, Kept([], {}, {}, [])).problems() == []


def _lose(part: str) -> Callable[[Account], None]:
    def lose(account: Account) -> None:
        kept = getattr(account.kept, part)
        if isinstance(kept, dict):
            for key in kept:
                kept[key] = []
        else:
            kept.clear()

    return lose


def _double(part: str) -> Callable[[Account], None]:
    def double(account: Account) -> None:
        kept = getattr(account.kept, part)
        for one in kept.values() if isinstance(kept, dict) else (kept,):
            one.append(copy.deepcopy(one[0]))
        if part == "webhooks":
            kept[-1]["id"] = "another"

    return double


def _say(**more: object) -> Callable[[Account], None]:
    return lambda account: account.kept.records[0].update(more)


@pytest.mark.parametrize(
    ("make", "spoil"),
    [
        *[(make, do(part)) for make in (answered, missed) for do in (_lose, _double)
          for part in ("records", "history", "webhooks")],
        (missed, _lose("logs")),
        (missed, _double("logs")),
        (answered, _say(talk_s=2.12)),
        (answered, _say(talk_s=1.9)),
        (answered, _say(outcome="missed")),
        (answered, _say(session_id=None, reason="no_controller")),
        (answered, _say(session_id="ses_2")),
        (missed, _say(session_id=None, reason=None)),
        (missed, _say(number_in="+74950000099")),
        (missed, lambda account: account.kept.webhooks.pop()),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_said(
    make: Callable[[], Account], spoil: Callable[[Account], None]
) -> None:
    account = make()
    spoil(account)
    assert account.problems()


def test_what_the_machine_slept_through_is_not_compared() -> None:
    account = answered()
    account.kept.records[0]["talk_s"] = 3.0
    account.pulse = Pulse([(BEGUN_MS / 1000 + 1, BEGUN_MS / 1000 + 1.1)])
    assert (account.problems(), account.stalled) == ([], 1)


def test_a_seed_gives_the_same_run() -> None:
    assert plan.calls(7, 50) == plan.calls(7, 50) != plan.calls(8, 50)
    assert tuple(plan.blows(7, 60)) == tuple(plan.blows(7, 60)) != tuple(plan.blows(8, 60))


def test_every_manner_and_every_blow_comes() -> None:
    assert {one.manner for one in plan.calls(1, 200)} == set(Manner)
    found = [one.what for one in plan.blows(1, 60)]
    assert set(found[: len(What)]) == set(What)
