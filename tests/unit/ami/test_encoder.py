from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.ami import Action, NotSendable, encode_action
from telephony.ami.codec import MAX_HEADERS, MAX_LINE_BYTES


def test_an_action_is_written_in_order_with_its_id() -> None:
    action = Action.of("Setvar", [("Variable", "a"), ("Value", "да"), ("Value", "")])
    assert (
        encode_action(action, "5eed-1")
        == (
            "Action: Setvar\r\nActionID: 5eed-1\r\nVariable: a\r\nValue: да\r\nValue: \r\n\r\n"
        ).encode()
    )


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\r\n", "x\r\nAction: Originate\r\n\r\n"])
def test_line_ends_and_nul_are_refused_everywhere(bad: str) -> None:
    for action in (
        Action.of("Ping" + bad),
        Action.of("Setvar", {"Value": "a" + bad}),
        Action.of("Setvar", {"Value" + bad: "a"}),
    ):
        with pytest.raises(NotSendable):
            encode_action(action, "5eed-1")
    with pytest.raises(NotSendable):
        encode_action(Action.of("Ping"), "5eed" + bad)


@pytest.mark.parametrize("name", ["", "a b", "a:b", " a", "я", "Action", "actionid", "a\t"])
def test_names_that_are_none_or_ours_are_refused(name: str) -> None:
    with pytest.raises(NotSendable):
        encode_action(Action.of("Ping", {name: "x"}), "5eed-1")


def test_a_line_may_have_1024_bytes_with_its_end_and_no_more() -> None:
    room = MAX_LINE_BYTES - len("X: \r\n")
    assert encode_action(Action.of("Ping", {"X": "a" * room}), "i")
    with pytest.raises(NotSendable):
        encode_action(Action.of("Ping", {"X": "a" * (room + 1)}), "i")
    # Bytes count, not characters.
    with pytest.raises(NotSendable):
        encode_action(Action.of("Ping", {"X": "ы" * (room // 2 + 1)}), "i")


def test_an_action_may_have_128_headers_and_no_more() -> None:
    pairs = [("X", "1")] * (MAX_HEADERS - 2)
    assert encode_action(Action.of("Ping", pairs), "i").count(b"\r\n") == MAX_HEADERS + 1
    with pytest.raises(NotSendable):
        encode_action(Action.of("Ping", [*pairs, ("X", "1")]), "i")


def test_lone_surrogates_are_refused_and_escaped_bytes_are_restored() -> None:
    with pytest.raises(NotSendable):
        encode_action(Action.of("Ping", {"X": "\ud800"}), "i")
    assert b"X: \xff\r\n" in encode_action(Action.of("Ping", {"X": "\udcff"}), "i")


def test_an_error_and_a_representation_show_no_value() -> None:
    action = Action.of("Setvar", {"Value": "+79161234567\n"})
    assert "7916" not in repr(action)
    with pytest.raises(NotSendable) as raised:
        encode_action(action, "i")
    assert "7916" not in str(raised.value)
    assert raised.value.header == "Value"


@given(st.text(max_size=40), st.lists(st.tuples(st.text(max_size=10), st.text(max_size=400))))
def test_whatever_is_written_is_read_as_exactly_one_action(
    name: str, pairs: list[tuple[str, str]]
) -> None:
    try:
        data = encode_action(Action.of(name, pairs), "5eed-1")
    except NotSendable:
        return
    lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    # As Asterisk reads: CR LF or LF ends a line, NUL ends a string, an empty line ends an action.
    assert data.count(b"\n") == len(lines) + 1
    assert b"\0" not in data
    assert all(0 < len(line) <= MAX_LINE_BYTES - 2 for line in lines)
    read = [tuple(line.decode("utf-8", "surrogateescape").split(": ", 1)) for line in lines]
    assert read == [("Action", name), ("ActionID", "5eed-1"), *pairs]
