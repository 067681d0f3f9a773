"""Looks for bytes that the decoder gets wrong: `python -m tests.unit.ami.fuzz --seconds 60`.

Mutates the files of `corpus/` and checks what must hold for any bytes. What fails is kept in
`corpus/` under its hash, and the tests replay it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

from telephony.ami import AmiError, Decoder, Event, Response
from telephony.ami.codec import Received

CORPUS = Path(__file__).parent / "corpus"
SYSTEMNAME = "n0123456789ab"
PREFIX = "5eed-"
CAP = 1 << 16
PIECES = (
    *(b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b": ", b"Event: ", b"Response: Success\r\n"),
    *(b"ActionID: 5eed-1\r\n", b"EventList: Complete\r\n", b"Privilege: call,all\r\n"),
    *(b"Timestamp: 1795000000.000001\r\n", b"SystemName: n0123456789ab\r\n", b"\xd0", b"\xff"),
)


def decode(data: bytes, size: int) -> tuple[list[Received], str]:
    """Feed `data` in pieces of `size`; return the frames and the error that ended it, if any."""
    decoder = Decoder(systemname=SYSTEMNAME, action_id_prefix=PREFIX, max_frame_bytes=CAP)
    error = ""
    try:
        for start in range(0, len(data), size):
            decoder.feed(data[start : start + size])
            assert decoder.unfinished_bytes <= CAP
    except AmiError as raised:
        error = raised.error_id
    return list(decoder.frames()), error


def check(data: bytes) -> None:
    """Raise AssertionError unless the decoder does with these bytes what it promises."""
    frames, error = decode(data, max(1, len(data)))
    for size in (1 if len(data) < 1000 else 53, 7 if len(data) < 6000 else 997):
        assert decode(data, size) == (frames, error)
    for frame in frames:
        if not isinstance(frame, Event | Response):
            continue
        if not frame.raw:
            assert isinstance(frame, Event)
            assert frame.trailing_id
            assert frame.name == ""
            continue
        lines = frame.raw.split(b"\r\n")
        assert all(lines)
        if isinstance(frame, Event) and frame.action_id is None:
            assert lines[0] == b"Event: " + lines[0][7:]
            assert lines[1].startswith(b"Privilege: ")
            assert lines[2].startswith(b"Timestamp: ")
            assert lines[3] == b"SystemName: " + SYSTEMNAME.encode()
            assert frame.timestamp_s is not None
        elif isinstance(frame, Event) and frame.trailing_id:
            assert any(line.startswith(b"ActionID: 5eed-") for line in lines[2:])
        else:
            assert lines[1].startswith(b"ActionID: 5eed-")
        values: dict[str, list[str]] = {}
        for name, value in frame.headers():
            values.setdefault(name, []).append(value)
        for name, got in values.items():
            if name.isascii() and "\n" not in name:
                assert frame.get(name) == (got[0] if len(got) == 1 else None)


def corpus() -> Iterator[tuple[str, bytes]]:
    """Give the kept inputs."""
    for path in sorted(CORPUS.glob("*.bin")):
        yield path.name, path.read_bytes()


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Change an input a little."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(changed))
        match rng.randint(0, 3):
            case 0:
                changed[at:at] = rng.choice(PIECES)
            case 1:
                del changed[at : at + rng.randint(1, 40)]
            case 2:
                end = at + rng.randint(1, 200)
                changed[at:at] = changed[at:end]
            case _:
                changed[at : at + 1] = rng.randbytes(1)
    return bytes(changed)


def main() -> int:
    """Mutate and check for as long as asked."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--seed", type=int, default=None)
    options = arguments.parse_args()
    rng = random.Random(options.seed)
    kept = [data for _, data in corpus()]
    count, until_s = 0, time.monotonic() + options.seconds
    while time.monotonic() < until_s:
        data = mutate(rng.choice(kept), rng)
        count += 1
        try:
            check(data)
        except Exception:
            name = hashlib.sha256(data).hexdigest()[:16]
            (CORPUS / f"{name}.bin").write_bytes(data)
            print(f"kept as {name}.bin")
            raise
    print(f"{count} inputs, nothing found")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
