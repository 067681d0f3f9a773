from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.ami import (
    Decoder,
    Event,
    FrameTooLong,
    Greeting,
    NotAmi,
    Rejected,
    Rejection,
    Response,
)
from telephony.ami.codec import Received

SYSTEMNAME = "n0123456789ab"
PREFIX = "5eed-"
GREETING = b"Asterisk Call Manager/11.0.0\r\n"
HEAD = (
    b"Privilege: call,all\r\nTimestamp: 1795000000.123456\r\nSystemName: " + SYSTEMNAME.encode()
) + b"\r\n"


def decoder(systemname: str | None = SYSTEMNAME, **options: int) -> Decoder:
    return Decoder(systemname=systemname, action_id_prefix=PREFIX, **options)


def decode(data: bytes, *cuts: int, systemname: str | None = SYSTEMNAME) -> list[Received]:
    """Feed `data` in pieces that end at `cuts`."""
    subject = decoder(systemname)
    for start, end in itertools.pairwise((0, *cuts, len(data))):
        subject.feed(data[start:end])
    frames = list(subject.frames())
    assert not subject.has_frames
    return frames


def one(data: bytes) -> Received:
    greeting, frame = decode(GREETING + data)
    assert greeting == Greeting("11.0.0")
    return frame


MESSAGES = {
    "event": b"Event: Hangup\r\n" + HEAD + b"Channel: PJSIP/a-1\r\nCause: 16\r\n\r\n",
    "russian": b"Event: UserEvent\r\n" + HEAD + "Имя: Анна — «да»\r\n\r\n".encode(),
    "empty values": b"Event: Newchannel\r\n" + HEAD + b"AccountCode: \r\nExten:\r\n\r\n",
    "repeated": b"Event: X\r\n" + HEAD + b"ChanVariable: a=1\r\nChanVariable: b=2\r\n\r\n",
    "bare CR and LF": b"Event: X\r\n" + HEAD + b"A: x\ry\nz\r\r\n\r\n",
    "response": b"Response: Success\r\nActionID: 5eed-1\r\nMessage: Fine\r\n\r\n",
    "item": b"Event: CoreShowChannel\r\nActionID: 5eed-2\r\nChannel: a\r\n\r\n",
    "too many empty lines": b"\r\n\r\n\r\nResponse: Error\r\nActionID: 5eed-3\r\n\r\n\r\n\r\n\r\n",
    "forged": b"Event: Hangup\r\nChannel: a\r\n\r\n",
    "garbage": b"no colon\r\n\xff\x00\r\n\r\n",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_cut_at_any_byte_is_the_same_message(name: str) -> None:
    data = GREETING + MESSAGES[name]
    whole = decode(data)
    assert len(whole) == 2
    for cut in range(len(data) + 1):
        assert decode(data, cut) == whole


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_that_comes_byte_by_byte_is_the_same_message(name: str) -> None:
    data = GREETING + MESSAGES[name]
    assert decode(data, *range(len(data))) == decode(data)


def test_all_messages_in_one_read_come_out_in_order() -> None:
    frames = decode(GREETING + b"".join(MESSAGES.values()))
    assert [type(frame) for frame in frames] == [
        Greeting, *[Event] * 5, Response, Event, Response, Rejected, Rejected,
    ]  # fmt: skip


def test_headers_are_read_from_an_event() -> None:
    event = one(MESSAGES["event"])
    assert isinstance(event, Event)
    assert (event.name, event.action_id) == ("Hangup", None)
    assert event.get("Event") == "Hangup"
    assert event.get("Cause") == "16"
    assert event.get("cause") is None
    assert event.get("Chan") is None
    assert event.timestamp_s == 1795000000.123456
    assert dict(event.headers())["Channel"] == "PJSIP/a-1"


def test_empty_values_differ_from_missing_ones() -> None:
    event = one(MESSAGES["empty values"])
    assert isinstance(event, Event)
    assert event.get("AccountCode") == ""
    assert event.get("Exten") == ""
    assert event.get("Language") is None


def test_repeated_headers_keep_their_order_and_are_not_taken_for_one() -> None:
    event = one(MESSAGES["repeated"])
    assert isinstance(event, Event)
    assert event.get_all("ChanVariable") == ("a=1", "b=2")
    assert event.get("ChanVariable") is None
    assert event.get_all("Nothing") == ()


def test_a_header_smuggled_in_through_another_makes_both_untrusted() -> None:
    event = one(b"Event: X\r\n" + HEAD + b"Num: 1\r\nUniqueid: evil\r\nUniqueid: true\r\n\r\n")
    assert isinstance(event, Event)
    assert event.get("Uniqueid") is None
    again = one(b"Event: X\r\n" + HEAD + b"Num: 1\r\nEvent: Hangup\r\n\r\n")
    assert isinstance(again, Event)
    assert again.name == "X"
    assert again.get("Event") is None


def test_bytes_that_are_no_utf8_are_replaced_and_kept_raw() -> None:
    event = one(b"Event: X\r\n" + HEAD + b"Name: a\xff\xfeb\r\n\r\n")
    assert isinstance(event, Event)
    name = event.get("Name")
    assert name == "a\ufffd\ufffdb"
    assert name.encode()
    assert b"a\xff\xfeb" in event.raw


def test_values_do_not_show_in_representations() -> None:
    for name in ("event", "response", "item"):
        assert "PJSIP" not in repr(one(MESSAGES[name]))
        assert "Fine" not in repr(one(MESSAGES[name]))


def test_frames_cannot_be_changed() -> None:
    event = one(MESSAGES["event"])
    with pytest.raises(AttributeError):
        event.name = "Newchannel"  # type: ignore[misc, union-attr]


FORGED_HEADS = {
    "no head": b"Channel: a\r\n",
    "no system name": b"Privilege: call,all\r\nTimestamp: 1795000000.123456\r\nChannel: a\r\n",
    "a guessed system name": HEAD.replace(b"n012", b"n112"),
    "a longer system name": HEAD.replace(b"89ab", b"89abc"),
    "a shorter system name": HEAD.replace(b"89ab", b"89a"),
    "no time": HEAD.replace(b"Timestamp: 1795000000.123456\r\n", b""),
    "another order": b"Timestamp: 1795000000.123456\r\nPrivilege: call,all\r\n" + HEAD[-28:],
    "a line before": b"Channel: a\r\n" + HEAD,
    "spelled otherwise": HEAD.replace(b"Privilege", b"privilege"),
    "a bare line feed": HEAD.replace(b"\r\nTime", b"\nTime"),
}


@pytest.mark.parametrize("head", FORGED_HEADS.values(), ids=FORGED_HEADS.keys())
def test_an_event_that_does_not_begin_as_asterisks_do_is_rejected(head: bytes) -> None:
    frame = b"Event: Hangup\r\n" + head + b"Channel: a\r\n"
    assert one(frame + b"\r\n") == Rejected(Rejection.FORGED, len(frame) - 2)


SMUGGLED = (
    b"+7916\r\nUniqueid: forged\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\n"
    b"Timestamp: 1795000000.123456\r\nSystemName: guess\r\nChannel: victim\r\n\r\n"
    b"Response: Success\r\nMessage: x\r\n\r\nX: y"
)


def kinds(frames: list[Received]) -> list[object]:
    return [getattr(frame, "name", getattr(frame, "reason", None)) for frame in frames]


def test_what_a_caller_smuggles_into_a_value_is_rejected_and_the_next_event_believed() -> None:
    stream = b"Event: Newchannel\r\n" + HEAD + b"Num: " + SMUGGLED + b"\r\nUniqueid: 1\r\n\r\n"
    assert kinds(decode(GREETING + stream + MESSAGES["event"])[1:]) == [
        Rejection.TAMPERED,
        Rejection.FORGED,
        Rejection.FOREIGN,
        Rejection.MALFORMED,
        "Hangup",
    ]


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\r\n\r\n\r\n", b"\r\n\r\n\r\n\r\nX", b"\r\n\r\nEv"])
def test_an_event_that_is_ended_early_is_rejected(end: bytes) -> None:
    """Else its last headers could be a caller's, with the true ones cut off."""
    stream = b"Event: X\r\n" + HEAD + b"Num: 1\r\nUniqueid: forged" + end + b"\r\nUniqueid: 1\r\n"
    assert kinds(decode(GREETING + stream + b"\r\n" + MESSAGES["event"])[1:]) == [
        Rejection.TAMPERED,
        Rejection.MALFORMED,
        "Hangup",
    ]


def test_an_event_whose_rest_is_not_read_whole_yet_is_rejected() -> None:
    stream = b"Event: X\r\n" + HEAD + b"Uniqueid: forged\r\n\r\nY: 1\r\nUniq"
    subject = decoder()
    subject.feed(GREETING + stream)
    assert kinds(list(subject.frames())[1:]) == [Rejection.TAMPERED]


@pytest.mark.parametrize("begun", [b"", b"E", b"Event: Han", b"Resp", b"Response: Success", b"\r"])
def test_an_event_is_believed_while_the_next_frame_comes_in(begun: bytes) -> None:
    subject = decoder()
    subject.feed(GREETING + MESSAGES["event"] + begun)
    assert kinds(list(subject.frames())[1:]) == ["Hangup"]


def test_an_item_that_is_ended_early_loses_its_headers_and_keeps_its_place() -> None:
    start = b"Event: CoreShowChannel\r\nActionID: 5eed-2\r\n"
    stream = start + b"Num: " + SMUGGLED + b"\r\nUniqueid: 1\r\n\r\n" + MESSAGES["item"]
    frames = decode(GREETING + stream)[1:]
    assert kinds(frames) == [
        "CoreShowChannel",
        Rejection.FORGED,
        Rejection.FOREIGN,
        Rejection.MALFORMED,
        "CoreShowChannel",
    ]
    cut, whole = frames[0], frames[-1]
    assert isinstance(cut, Event)
    assert isinstance(whole, Event)
    assert list(cut.headers()) == [("Event", "CoreShowChannel"), ("ActionID", "5eed-2")]
    assert whole.get("Channel") == "a"


STATUS = b"Event: Status\r\nPrivilege: Call\r\n"


@pytest.mark.parametrize("tail", [b"\r\n\r\nX: y", b"\r\n\r\nEvent: Status\r\nUniqueid: forged"])
def test_an_item_with_its_id_last_that_is_tampered_with_loses_its_headers(tail: bytes) -> None:
    honest = STATUS + b"Uniqueid: 2\r\nActionID: 5eed-2\r\n\r\n"
    hostile = STATUS + b"Num: " + SMUGGLED + tail + b"\r\nActionID: 5eed-2\r\n\r\n"
    frames = decode(GREETING + honest + hostile + honest)
    items = [frame for frame in frames if isinstance(frame, Event)]
    assert [(item.name, item.get("Uniqueid")) for item in items] == [
        ("Status", "2"),
        ("", None),
        ("Status", "2"),
    ]
    assert {item.action_id for item in items} == {"5eed-2"}
    assert all(item.trailing_id for item in items)
    assert b"forged" not in b"".join(item.raw for item in items)


def test_a_response_must_carry_our_id_in_its_second_line() -> None:
    late = b"Response: Success\r\nValue: x\r\nActionID: 5eed-1\r\n\r\n"
    assert isinstance(one(late), Rejected)
    other = b"Response: Success\r\nActionID: feed-1\r\n\r\n"
    assert isinstance(one(other), Rejected)


def test_an_item_that_carries_its_id_last_is_marked() -> None:
    event = one(b"Event: DBGetResponse\r\nVal: x\r\nActionID: 5eed-7\r\n\r\n")
    assert isinstance(event, Event)
    assert (event.action_id, event.trailing_id) == ("5eed-7", True)


def test_without_a_system_name_the_order_alone_is_checked() -> None:
    bare = b"Event: X\r\nPrivilege: call,all\r\nTimestamp: 1795000000.123456\r\nA: 1\r\n\r\n"
    assert isinstance(decode(GREETING + bare, systemname=None)[1], Event)
    assert isinstance(decode(GREETING + MESSAGES["forged"], systemname=None)[1], Rejected)


BOOT = (
    b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 5\r\nLastReload: 5\r\n"
    b"Status: Fully Booted\r\n\r\n"
)


def test_the_boot_event_of_a_login_is_believed_once_and_only_as_the_next_frame() -> None:
    subject = decoder()
    subject.feed(GREETING + BOOT)
    assert isinstance(list(subject.frames())[1], Rejected)
    subject.allow_boot_event()
    subject.feed(BOOT + BOOT)
    believed, again = subject.frames()
    assert isinstance(believed, Event)
    assert believed.get("Uptime") == "5"
    assert isinstance(again, Rejected)
    subject.allow_boot_event()
    subject.feed(MESSAGES["response"] + BOOT)
    assert isinstance(list(subject.frames())[1], Rejected)


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n", b"\x16\x03\x01", b"A" * 300])
def test_what_does_not_greet_as_a_manager_is_refused(data: bytes) -> None:
    subject = decoder()
    with pytest.raises(NotAmi):
        subject.feed(data)


def test_a_greeting_without_end_is_refused() -> None:
    with pytest.raises(NotAmi):
        decoder().feed(b"Asterisk Call Manager/" + b"1" * 300)


def test_a_frame_without_end_is_refused_at_the_cap() -> None:
    subject = decoder(max_frame_bytes=1000)
    subject.feed(GREETING + b"Event: X\r\n" + b"a" * 900)
    assert subject.unfinished_bytes == 910
    with pytest.raises(FrameTooLong):
        subject.feed(b"a" * 100)


def test_frames_may_be_left_and_taken_up_again() -> None:
    subject = decoder()
    subject.feed(GREETING + MESSAGES["event"] * 3)
    assert isinstance(next(subject.frames()), Greeting)
    assert isinstance(next(subject.frames()), Event)
    assert subject.has_frames
    assert len(list(subject.frames())) == 2


def test_a_long_frame_in_small_pieces_takes_linear_time() -> None:
    # Quadratic, this would look at 100 GB.
    subject = decoder(max_frame_bytes=1 << 20)
    subject.feed(GREETING)
    for _ in range(200_000):
        subject.feed(b"abcd\r")
    assert subject.unfinished_bytes == 1_000_000


def test_a_flood_of_empty_lines_takes_linear_time() -> None:
    assert decode(GREETING + b"\r\n" * 500_000) == [Greeting("11.0.0")]


name_text = st.text(st.characters(min_codepoint=48, max_codepoint=122, exclude_characters=":"))
values = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=40)
headers = st.lists(st.tuples(name_text.filter(bool), values), max_size=8)


@given(st.lists(headers, max_size=6), st.data())
def test_events_come_out_as_they_went_in_however_they_are_cut(
    events: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    stream = GREETING
    for pairs in events:
        lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
        stream += b"Event: X\r\n" + HEAD + lines.encode() + b"\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10).map(sorted))
    _, *frames = decode(stream, *cuts)
    read = [list(frame.headers())[4:] for frame in frames if isinstance(frame, Event)]
    assert read == events


alphabet = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"Event: ",
        b"Response: ",
        b"ActionID: 5eed-1",
        b": ",
        HEAD,
    ]
)


@given(st.lists(alphabet | st.binary(max_size=6), max_size=60), st.data())
def test_garbage_never_raises_and_is_cut_alike_however_it_comes(
    parts: list[bytes], data: st.DataObject
) -> None:
    stream = GREETING + b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10).map(sorted))
    frames = decode(stream, *cuts)
    assert frames == decode(stream)
    for frame in frames:
        if isinstance(frame, Event | Response):
            assert list(frame.headers()) or frame.raw == b""
            assert repr(frame)
            assert frame.get("Event") is None or isinstance(frame, Event | Response)


@given(st.binary(max_size=4000))
def test_nothing_is_kept_beyond_the_cap(data: bytes) -> None:
    subject = decoder(max_frame_bytes=512)
    subject.feed(GREETING)
    try:
        for start in range(0, len(data), 64):
            subject.feed(data[start : start + 64])
            list(subject.frames())
            assert subject.unfinished_bytes <= 512
    except FrameTooLong:
        pass
