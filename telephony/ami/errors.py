"""What can go wrong when talking to Asterisk's manager interface.

One root, narrow children, each with a stable `error_id`. An error's text never holds a header
value: values may be phone numbers. What Asterisk said is kept in attributes for code that decides.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ActionRefused",
    "ActionTimeout",
    "AmiError",
    "AuthenticationRefused",
    "ClosedByUs",
    "ConnectFailed",
    "ConnectionLost",
    "FrameTooLong",
    "ListCancelled",
    "ListIncomplete",
    "ListTooLong",
    "LoginRefused",
    "LoginTimeout",
    "NotAmi",
    "NotConnected",
    "NotSendable",
    "PermanentAmiError",
    "PingTimeout",
    "TooBusy",
]


class AmiError(Exception):
    """Talking to Asterisk failed."""

    error_id: ClassVar[str] = "ami_error"


class PermanentAmiError(AmiError):
    """Trying again cannot help: the configuration has to change first."""

    error_id = "ami_permanent"


class NotSendable(AmiError):
    """The action cannot be put on the wire; nothing was written."""

    error_id = "ami_not_sendable"

    def __init__(self, rule: str, header: str) -> None:
        super().__init__(f"{rule} (in {header})")
        self.rule = rule
        self.header = header


class TooBusy(AmiError):
    """Too many actions wait already; nothing was written."""

    error_id = "ami_busy"


class ConnectionLost(AmiError):
    """The connection is gone.

    `cause` is the first thing that went wrong with it. `sent` says whether the action may have
    reached Asterisk; it is never sent again by this package.
    """

    error_id = "ami_connection_lost"

    def __init__(self, cause: BaseException, *, sent: bool = False) -> None:
        super().__init__(f"connection lost: {describe(cause)}")
        self.cause = cause
        self.sent = sent
        self.__cause__ = cause


class NotConnected(ConnectionLost):
    """There is no connection at the moment; nothing was written."""

    error_id = "ami_not_connected"


class ConnectFailed(AmiError):
    """No TCP connection could be made."""

    error_id = "ami_connect_failed"


class ClosedByUs(AmiError):
    """This side closed the connection."""

    error_id = "ami_closed"


class PingTimeout(AmiError):
    """Asterisk did not answer a ping in time."""

    error_id = "ami_ping_timeout"


class NotAmi(AmiError):
    """The other side does not greet as Asterisk's manager does."""

    error_id = "ami_not_ami"


class FrameTooLong(AmiError):
    """The other side sends a frame without end."""

    error_id = "ami_frame_too_long"


class LoginTimeout(AmiError):
    """Greeting or login took too long."""

    error_id = "ami_login_timeout"


class LoginRefused(AmiError):
    """Asterisk refused the login for a reason that may pass (such as "already in use")."""

    error_id = "ami_login_refused"


class AuthenticationRefused(PermanentAmiError):
    """Asterisk refused user name, secret or address."""

    error_id = "ami_authentication_refused"


class ActionRefused(AmiError):
    """Asterisk answered an action with an error.

    `reason` is Asterisk's own message. It may quote a channel name, so it stays out of the text.
    """

    error_id = "ami_action_refused"

    def __init__(self, action: str, reason: str) -> None:
        super().__init__(f"Asterisk refused {action}")
        self.action = action
        self.reason = reason


class ActionTimeout(AmiError):
    """No answer within the deadline. With `sent`, the action may still be carried out."""

    error_id = "ami_action_timeout"

    def __init__(self, action: str, deadline_s: float, *, sent: bool) -> None:
        super().__init__(f"no answer to {action} within {deadline_s:g} s")
        self.action = action
        self.deadline_s = deadline_s
        self.sent = sent


class ListCancelled(AmiError):
    """Asterisk broke an event list off; what came of it must not be taken for the whole."""

    error_id = "ami_list_cancelled"

    def __init__(self, action: str) -> None:
        super().__init__(f"Asterisk cancelled the list of {action}")
        self.action = action


class ListIncomplete(AmiError):
    """An event list ended with fewer believable entries than Asterisk says it sent."""

    error_id = "ami_list_incomplete"

    def __init__(self, action: str, missing: int) -> None:
        super().__init__(f"the list of {action} lacks {missing} entries")
        self.action = action
        self.missing = missing


class ListTooLong(AmiError):
    """An event list has more entries than the caller allowed."""

    error_id = "ami_list_too_long"

    def __init__(self, action: str, max_items: int) -> None:
        super().__init__(f"the list of {action} has more than {max_items} entries")
        self.action = action
        self.max_items = max_items


def describe(cause: BaseException) -> str:
    """Name a cause without any value: our own texts are clean, others show their type alone."""
    if isinstance(cause, AmiError):
        return str(cause) or (type(cause).__doc__ or "").strip().partition("\n")[0]
    if isinstance(cause, OSError) and cause.errno is not None:
        return f"{type(cause).__name__} (errno {cause.errno})"
    return type(cause).__name__
