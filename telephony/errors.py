"""What can go wrong with a node. One root, narrow children; no text holds a phone number."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

__all__ = [
    "AlreadyRunning",
    "AuthoritiesUnusable",
    "BadTrunk",
    "DataFolderUnusable",
    "NodeDied",
    "NodeNotReady",
    "PlanUnusable",
    "PortTaken",
    "TelephonyError",
    "TrunksNotTaken",
    "UnknownCall",
]


class TelephonyError(Exception):
    """Something between us and Asterisk failed."""

    error_id: ClassVar[str] = "telephony"


class DataFolderUnusable(TelephonyError):
    """The node's folder cannot be made or written."""

    error_id = "data_folder_unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write to {path}: {reason}")
        self.path = path


class AuthoritiesUnusable(TelephonyError):
    """Those who should vouch for carriers cannot be read."""

    error_id = "authorities_unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot use sip_tls_ca {path}: {reason}")
        self.path = path


class AlreadyRunning(TelephonyError):
    """Another Maskline holds the data folder."""

    error_id = "already_running"

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{holder} already runs on {path}")
        self.path = path
        self.pid = pid


class PortTaken(TelephonyError):
    """A port given to the node belongs to somebody else, or the address is not this machine's."""

    error_id = "port_taken"

    def __init__(self, what: str, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot use {what} {host}:{port}: {reason}")
        self.what = what
        self.host = host
        self.port = port


class NodeNotReady(TelephonyError):
    """Asterisk did not become ready in time."""

    error_id = "node_not_ready"


class NodeDied(TelephonyError):
    """Asterisk ended by itself."""

    error_id = "node_died"


class BadTrunk(TelephonyError):
    """A trunk that cannot be written into Asterisk's configuration."""

    error_id = "bad_trunk"

    def __init__(self, trunk: str, field: str, rule: str) -> None:
        super().__init__(f"trunk {trunk}: {field} {rule}")
        self.trunk = trunk
        self.field = field


class TrunksNotTaken(TelephonyError):
    """Asterisk did not take the trunks over in time."""

    error_id = "trunks_not_taken"


class PlanUnusable(TelephonyError):
    """A plan holds something that must not reach the dialplan."""

    error_id = "plan_unusable"


class UnknownCall(TelephonyError):
    """No such call is up on this node."""

    error_id = "unknown_call"

    def __init__(self, call_id: str) -> None:
        super().__init__(f"no live call {call_id}")
        self.call_id = call_id
