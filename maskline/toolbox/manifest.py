"""The list of what an unpacked toolbox holds, and the checks against it.

The quick check compares sizes of all files (milliseconds), the full one their SHA-256 (a second).
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from maskline.toolbox.errors import DamagedError

NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class FileFact:
    """One regular file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was unpacked, from where, and every file of it."""

    suites: tuple[str, ...]
    architecture: str
    # Asterisk's own words about its version; it has run once from this folder.
    asterisk: str
    packages: Mapping[str, str]
    files: Mapping[str, FileFact]

    def write(self, root: Path) -> None:
        """Writes it into the toolbox's folder."""
        (root / NAME).write_text(json.dumps(asdict(self), indent=0), "utf-8")

    @classmethod
    def read(cls, root: Path) -> Self:
        """Raises DamagedError where there is none that can be read."""
        try:
            raw = json.loads((root / NAME).read_text("utf-8"))
            return cls(
                suites=tuple(raw["suites"]),
                architecture=raw["architecture"],
                asterisk=raw["asterisk"],
                packages=raw["packages"],
                files={path: FileFact(**fact) for path, fact in raw["files"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(root, NAME) from error

    def check(self, root: Path, *, full: bool = False) -> None:
        """Raises DamagedError at the first file that is absent or differs."""
        for path, fact in self.files.items():
            file = root / path
            try:
                info = file.lstat()
                same = stat.S_ISREG(info.st_mode) and info.st_size == fact.size
                if same and full:
                    same = sha256(file) == fact.sha256
            except OSError:
                same = False
            if not same:
                raise _damaged(root, path)


def list_files(root: Path) -> dict[str, FileFact]:
    """Facts about every regular file below `root`, in the order of their paths."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        str(path.relative_to(root)): FileFact(path.stat().st_size, sha256(path))
        for path in sorted(found)
    }


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(root: Path, path: str) -> DamagedError:
    return DamagedError(f"{root} is damaged ({path}): run make setup")
