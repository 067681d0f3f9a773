"""The toolbox: one folder of unpacked packages whose programs run through its own loader.

`find_toolbox` only looks; `ensure_toolbox` installs what is missing. Neither changes anything
outside the cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maskline.toolbox import cache, machine
from maskline.toolbox.apt import PrivateApt
from maskline.toolbox.archive import Archive, candidates, suite_sets
from maskline.toolbox.cache import Progress, quiet
from maskline.toolbox.errors import (
    ArchiveError,
    DamagedError,
    ToolboxError,
    ToolMissingError,
    UnsupportedMachineError,
)
from maskline.toolbox.machine import Machine
from maskline.toolbox.manifest import Manifest, list_files
from maskline.toolbox.process import run
from maskline.toolbox.settings import ToolboxSettings
from maskline.toolbox.unpack import unpack, versions

# Raise when the way of unpacking changes: older caches are then left alone and not used.
LAYOUT = 1
PACKAGES = (
    *("asterisk", "asterisk-modules", "asterisk-core-sounds-en-gsm"),
    *("asterisk-core-sounds-ru-gsm", "espeak-ng", "sip-tester", "sox"),
)
NEED_MB = 900
PROGRAMS = {
    "asterisk": "usr/sbin/asterisk",
    "espeak-ng": "usr/bin/espeak-ng",
    "sipp": "usr/bin/sipp",
    "sox": "usr/bin/sox",
}
# Libraries that are found by RUNPATH or an alternative on an installed system.
LIBRARY_FOLDERS = (".", "pulseaudio", "blas", "lapack")


@dataclass(frozen=True, slots=True)
class Command:
    """How to run a program: what to put before its arguments and into its environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, timeout_s: float = 60.0) -> str:
        """Runs it to its end and returns its output. Raises CommandError."""
        return run([*self.argv, *arguments], env=self.env, timeout_s=timeout_s)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """An installed toolbox."""

    root: Path
    manifest: Manifest
    machine: Machine

    @property
    def libraries(self) -> Path:
        """Where its shared libraries are."""
        return self.root / "usr" / "lib" / self.machine.architecture.triplet

    def command(self, name: str) -> Command:
        """How to run one of PROGRAMS. Raises ToolMissingError."""
        program = self.root / PROGRAMS.get(name, f"usr/bin/{name}")
        if not program.is_file():
            raise ToolMissingError(f"{self.root} has no program {name}: run make setup")
        env = {}
        if name == "espeak-ng":
            env["ESPEAK_DATA_PATH"] = str(self.libraries)
        return Command((*_loader(self.root, self.machine), str(program)), env)


@dataclass(frozen=True, slots=True)
class Programs:
    """Programs of the toolbox or of PATH, whichever has them."""

    settings: ToolboxSettings

    def command(self, name: str) -> Command:
        """How to run a program. Raises ToolMissingError."""
        return find_tool(self.settings, name)


def ensure_programs(settings: ToolboxSettings, say: Progress = quiet) -> Toolbox | Programs:
    """The toolbox, or PATH on a machine whose packages we cannot unpack. Raises ToolboxError."""
    try:
        return ensure_toolbox(settings, say)
    except UnsupportedMachineError:
        return Programs(settings)


def find_toolbox(settings: ToolboxSettings, *, full: bool = False) -> Toolbox | None:
    """The installed toolbox, its files checked; None where there is none.

    Raises DamagedError where files are missing or changed (`full`: contents compared as well).
    """
    here = machine.detect(need_apt=False)
    root = settings.cache_dir / _name(settings, here)
    if not root.is_dir():
        return None
    cache.check_owner(settings.cache_dir)
    cache.check_owner(root)
    manifest = Manifest.read(root)
    manifest.check(root, full=full)
    return Toolbox(root, manifest, here)


def ensure_toolbox(settings: ToolboxSettings, say: Progress = quiet) -> Toolbox:
    """The toolbox, installed first where it is missing or damaged. Raises ToolboxError."""
    found = _find_whole(settings, say)
    if found is not None:
        return found
    here = machine.detect()
    folder = cache.open_cache(settings.cache_dir)
    name = _name(settings, here)
    with cache.locked(folder, name, say=say):
        # Another set-up may have finished while we waited for the lock.
        if (found := _find_whole(settings, quiet)) is not None:
            return found
        cache.check_space(folder, NEED_MB)
        with cache.build_folder(folder, name) as build:
            _install(settings, here, build, say)
            cache.publish(build / "root", folder / name)
    if (found := find_toolbox(settings)) is None:
        raise DamagedError(f"{folder / name} vanished while it was installed: try again")
    say(f"toolbox ready: Asterisk {found.manifest.asterisk}")
    return found


def find_tool(settings: ToolboxSettings, name: str) -> Command:
    """A program of the toolbox, else of PATH. Raises ToolMissingError."""
    try:
        box = find_toolbox(settings)
    except ToolboxError:
        box = None
    if box is not None and (box.root / PROGRAMS.get(name, f"usr/bin/{name}")).is_file():
        return box.command(name)
    if (path := shutil.which(name)) is not None:
        return Command((path,))
    raise ToolMissingError(f"{name} is neither in the toolbox nor on PATH: run make setup")


def _find_whole(settings: ToolboxSettings, say: Progress) -> Toolbox | None:
    try:
        return find_toolbox(settings)
    except DamagedError as error:
        say(f"{error.args[0].partition(': ')[0]}, installing it again")
        return None


def _install(settings: ToolboxSettings, here: Machine, build: Path, say: Progress) -> None:
    archives = candidates(here, mirror=settings.apt_mirror, suite=settings.apt_suite)
    archive, debs = _download(archives, here, build, say)
    say(f"unpacking {len(debs)} packages")
    root = build / "root"
    root.mkdir()
    root.chmod(0o755)
    unpack(debs, root)
    program = Command((*_loader(root, here), str(root / PROGRAMS["asterisk"])))
    version = program.run("-V").strip().removeprefix("Asterisk ")
    manifest = Manifest(
        suites=archive.suites,
        architecture=here.architecture.name,
        asterisk=version,
        packages=versions(debs),
        files=list_files(root),
    )
    manifest.write(root)


def _download(
    archives: Sequence[Archive], here: Machine, build: Path, say: Progress
) -> tuple[Archive, list[Path]]:
    last: ArchiveError | None = None
    for number, archive in enumerate(archives):
        folder = build / f"apt-{number}"
        folder.mkdir()
        apt = PrivateApt(folder, archive, here.architecture.name)
        say(f"fetching Asterisk and tools from {here.distribution} {archive.suites[0]}")
        try:
            apt.update()
            return archive, apt.download(PACKAGES)
        except ArchiveError as error:
            last = error
            shutil.rmtree(folder)
    if last is None:
        raise ArchiveError("no package archive to try: set MASKLINE_APT_MIRROR")
    raise last


def _loader(root: Path, here: Machine) -> tuple[str, ...]:
    libraries = root / "usr" / "lib" / here.architecture.triplet
    folders = [libraries / name for name in LIBRARY_FOLDERS if (libraries / name).is_dir()]
    path = os.pathsep.join(str(folder) for folder in folders)
    return (str(libraries / here.architecture.loader), "--library-path", path)


def _name(settings: ToolboxSettings, here: Machine) -> str:
    """The folder's name: readable, and different for every different wish."""
    suites = [list(suites) for suites in suite_sets(here, settings.apt_suite)]
    wish = json.dumps([LAYOUT, here.distribution, suites, here.architecture.name, PACKAGES])
    digest = hashlib.sha256(wish.encode()).hexdigest()[:10]
    return f"toolbox-{here.distribution}-{suites[0][0]}-{here.architecture.name}-{digest}"
