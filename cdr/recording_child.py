"""``python -m cdr.recording_child``: encodes recordings, for the process that asks for it.

A process of its own, at the lowest priority: calls never wait for an encoder, and whatever a broken
file does to it, it does here. A JSON document comes in, one goes out (`cdr.child`). The sound
leaves it encrypted: the key comes over the pipe, and nothing of the sound touches the disk in clear
once more.
"""

from __future__ import annotations

import errno
import json
import os
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cdr import child, opus_file
from cdr.recording_cipher import SealingWriter
from masking.recording_states import RecordingFailure as Failure

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Serve until the end of the input."""
    os.nice(19)
    child.serve(lambda question: json.dumps(serve(json.loads(question))).encode())


def serve(job: Mapping[str, str]) -> dict[str, str | int]:
    """Make the file of one job; what it is, or as `failure` why there is none."""
    draft = Path(job["draft"])
    try:
        return _make(Path(job["source"]), draft, b64decode(job["key"]), job["call_id"])
    except opus_file.NoSound:
        failure = Failure.EMPTY
    except opus_file.UnknownSound:
        failure = Failure.UNREADABLE
    except opus_file.EncoderFailed:
        failure = Failure.ENCODER
    except FileNotFoundError as error:
        # The folder that it should go to is not the recording that is gone.
        failure = Failure.NO_FILE if error.filename == job["source"] else Failure.STORAGE
    except OSError as error:
        failure = Failure.DISK_FULL if error.errno in _FULL else Failure.STORAGE
    draft.unlink(missing_ok=True)
    return {"failure": failure.value}


def _make(source: Path, draft: Path, key: bytes, call_id: str) -> dict[str, str | int]:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        made = seal(source, file, key, call_id)
        file.flush()
        os.fsync(file.fileno())
    return made


def seal(source: Path, file: BinaryIO, key: bytes, call_id: str) -> dict[str, str | int]:
    """Encode `source` into `file`, encrypted."""
    writer = SealingWriter(file, key, call_id, os.urandom)
    duration_ms = opus_file.encode(source, writer)
    writer.close()
    return {
        "audio_bytes": writer.audio_bytes,
        "file_bytes": writer.file_bytes,
        "digest": writer.digest().hex(),
        "duration_ms": duration_ms,
    }


if __name__ == "__main__":
    main()
