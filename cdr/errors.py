"""What can go wrong with call records. Messages never carry what stood in an event file."""

from __future__ import annotations


class CdrError(Exception):
    """The root of this package's errors."""

    error_id = "cdr_error"


class CheckpointMoved(CdrError):
    """Another ingester has kept a batch meanwhile: nothing was written, go on where it is."""

    error_id = "checkpoint_moved"


class SpoolUnreadable(CdrError):
    """The node's event folder cannot be read."""

    error_id = "spool_unreadable"


class VersionMoved(CdrError):
    """The record has another version than the one that was to be corrected."""

    error_id = "version_moved"


class NothingToCorrect(CdrError):
    """The record says already what the correction would make it say."""

    error_id = "nothing_to_correct"


class CorrectionRefused(CdrError):
    """What is known of the call speaks against the correction."""

    error_id = "correction_refused"


class RecordingDamaged(CdrError):
    """The file of a recording is not what was written, or not with this key."""

    error_id = "recording_damaged"
