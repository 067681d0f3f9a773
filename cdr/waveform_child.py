"""``python -m cdr.waveform_child``: reads recordings for their waveforms, for who asks for it.

A process of its own, at the lowest priority and with bounds of its own: whatever a broken file does
to it, it does here. The key comes over the pipe; nothing of the sound goes anywhere but its peaks.
"""

from __future__ import annotations

import json
import os
import resource
from base64 import b64decode
from pathlib import Path
from typing import Any, Final

from cdr import child
from cdr.errors import RecordingDamaged
from cdr.recording_cipher import SealedReader
from cdr.waveform import NoWave, SealedSound, peaks

_MOST_BYTES: Final = 1 << 30  # of address space


def main() -> None:
    """Serve until the end of the input."""
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    child.serve(serve)


def serve(question: bytes) -> bytes:
    """The peaks of one recording, or as `failure` that there are none."""
    asked: dict[str, Any] = json.loads(question)
    said: dict[str, Any]
    try:
        left, right = _peaks(asked)
        said = {"caller": left, "callee": right}
    except (NoWave, RecordingDamaged, OSError, MemoryError):
        said = {"failure": True}
    return json.dumps(said, separators=(",", ":")).encode()


def _peaks(asked: dict[str, Any]) -> tuple[list[int], list[int]]:
    with Path(asked["path"]).open("rb") as file:
        reader = SealedReader(file, asked["file_bytes"], b64decode(asked["key"]), asked["call_id"])
        return peaks(SealedSound(reader), asked["duration_ms"], asked["buckets"])


if __name__ == "__main__":
    main()
