"""What counts as a row, and what a caller can do about it: nothing."""

from __future__ import annotations

import json
import re
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr import events
from cdr.events import EventKind, EventRow, Parsed, figure, integer, parse, thaw

CHANNEL = "n0123456789ab-1700000000.1"
OFFER = {
    "eventtime": "1700000000.000250",
    "eventenum": "USER_DEFINED",
    "userdeftype": "OFFER;trunk=carrier-a;called=+74951110001",
    "uniqueid": CHANNEL,
    "linkedid": CHANNEL,
    "channame": "PJSIP/carrier-a-00000001",
}


def line(**changes: object) -> bytes:
    return json.dumps(OFFER | changes, separators=(",", ":")).encode()


def nothing_but_garbage(parsed: Parsed) -> bool:
    return parsed.rows == () and parsed.garbage == 1


def test_a_row_is_read_as_it_stands() -> None:
    [row] = parse([line()]).rows
    assert row == EventRow(
        1_700_000_000_000_250,
        EventKind.OFFER,
        CHANNEL,
        CHANNEL,
        "trunk=carrier-a;called=+74951110001",
    )
    assert row.values() == {"trunk": "carrier-a", "called": "+74951110001"}


def test_values_are_split_at_the_first_equals_sign_and_the_first_of_a_key_counts() -> None:
    [row] = parse(
        [line(userdeftype="REFUSE;who=AbC_-==;who=other;reason=blocked;empty=;;bare;")]
    ).rows
    assert row.values() == {"who": "AbC_-==", "reason": "blocked", "empty": ""}


def test_a_row_survives_staging() -> None:
    [row] = parse([line()]).rows
    kept = json.loads(json.dumps(row.freeze()))
    assert thaw(CHANNEL, kept) == row


@pytest.mark.parametrize(
    ("event", "kind"),
    [("ANSWER", EventKind.ANSWER), ("LINKEDID_END", EventKind.LINKEDID_END)],
)
def test_a_native_event_says_nothing_more(event: str, kind: EventKind) -> None:
    [row] = parse([line(eventenum=event, userdeftype="")]).rows
    assert (row.kind, row.extra) == (kind, "")


def test_a_node_start_belongs_to_no_call() -> None:
    nobody = {"uniqueid": "", "linkedid": "", "channame": ""}
    start = line(eventenum="NODE_START", userdeftype="NODE_START;boot=b2", **nobody)
    [row] = parse([start]).rows
    assert row == EventRow(1_700_000_000_000_250, EventKind.NODE_START, "", "", "boot=b2")


@pytest.mark.parametrize("event", ["HANGUP", "CHAN_START", "BRIDGE_ENTER"])
def test_events_that_records_do_not_need_are_no_garbage(event: str) -> None:
    parsed = parse([line(eventenum=event, userdeftype="")])
    assert (parsed.rows, parsed.garbage, parsed.ignored) == ((), 0, 1)


def test_an_event_of_ours_that_is_not_known_yet_is_no_garbage() -> None:
    assert parse([line(userdeftype="PARKED;at=7")]).ignored == 1


def test_a_row_of_ours_may_say_nothing_more() -> None:
    [row] = parse([line(userdeftype="OFFER")]).rows
    assert row.values() == {}


def test_a_native_name_does_not_make_an_event_of_ours_nor_the_other_way_about() -> None:
    parsed = parse(
        [
            line(userdeftype="LINKEDID_END"),
            line(userdeftype="NODE_START;boot=b2"),
            line(eventenum="END", userdeftype=""),
            line(eventenum="ANSWER", userdeftype="END;by=callee"),
        ]
    )
    assert parsed.rows == ()


HOSTILE = [
    "\r\n",
    "\x00",
    '"',
    "\\",
    "${SHELL(id)}",
    "a,b",
    "a&b",
    "%0d%0a",
    "тест",
    "<script>",
    "a b",
    "'",
    "`",
    "|",
]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("field", list(OFFER))
def test_a_value_outside_the_alphabet_refuses_the_row(field: str, hostile: str) -> None:
    if field == "channame" and hostile == "<script>":
        return  # Asterisk itself names channels like this: <ZOMBIE>
    assert nothing_but_garbage(parse([line(**{field: OFFER[field] + hostile})]))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        line()[:-1],
        line()[1:],
        line() + b"}",
        line(eventtime="1700000000"),
        line(eventtime=1700000000.5),
        line(eventtime="-1700000000.000000"),
        line(uniqueid=""),
        line(linkedid=""),
        line(linkedid="x" * 129),
        line(userdeftype="OFFER;a=" + "b" * 2000),
        line(userdeftype="OFFER a=b"),
        line(userdeftype={"a": "b"}),
        line().replace(b'"eventenum"', b'"channame"', 1),
    ],
)
def test_what_is_nearly_a_row_is_garbage(raw: bytes) -> None:
    assert nothing_but_garbage(parse([raw]))


def escaped_as_asterisk_does(value: str) -> str:
    """Asterisk's JSON writer escapes the quote and nothing else."""
    return value.replace('"', '\\"')


FORGED = line(userdeftype="END;by=callee;cause=16").decode()


@pytest.mark.parametrize(
    "value",
    [
        f"a\r\n{FORGED}\r\n",
        f'"}}\n{FORGED}\n',
        f"\\\n{FORGED}\n",
        FORGED,
        '","userdeftype":"END;by=callee',
        '\\","userdeftype":"END;by=callee',
        '\\\\","userdeftype":"END;by=callee',
        'x"}',
        '\\"}',
    ],
)
@pytest.mark.parametrize("event", ["USER_DEFINED", "HANGUP", "ANSWER"])
@pytest.mark.parametrize("field", ["userdeftype", "channame"])
def test_a_value_cannot_forge_a_row(value: str, event: str, field: str) -> None:
    own = "OFFER;called=" if event == "USER_DEFINED" else ""
    before = {"userdeftype": own, "channame": "PJSIP/"}[field]
    fields = OFFER | {"eventenum": event, "userdeftype": own, field: before + value}
    text = ",".join(f'"{key}":"{escaped_as_asterisk_does(of)}"' for key, of in fields.items())
    assert parse(("{" + text + "}").encode().split(b"\n")).rows == ()


@given(st.text(max_size=60), st.sampled_from(["userdeftype", "channame", "uniqueid", "linkedid"]))
def test_no_text_in_a_field_makes_another_row_of_it(value: str, field: str) -> None:
    own = "OFFER;called=" if field == "userdeftype" else ""
    fields = OFFER | {field: own + value}
    text = ",".join(f'"{key}":"{escaped_as_asterisk_does(of)}"' for key, of in fields.items())
    for row in parse(("{" + text + "}").encode().split(b"\n")).rows:
        assert row.kind is EventKind.OFFER
        said = {"userdeftype": row.extra, "uniqueid": row.unique_id, "linkedid": row.linked_id}
        assert field == "channame" or said[field].endswith(value)


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_are_read_without_an_error(lines: list[bytes]) -> None:
    parsed = parse(lines)
    assert parsed.garbage == len(lines)


@given(st.integers(0, len(line()) - 1))
def test_a_torn_row_does_not_take_the_next_one_with_it(cut: int) -> None:
    parsed = parse([line()[:cut] + line(userdeftype="PLAN;session=ses_1")])
    assert [row.kind for row in parsed.rows] == [EventKind.PLAN]
    assert parsed.garbage == (cut > 0)


def test_two_rows_on_one_line_are_both_kept() -> None:
    parsed = parse([line() + line(userdeftype="PLAN;session=ses_1")])
    assert [row.kind for row in parsed.rows] == [EventKind.OFFER, EventKind.PLAN]


def test_facts_of_one_moment_stand_in_one_line() -> None:
    parsed = parse([line(userdeftype="PLAN;session=ses_1|ATTEMPT;n=1;trunk=b|TEA;k=v|END")])
    assert [(row.kind, row.extra) for row in parsed.rows] == [
        (EventKind.PLAN, "session=ses_1"),
        (EventKind.ATTEMPT, "n=1;trunk=b"),
        (EventKind.END, ""),
    ]
    assert len({row.at_us for row in parsed.rows}) == 1
    assert parsed.garbage == parsed.ignored == 0


NODE = CHANNEL.partition("-")[0]
CALL = f"{NODE}-1700000000.77"


@pytest.mark.parametrize(
    "kind",
    ["LEG", "END", "HANDOVER", "QUALITY", "CLICK", "CLICK_END", "ANNOUNCED", "ANSWER"],
)
def test_a_leg_that_joins_later_names_the_call(kind: str) -> None:
    [row] = parse([line(userdeftype=f"{kind};call={CALL};side=caller")], NODE).rows
    assert (row.kind, row.unique_id, row.linked_id) == (kind, CHANNEL, CALL)


def test_an_answer_that_we_tell_of_ourselves_names_its_call() -> None:
    assert parse([line(userdeftype="ANSWER;side=callee")], NODE).rows == ()


def test_only_the_fact_that_names_it_is_of_another_call() -> None:
    said = f"LEG;side=caller;x=call|END;call={CALL};by=caller|QUALITY;recall=1"
    rows = parse([line(userdeftype=said)], NODE).rows
    assert [row.linked_id for row in rows] == [CHANNEL, CALL, CHANNEL]


@pytest.mark.parametrize(
    "forged",
    [
        "END;call=other-1700000000.1",  # not our node's name
        f"END;call={NODE}",
        f"END;call={NODE}1700000000.1",
        f"END;call=x{CALL}",
        f"END;call={CALL}/../x",
        f"END;call={CALL};call={CALL}",
        f"END;by=caller;call={CALL};call=",
        "END;call=",
        f"PLAN;call={CALL};session=ses_1",  # a kind of row that begins calls
        f"OFFER;trunk=a;call={CALL}",
        f"REFUSE;call={CALL}",
        f"PROMPT;call={CALL}",
        f"ATTEMPT;n=1;call={CALL}",
        f"ATTEMPT_END;n=1;call={CALL}",
        f"WOKE;n=1;call={CALL}",
    ],
)
def test_a_forged_call_refuses_the_row(forged: str) -> None:
    assert nothing_but_garbage(parse([line(userdeftype=forged)], NODE))


def test_without_the_nodes_name_no_row_may_name_a_call() -> None:
    assert nothing_but_garbage(parse([line(userdeftype=f"END;call={CALL}")]))


@pytest.mark.parametrize("odd", ["|", "PLAN|", "|PLAN", "PLAN;a=b||END", "PLAN;a=b|end"])
def test_an_empty_fact_refuses_the_row(odd: str) -> None:
    assert nothing_but_garbage(parse([line(userdeftype=odd)]))


def test_a_row_behind_the_zeros_of_a_power_cut_is_kept() -> None:
    assert len(parse([b"\0" * 4000 + line()]).rows) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("17", 17),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("128", None),
        ("9" * 30, None),
    ],
)
def test_integers_are_bounded(text: str, value: int | None) -> None:
    assert integer({"cause": text}, "cause", most=127) == value
    assert integer({}, "cause") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.0205", 0.0205), ("-1.5", -1.5), ("", None), ("nan", None), ("inf", None), ("1e9", None)],
)
def test_figures_are_plain_decimals(text: str, value: float | None) -> None:
    assert figure({"rtt": text}, "rtt") == value


def slowly(raw: bytes, node: str) -> Parsed:
    """What `parse` makes of the line where nothing is read by the short way."""
    with mock.patch.object(events, "_QUICK", re.compile("(?!)")):
        return parse([raw], node)


FACTS = st.text("OFERANDPLEGWS_ac=;|:.1/\x00é ", max_size=40).map(str)
WORDS = st.sampled_from(
    ["OFFER", "LEG", "END", "ANSWER", "LINKEDID_END", "NODE_START", "HANGUP", "TEA", "", "call="]
)


@given(
    event=st.one_of(st.just("USER_DEFINED"), WORDS),
    said=st.lists(st.one_of(WORDS, FACTS, st.just(f"call={CALL}")), max_size=4).map(";".join),
    ids=st.sampled_from([("", ""), (CHANNEL, ""), ("", CHANNEL), (CHANNEL, CALL), ("a b", "c")]),
    end=st.sampled_from(["", "\r", "\n", " ", "}"]),
)
def test_the_short_way_reads_what_the_long_one_reads(
    event: str, said: str, ids: tuple[str, str], end: str
) -> None:
    fields = OFFER | {"eventenum": event, "userdeftype": said}
    fields |= {"uniqueid": ids[0], "linkedid": ids[1]}
    text = "{" + ",".join(f'"{key}":"{value}"' for key, value in fields.items()) + "}" + end
    raw = text.encode()
    assert parse([raw], NODE) == slowly(raw, NODE)


@pytest.mark.parametrize("kind", list(EventKind))
@pytest.mark.parametrize("said", ["", ";", ";a=b", ";a=b;c", ";call=x", "|END", ";" + "x" * 2001])
def test_every_kind_is_read_alike_by_both_ways(kind: str, said: str) -> None:
    for event in ("USER_DEFINED", kind):
        raw = line(eventenum=event, userdeftype=kind + said)
        assert parse([raw], NODE) == slowly(raw, NODE)
