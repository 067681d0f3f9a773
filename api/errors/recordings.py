"""Why a recording cannot be heard."""

from __future__ import annotations

from api.errors.base import ApiError
from api.errors.conflicts import Conflict
from api.errors.not_found import NotFound


class RecordingNotFound(NotFound):
    """The call has no recording."""

    error_id = "recording_not_found"
    title = "The call was not recorded"
    advice = "Look at the call's `recording` for the reason."


class RecordingPending(Conflict):
    """The call is over, the file is still being made."""

    error_id = "recording_pending"
    title = "The recording is not ready yet"
    advice = "Wait for `recording.ready`, or ask again in a minute."


class RecordingGone(ApiError):
    """There was one."""

    status = 410
    error_id = "recording_deleted"
    title = "The recording was deleted"
    advice = "It cannot be brought back: its key was destroyed."


class RangeNotSatisfiable(ApiError):
    """The range begins behind the end."""

    status = 416
    error_id = "range_not_satisfiable"
    title = "There are not so many bytes"
    advice = "Ask for a range within the length in the header `Content-Range`."


class RecordingUnreadable(ApiError):
    """The file is not there, or is not what was written."""

    error_id = "recording_unreadable"
    title = "The recording cannot be read"
    advice = "Give the request id to the operator: `maskline recordings verify` says more."
