"""Builds pjsua2, the SIP client of the tests, from the source that comes with Asterisk's package.

Test set-up only: nothing on the way of a call uses it, and `make run` never builds it. The
published wrapper cannot be installed without a configured pjproject tree beside it.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskline.toolbox import cache, machine
from maskline.toolbox.apt import PrivateApt
from maskline.toolbox.archive import candidates
from maskline.toolbox.cache import Progress, quiet
from maskline.toolbox.errors import (
    ArchiveError,
    BuildError,
    CacheError,
    CommandError,
    UnsupportedMachineError,
)
from maskline.toolbox.process import run
from maskline.toolbox.settings import ToolboxSettings

# Raise when the way of building changes.
RECIPE = 1
NEED_MB = 700
STEP_TIMEOUT_S = 1500.0
CONFIGURE = (
    *("--disable-ffmpeg", "--disable-g7221-codec", "--disable-gsm-codec", "--disable-ilbc-codec"),
    *("--disable-libwebrtc", "--disable-libwebrtc-aec3", "--disable-libyuv", "--disable-openh264"),
    *("--disable-resample", "--disable-sdl", "--disable-sound", "--disable-speex-aec"),
    *("--disable-speex-codec", "--disable-upnp", "--disable-v4l2", "--disable-video"),
    *("--enable-libsamplerate", "--with-external-srtp"),
)
# Debian strips this file, which an empty one replaces.
STRIPPED = "pjmedia/src/pjmedia-audiodev/bdimad_dev.c"
WRAPPER = "pjsip-apps/src/swig/python"


@dataclass(frozen=True, slots=True)
class Need:
    """Something the build needs: the package that has it, and how to tell that it is there."""

    package: str
    program: str | None = None
    header: str | None = None

    def met(self) -> bool:
        """Whether it is there."""
        if self.program is not None:
            return shutil.which(self.program) is not None
        folders = ("/usr/include", f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}")
        return any((Path(folder) / str(self.header)).is_file() for folder in folders)


NEEDS = (
    Need("make", program="make"),
    Need("g++", program="g++"),
    Need("swig", program="swig"),
    Need("xz-utils", program="xz"),
    Need("libopus-dev", header="opus/opus.h"),
    Need("libsamplerate0-dev", header="samplerate.h"),
    Need("libsrtp2-dev", header="srtp2/srtp.h"),
    Need("libssl-dev", header="openssl/opensslv.h"),
    Need("uuid-dev", header="uuid/uuid.h"),
)


def missing_packages() -> list[str]:
    """Packages to install before pjsua2 can be built; empty where it can be."""
    missing = [need.package for need in NEEDS if not need.met()]
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing.append("python3-dev")
    return missing


def find_pjsua2(settings: ToolboxSettings) -> Path | None:
    """The folder to put on sys.path; None where it has not been built for this Python."""
    folder = settings.cache_dir / _name()
    if not (folder / "pjsua2.py").is_file() or not any(folder.glob("_pjsua2*.so")):
        return None
    cache.check_owner(settings.cache_dir)
    cache.check_owner(folder)
    return folder


def ensure_pjsua2(settings: ToolboxSettings, say: Progress = quiet) -> Path:
    """The folder to put on sys.path, built first where it is missing (minutes of processor time).

    Raises UnsupportedMachineError where packages for the build are missing, BuildError,
    ArchiveError, CacheError.
    """
    if (found := find_pjsua2(settings)) is not None:
        return found
    if missing := missing_packages():
        line = " ".join(missing)
        raise UnsupportedMachineError(f"pjsua2 cannot be built: apt-get install {line}")
    folder = cache.open_cache(settings.cache_dir)
    with cache.locked(folder, _name(), timeout_s=2 * STEP_TIMEOUT_S, say=say):
        if (found := find_pjsua2(settings)) is not None:
            return found
        cache.check_space(folder, NEED_MB)
        with cache.build_folder(folder, _name()) as build:
            source = _source(settings, build, say)
            _build(source, say)
            cache.publish(_collect(source, build / "out"), folder / _name())
    if (found := find_pjsua2(settings)) is None:
        raise CacheError(f"{folder / _name()} vanished while it was built: try again")
    return found


def _name() -> str:
    """One build for each Python and release: it is linked to libraries of both."""
    codename = machine.detect(need_apt=False).codename
    return f"pjsua2-{RECIPE}-{codename}-{sysconfig.get_config_var('SOABI')}"


def _source(settings: ToolboxSettings, build: Path, say: Progress) -> Path:
    say("fetching the source of pjproject")
    here = machine.detect()
    last: ArchiveError | None = None
    for number, archive in enumerate(
        candidates(here, mirror=settings.apt_mirror, suite=settings.apt_suite)
    ):
        folder = build / f"apt-{number}"
        (folder / "source").mkdir(parents=True)
        apt = PrivateApt(folder, archive, here.architecture.name)
        try:
            apt.update(with_source=True)
            files = apt.download_source("asterisk", folder / "source")
        except ArchiveError as error:
            last = error
            continue
        for file in files:
            if "orig-Xpjproject" in file.name and not file.name.endswith(".asc"):
                tree = build / "pjproject"
                tree.mkdir()
                run(["tar", "-xf", file, "-C", tree, "--strip-components=1"], timeout_s=120)
                return tree
        last = ArchiveError(f"{archive.suites[0]} has no pjproject beside its asterisk source")
    raise last or ArchiveError("no archive to take pjproject from: set MASKLINE_APT_MIRROR")


def _build(tree: Path, say: Progress) -> None:
    (tree / STRIPPED).touch()
    jobs = f"-j{min(4, os.cpu_count() or 1)}"
    flags = {"CFLAGS": "-O2 -fPIC", "CXXFLAGS": "-O2 -fPIC"}
    wrapper = tree / WRAPPER
    steps: Sequence[tuple[str, list[str], Path]] = (
        ("configuring pjproject", ["./configure", *CONFIGURE], tree),
        ("compiling pjproject (a minute or two)", ["make", "dep"], tree),
        ("", ["make", jobs], tree),
        ("compiling pjsua2 (two minutes)", ["make", f"PYTHON_EXE={sys.executable}"], wrapper),
    )
    for text, argv, cwd in steps:
        if text:
            say(text)
        try:
            run(["nice", "-n", "10", *argv], env=flags, cwd=cwd, timeout_s=STEP_TIMEOUT_S)
        except CommandError as error:
            raise BuildError(f"pjsua2 could not be built, {' '.join(argv[:2])}: {error}") from error


def _collect(tree: Path, out: Path) -> Path:
    """Leaves what is imported: the module and its extension, linked to pjproject statically."""
    wrapper = tree / WRAPPER
    modules = [wrapper / "pjsua2.py", *wrapper.rglob("_pjsua2*.so")]
    if len(modules) < 2 or not modules[0].is_file():
        raise BuildError("pjsua2 was built but its module is not where it is expected")
    out.mkdir()
    out.chmod(0o755)
    for module in modules[:2]:
        shutil.copy2(module, out / module.name)
    return out
