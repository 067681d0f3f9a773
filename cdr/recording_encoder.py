"""Asks a process of its own to make files of recordings (`cdr.recording_child`)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cdr.child import Child, ChildFailed
from masking.recording_states import RecordingFailure

_BYTES_A_SECOND: Final = 100_000  # of raw sound; a quiet machine takes 30 times as many
_START_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """A file to be made."""

    call_id: str
    source: Path  # WAV
    draft: Path
    key: bytes = field(repr=False)

    def text(self) -> bytes:
        """As the child reads it."""
        said = {
            "call_id": self.call_id,
            "source": str(self.source),
            "draft": str(self.draft),
            "key": b64encode(self.key).decode(),
        }
        return json.dumps(said).encode()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file that was made, and is on the disk."""

    audio_bytes: int
    file_bytes: int
    digest: bytes
    duration_ms: int


class Encoder:
    """One child, one job at a time."""

    def __init__(self, child: Child | None = None) -> None:
        self.child = child or Child.module("cdr.recording_child")

    async def make(self, job: Job, source_bytes: int) -> Encoded | RecordingFailure:
        """Do `job`. A child that dies or is silent is the encoder's failure."""
        try:
            answer = await self.child.ask(job.text(), _START_S + source_bytes / _BYTES_A_SECOND)
            return result_of(json.loads(answer))
        except (ChildFailed, ValueError):
            return RecordingFailure.ENCODER

    async def close(self) -> None:
        """Let the child end."""
        await self.child.close()


def result_of(answer: Mapping[str, Any]) -> Encoded | RecordingFailure:
    """What the child has said."""
    if "failure" in answer:
        return RecordingFailure(answer["failure"])
    return Encoded(
        audio_bytes=answer["audio_bytes"],
        file_bytes=answer["file_bytes"],
        digest=bytes.fromhex(answer["digest"]),
        duration_ms=answer["duration_ms"],
    )
