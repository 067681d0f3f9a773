"""The event stream that `bench.ami` feeds to every client: calls recorded from Asterisk 22.10.1.

`ami_call.txt` holds every event of one call of two Local channel pairs (82 events, all classes).
"""

from __future__ import annotations

from pathlib import Path

SYSTEMNAME = "4f9d1c6ab37e52f08d61c3a5e97b204d"
GREETING = b"Asterisk Call Manager/11.0.0\r\n"
NOISE = frozenset({"VarSet", "Newexten", "TestEvent"})
"""Events that Maskline switches off at their source."""


def events(count: int, *, leave_out: frozenset[str] = frozenset()) -> list[bytes]:
    """Return `count` whole events of consecutive calls, each with its empty line."""
    recorded = (Path(__file__).parent / "ami_call.txt").read_text(encoding="utf-8")
    call = [
        frame
        for frame in recorded.rstrip("\n").split("\n\n")
        if frame.partition("\n")[0].removeprefix("Event: ") not in leave_out
    ]
    stream: list[bytes] = []
    for serial in range(-(-count // len(call))):
        for frame in call:
            text = (
                frame.replace("{system}", SYSTEMNAME)
                .replace("{call}", str(1_795_000_000 + serial))
                .replace("{serial}", f"{serial:07x}")
                .replace("\n", "\r\n")
            )
            stream.append(text.encode() + b"\r\n\r\n")
    return stream[:count]
