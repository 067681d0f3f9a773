"""What can go wrong while setting up tools.

Every message is one line that says what to do about it. None of them ever carries a traceback's
worth of a tool's output: the first telling line of it at most.
"""

from __future__ import annotations

from typing import ClassVar


class ToolboxError(Exception):
    """Root of this package's errors; ``str(error)`` is the line to show."""

    error_id: ClassVar[str] = "toolbox"


class UnsupportedMachineError(ToolboxError):
    """Neither Debian nor Ubuntu, no apt, or a processor without packages."""

    error_id = "unsupported_machine"


class CacheError(ToolboxError):
    """The cache folder cannot be written, is full, or may be written by others."""

    error_id = "cache"


class BusyError(ToolboxError):
    """Another set-up holds the lock for longer than we wait."""

    error_id = "toolbox_busy"


class ArchiveError(ToolboxError):
    """No package archive is known, it does not answer, or its signature is not trusted."""

    error_id = "archive"


class PackageMissingError(ArchiveError):
    """The archive answers but does not have a package."""

    error_id = "package_missing"


class DamagedError(ToolboxError):
    """The unpacked files are not those that the manifest lists."""

    error_id = "toolbox_damaged"


class AsteriskUnusableError(ToolboxError):
    """An Asterisk that was asked for by name is too old or lacks modules."""

    error_id = "asterisk_unusable"


class ToolMissingError(ToolboxError):
    """A tool is neither in the toolbox nor on PATH."""

    error_id = "tool_missing"


class CommandError(ToolboxError):
    """A program failed or did not end in time."""

    error_id = "command_failed"


class BuildError(ToolboxError):
    """A test-only tool could not be built from source."""

    error_id = "build_failed"
