"""The words for what becomes of recordings. Values only."""

from __future__ import annotations

from enum import StrEnum


class RecordingState(StrEnum):
    """What can be done with a recording."""

    PENDING = "pending"  # the call is over, the file is being made
    READY = "ready"  # it can be heard
    FAILED = "failed"  # there is none
    DELETED = "deleted"  # there was one


class RecordingFailure(StrEnum):
    """Why there is none although there should be one."""

    ANNOUNCEMENT_FAILED = "announcement_failed"  # so nothing was recorded
    NOT_STARTED = "not_started"  # Asterisk did not begin to record
    NO_FILE = "no_file"  # what Asterisk recorded is gone
    EMPTY = "empty"  # it holds no sound
    UNREADABLE = "unreadable"  # it is no sound that we know
    ENCODER = "encoder"  # compressing failed, again and again
    DISK_FULL = "disk_full"  # there was no room, for days
    STORAGE = "storage"  # the disk failed, again and again


class RecordingDeletion(StrEnum):
    """Why a recording was deleted."""

    RETENTION = "retention"  # its time was over
    REQUEST = "request"  # somebody asked for it
    ERASURE = "erasure"  # a person on the call was erased
