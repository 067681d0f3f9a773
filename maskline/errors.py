"""What an operator can be told in one line. The command line prints it and exits with 1."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class MasklineError(Exception):
    """Root of this package's errors: its text is one line and names what to do."""

    error_id: ClassVar[str] = "maskline"


class SettingsRefused(MasklineError):
    """A setting is unknown or has a value that cannot be."""

    error_id = "settings_refused"


class DataFolderUnwritable(MasklineError):
    """The data folder cannot be made or written."""

    error_id = "data_folder_unwritable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write to the data folder {path}: {reason}")


class AlreadyRunning(MasklineError):
    """Another Maskline holds the data folder."""

    error_id = "already_running"

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{holder} already runs on the data folder {path}")


class PortTaken(MasklineError):
    """The HTTP address cannot be listened on."""

    error_id = "port_taken"

    def __init__(self, what: str, address: str, reason: str) -> None:
        super().__init__(f"cannot listen on {what} {address}: {reason}")


class NotRunning(MasklineError):
    """A command needs a running Maskline and there is none."""

    error_id = "not_running"

    def __init__(self, path: Path) -> None:
        super().__init__(f"nothing runs on the data folder {path}: start it with maskline up")


class CommandRefused(MasklineError):
    """The running Maskline refused what a command asked for."""

    error_id = "command_refused"


class PartFailed(MasklineError):
    """A part of a running Maskline ended by itself."""

    error_id = "part_failed"
