"""Script and style of the console as built, at ``/console/assets/…``, named by their content."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from api import static
from api.static import File

ROOT: Final = "/console/assets/"
_VERSION_DIGITS: Final = 16


class Assets:
    """The files, from memory; no path of a request reaches the file system."""

    def __init__(self, built: Path | None) -> None:
        """`built`: None where set-up built nothing; pages are read without script and style."""
        self.files: Mapping[str, File] = {} if built is None else static.listed(built, "console/")
        whole = "".join(sorted(file.sha256 for file in self.files.values()))
        self.version = sha256(whole.encode()).hexdigest()[:_VERSION_DIGITS]

    def url(self, name: str) -> str:
        """Where a file is: an address that may be kept for ever."""
        return f"{ROOT}{self.version}/{name}"
