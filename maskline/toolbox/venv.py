"""Makes the project's virtual environment from the hash-locked requirements.

Runs under the system's Python before anything is installed. Installs nothing that the lock files
do not name with a hash; does nothing at all when the stamp says that all is as locked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from maskline.toolbox import cache, machine
from maskline.toolbox.apt import PrivateApt
from maskline.toolbox.archive import candidates
from maskline.toolbox.cache import Progress, quiet
from maskline.toolbox.errors import ArchiveError, CommandError, UnsupportedMachineError
from maskline.toolbox.process import run
from maskline.toolbox.settings import ToolboxSettings

OLDEST_PYTHON = (3, 11)
PIP_TIMEOUT_S = 1200.0
# Debian and Ubuntu keep ensurepip in a package of its own; pip itself is in this one, as a wheel.
PIP_PACKAGE = "python3-pip-whl"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "-q", "install")


class Wanted(StrEnum):
    """Which lock file to install."""

    RUN = "run"
    DEV = "dev"


def ensure_venv(
    project: Path, wanted: Wanted, settings: ToolboxSettings, say: Progress = quiet
) -> Path:
    """The interpreter of PROJECT/.venv, with everything in it that `wanted` locks.

    Raises UnsupportedMachineError, ArchiveError, CommandError.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise UnsupportedMachineError("Python 3.11 or newer is needed: set PYTHON to one")
    folder = project / ".venv"
    python = folder / "bin" / "python"
    stamp = folder / f"{wanted}.stamp"
    digest = _digest(project, wanted)
    # Development's lock holds all of run's, so one good stamp of it serves both.
    stamps = {stamp, folder / f"{Wanted.DEV}.stamp"}
    digests = {digest, _digest(project, Wanted.DEV)}
    if _works(python) and any(_read(path) in digests for path in stamps):
        return python
    if not _works(python):
        say("making .venv")
        _make(folder, settings, say)
    say(f"installing {wanted}.txt into .venv")
    locks = project / "requirements"
    hashed = ("--no-deps", "--require-hashes")
    # Where only a source package exists it is built with the setuptools locked in build.txt.
    ours = ("--no-deps", "--no-build-isolation")
    # A path entry, not an import hook: type checkers and new packages see the tree as it is.
    editable = ("--config-settings", "editable_mode=compat", "-e", project)
    steps: Sequence[tuple[str | Path, ...]] = (
        (*hashed, "-r", locks / "build.txt"),
        (*hashed, "--no-build-isolation", "-r", locks / f"{wanted}.txt"),
        (*ours, *editable),
    )
    for step in steps:
        try:
            run([python, *PIP, *step], timeout_s=PIP_TIMEOUT_S)
        except CommandError as error:
            raise CommandError(f"{error} (is the package index reachable?)") from error
    stamp.write_text(digest, "utf-8")
    return python


def _digest(project: Path, wanted: Wanted) -> str:
    """Changes whenever what is to be installed changes."""
    files = ("pyproject.toml", "requirements/build.txt", f"requirements/{wanted}.txt")
    text = b"\0".join((project / name).read_bytes() for name in files)
    return hashlib.sha256(str(project).encode() + b"\0" + text).hexdigest()


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except OSError:
        return None


def _works(python: Path) -> bool:
    """Whether the interpreter is there and has pip: its base may have been upgraded away."""
    if not python.exists():
        return False
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    pip = python.parent.parent / "lib" / f"python{version}" / "site-packages" / "pip"
    return pip.is_dir()


def _make(
    folder: Path,
    settings: ToolboxSettings,
    say: Progress,
    has: Callable[[str], object | None] = importlib.util.find_spec,
) -> None:
    if has("venv") is None:
        raise UnsupportedMachineError("Python's venv module is missing: apt install python3-venv")
    if has("ensurepip") is not None:
        run([sys.executable, "-m", "venv", "--clear", folder], timeout_s=300)
        return
    say(f"no ensurepip here: taking pip from the package {PIP_PACKAGE}")
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], timeout_s=300)
    with tempfile.TemporaryDirectory(prefix="maskline-pip-") as work:
        wheel = _pip_wheel(Path(work), settings)
        # A wheel is importable as it is; so pip installs itself.
        pip = (folder / "bin" / "python", wheel / "pip", "--no-input", "-q", "install")
        run([*pip, "--no-index", "--no-deps", wheel], timeout_s=300)


def _pip_wheel(work: Path, settings: ToolboxSettings) -> Path:
    here = machine.detect()
    last: ArchiveError | None = None
    for number, archive in enumerate(
        candidates(here, mirror=settings.apt_mirror, suite=settings.apt_suite)
    ):
        apt = PrivateApt(cache.open_cache(work / str(number)), archive, here.architecture.name)
        try:
            apt.update()
            package = apt.download_one(PIP_PACKAGE)
        except ArchiveError as error:
            last = error
            continue
        run(["dpkg-deb", "-x", package, work / "wheel"], timeout_s=60)
        for wheel in sorted((work / "wheel").rglob("pip-*.whl")):
            return wheel
    raise last or ArchiveError("no pip to be had: apt install python3-venv")
