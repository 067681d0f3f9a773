"""What can go wrong in the simulated carrier."""


class DemoError(Exception):
    """Root of this package's errors."""

    error_id = "demo"


class SippFailed(DemoError):
    """SIPp ended before its time."""

    error_id = "sipp_failed"


class NotReached(DemoError):
    """A call did not reach the state that was waited for."""

    error_id = "not_reached"
