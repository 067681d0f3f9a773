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
