"""What is kept of calls, and what is up now, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from cdr.model import CameBy, Handover, HandoverResult, HandoverWhy, Recording
from masking.ids import call_id
from masking.outcome import EndedBy, Outcome
from masking.plan import Channel
from masking.recording import NotRecorded
from masking.rules import RecordingMode
from storage import recordings
from tests.contract.api.house import BUYER, START, House, LiveCallDouble
from tests.contract.api.recorded import NODE, keep, record


async def test_a_call_is_shown_with_everything_but_phones(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    answered = record(1, made["id"], Outcome.ANSWERED)
    await keep(house, answered)

    shown = (await house.ask("GET", f"/v1/calls/{answered.call_id}")).json()

    assert shown["call_id"] == answered.call_id
    assert shown["session_id"] == made["id"]
    assert shown["conversation_id"] == "chat-81"
    assert shown["listing"] == {"id": "L-42", "title": "Lada Vesta 2019"}
    assert shown["caller"] == {"role": "buyer", "user_id": "u-1"}
    assert shown["callee"] == {"role": "seller", "user_id": "u-2"}
    assert (shown["outcome"], shown["ended_by"], shown["cause"]) == ("answered", "caller", 16)
    assert (shown["ring_s"], shown["talk_s"]) == (3.0, 61.5)
    assert datetime.fromisoformat(shown["answered_at"]) == START + timedelta(minutes=1, seconds=4)
    step = shown["attempts"][0]["steps"][0]
    assert (step["trunk"], step["status"], step["sip_status"]) == ("carrier-a", "ANSWER", 200)
    leg = shown["legs"][0]
    assert (leg["side"], leg["codec"], leg["rtt_ms"]) == ("caller", "alaw", 12.5)
    assert leg["received"] == {"packets": 3000, "lost": 2, "jitter_ms": 1.5, "mos": 4.29}


async def test_calls_are_found_by_what_they_are(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    kept = [
        record(1, made["id"], Outcome.ANSWERED),
        record(2, made["id"], Outcome.MISSED),
        record(
            3, None, Outcome.FAILED, caller_role=None, callee_role=None, reason="unknown_caller"
        ),
    ]
    await keep(house, *kept)
    one, two, three = (call.call_id for call in kept)

    for query, expected in {
        "": [three, two, one],
        f"session_id={made['id']}": [two, one],
        "conversation_id=chat-81": [two, one],
        "user_id=u-1": [two, one],
        "user_id=u-2&outcome=missed": [two],
        "outcome=failed": [three],
        "outcome=busy": [],
        "from=2026-11-22T10:02:00Z": [three, two],
        "until=2026-11-22T10:02:00Z": [one],
        "from=2026-11-22T13:02:00%2B03:00&until=2026-11-22T10:03:00Z": [two],
    }.items():
        page = await house.ask("GET", f"/v1/calls?{query}")
        assert [call["call_id"] for call in page.json()["items"]] == expected, query

    first = (await house.ask("GET", "/v1/calls?limit=2")).json()
    rest = (await house.ask("GET", f"/v1/calls?limit=2&cursor={first['next_cursor']}")).json()
    assert [call["call_id"] for call in first["items"] + rest["items"]] == [three, two, one]
    assert rest["next_cursor"] is None


async def test_the_history_says_what_each_side_reads(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    await keep(
        house,
        record(1, made["id"], Outcome.ANSWERED),
        record(2, made["id"], Outcome.CANCELLED, rang_at=None, ring_ms=0),
    )

    page = (await house.ask("GET", "/v1/conversations/chat-81/history?language=en")).json()

    cancelled, answered = page["items"]
    assert answered["kind"] == "call"
    assert answered["caller"] == {"role": "buyer", "user_id": "u-1"}
    assert answered["text"] == {
        "caller": "Outgoing call, 1 min 2 s",
        "callee": "Incoming call, 1 min 2 s",
    }
    assert cancelled["shown_to"] == ["caller"]
    assert cancelled["text"] == {"caller": "Cancelled call", "callee": None}
    russian = (await house.ask("GET", "/v1/conversations/chat-81/history")).json()["items"][0]
    assert russian["text"]["caller"] == "Отменённый звонок"
    other = await house.ask("GET", "/v1/conversations/chat-82/history")
    assert other.json() == {"items": [], "next_cursor": None}


async def test_the_call_log_counts_what_is_unread(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    await keep(
        house, record(1, made["id"], Outcome.ANSWERED), record(2, made["id"], Outcome.MISSED)
    )

    log = (await house.ask("GET", "/v1/users/u-2/call-log")).json()

    missed, answered = log["items"]
    assert (missed["direction"], missed["outcome"], missed["unread"]) == ("in", "missed", True)
    assert missed["card"] == {"role": "buyer", "name": "Anna", "rating": 4.9, "facts": {}}
    assert (answered["talk_s"], answered["unread"]) == (61.5, False)
    assert log["unread_count"] == 1
    only = (await house.ask("GET", "/v1/users/u-2/call-log?unread=true")).json()["items"]
    assert [entry["call_id"] for entry in only] == [missed["call_id"]]

    seen = await house.ask("POST", "/v1/users/u-2/call-log/seen", {"until": missed["at"]})
    assert seen.json() == {"marked": 1}
    assert (await house.ask("GET", "/v1/users/u-2/call-log")).json()["unread_count"] == 0


async def test_history_and_log_say_why_nobody_talked(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    never_rang: dict[str, object] = {"rang_at": None, "ring_ms": 0}
    quiet = record(
        2, made["id"], Outcome.BLOCKED, reason="quiet_hours", attempts=(), legs=(), **never_rang
    )
    offline = record(1, made["id"], Outcome.UNREACHABLE, **never_rang)
    await keep(house, offline, quiet)

    first, second = (await house.ask("GET", "/v1/users/u-2/call-log")).json()["items"]
    assert (first["outcome"], first["reason"]) == ("missed", "quiet_hours")
    assert first["text"] == {
        "ru": "Пропущенный в тихие часы",
        "en": "You missed a call in your quiet hours",
    }
    assert (second["outcome"], second["reason"]) == ("missed", "offline")
    callers = (await house.ask("GET", "/v1/users/u-1/call-log")).json()["items"]
    assert [entry["reason"] for entry in callers] == ["quiet_hours", None]
    history = (await house.ask("GET", "/v1/conversations/chat-81/history?language=en")).json()
    assert [(entry["why"], entry["text"]["callee"]) for entry in history["items"]] == [
        ("quiet_hours", "You missed a call in your quiet hours"),
        ("offline", "You missed a call while offline"),
    ]
    shown = (await house.ask("GET", f"/v1/calls/{quiet.call_id}")).json()
    assert (shown["outcome"], shown["reason"], shown["why"]) == (
        "blocked",
        "quiet_hours",
        "quiet_hours",
    )


async def test_a_call_that_was_handed_over_is_one_entry(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    moved = Handover(
        side=EndedBy.CALLER,
        source=Channel.APP,
        target=Channel.GSM,
        why=HandoverWhy.QUALITY,
        result=HandoverResult.DONE,
        at=START + timedelta(minutes=1, seconds=30),
        ms=4_000,
        trunk="carrier-a",
    )
    vain = replace(moved, result=HandoverResult.UNANSWERED)
    call = record(1, made["id"], Outcome.ANSWERED, handovers=(vain, moved), came_by=CameBy.APP)
    await keep(house, call)

    [entry] = (await house.ask("GET", "/v1/conversations/chat-81/history")).json()["items"]
    assert (entry["came_by"], entry["why"]) == ("app", None)
    assert [(one["side"], one["to"]) for one in entry["handovers"]] == [("caller", "gsm")]
    shown = (await house.ask("GET", f"/v1/calls/{call.call_id}")).json()
    assert [one["result"] for one in shown["handovers"]] == ["unanswered", "done"]
    log = (await house.ask("GET", "/v1/users/u-1/call-log")).json()["items"]
    assert [one["call_id"] for one in log] == [call.call_id]


async def test_no_call_is_shown_where_there_is_none(lite: House) -> None:
    for wanted in (call_id(NODE, "9.9"), "cal_x", "x"):
        reply = await lite.ask("GET", f"/v1/calls/{wanted}")
        assert (reply.status, reply.error_id) == (404, "call_not_found")


async def test_a_live_call_is_listed_and_can_be_ended(lite: House) -> None:
    ids = [call_id(NODE, f"2.{number}") for number in range(3)]
    for number, live in enumerate(ids):
        lite.node.calls[live] = LiveCallDouble(live, START + timedelta(seconds=number))

    listed = (await lite.ask("GET", "/v1/live-calls?limit=2", role="staff")).json()
    assert [call["call_id"] for call in listed["items"]] == ids[:2]
    assert listed["items"][0]["state"] == "up"
    more = await lite.ask("GET", f"/v1/live-calls?limit=2&cursor={listed['next_cursor']}")
    assert [call["call_id"] for call in more.json()["items"]] == ids[2:]

    assert (await lite.ask("DELETE", f"/v1/live-calls/{ids[0]}", role="staff")).status == 204
    assert ids[0] not in lite.node.calls
    gone = await lite.ask("DELETE", f"/v1/live-calls/{ids[0]}")
    assert (gone.status, gone.error_id) == (404, "live_call_not_found")


async def test_a_live_call_of_a_node_that_is_away_cannot_be_ended(lite: House) -> None:
    live = call_id(NODE, "3.1")
    lite.node.calls[live] = LiveCallDouble(live, START)
    lite.node.away = True

    refused = await lite.ask("DELETE", f"/v1/live-calls/{live}")

    assert (refused.status, refused.error_id) == (503, "node_unavailable")
    assert refused.headers["Retry-After"] == "2"


async def test_a_phone_of_the_session_is_in_none_of_it(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    await keep(house, record(1, made["id"], Outcome.MISSED))
    assert BUYER in house.memory.phones  # it is searched for when the test ends

    for path in ("/v1/calls", "/v1/conversations/chat-81/history", "/v1/users/u-2/call-log"):
        assert len((await house.ask("GET", path)).json()["items"]) == 1


async def test_a_call_says_what_became_of_recording_it(house: House) -> None:
    await house.furnish()
    made = await house.open_session()
    at = START + timedelta(minutes=1)
    whole = Recording(
        RecordingMode.ALWAYS, 1871, 1869, started_at=at, ended_at=at + timedelta(seconds=9), ms=9000
    )
    none = Recording(RecordingMode.CONSENT, reason=NotRecorded.NO_CONSENT)
    records = [
        replace(record(n, made["id"], Outcome.ANSWERED), recording=one)
        for n, one in enumerate((whole, none, None), start=1)
    ]
    await keep(house, *records)
    row = recordings.pending_row(
        call_id=records[0].call_id,
        node=records[0].node,
        session_id=made["id"],
        conversation_id="chat-81",
        delete_at=None,
        now=at,
    )
    await house.db.write(lambda conn: recordings.keep(conn, [row]))

    shown = [
        (await house.ask("GET", f"/v1/calls/{one.call_id}")).json()["recording"] for one in records
    ]

    listed = (await house.ask("GET", "/v1/calls")).json()["items"]
    assert [one["recording"] for one in reversed(listed)] == shown
    assert (shown[0]["state"], shown[1]["state"]) == ("pending", None)
    assert shown[0]["announced_caller_ms"] == 1871
    assert datetime.fromisoformat(shown[0]["started_at"]) == at
    assert (shown[0]["ms"], shown[0]["reason"]) == (9000, None)
    assert (shown[1]["asked"], shown[1]["reason"]) == ("consent", "no_consent")
    assert shown[1]["started_at"] is None
    assert shown[2] is None
