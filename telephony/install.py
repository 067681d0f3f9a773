"""What `telephony` must know of an Asterisk that is installed somewhere. Never looks for one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

__all__ = ["AsteriskInstall", "AsteriskVersion"]


class AsteriskVersion(Protocol):
    """The version of an Asterisk."""

    @property
    def major(self) -> int:
        """22 of 22.10.1."""

    @property
    def minor(self) -> int:
        """10 of 22.10.1."""


class AsteriskInstall(Protocol):
    """How one Asterisk is run, and where its unchanging parts are."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command without options; may begin with a loader."""

    @property
    def modules_dir(self) -> Path:
        """The folder of its modules."""

    @property
    def data_dir(self) -> Path:
        """Its documentation, and sounds/{en,ru}."""

    @property
    def version(self) -> AsteriskVersion:
        """Its version, 20 or newer."""
