"""Turns downloaded packages into a folder from which programs can be run.

Runs no package's scripts. What those would have linked (sound languages) is linked here; what
only an installed system needs (/etc, /var, documentation, set-uid bits) is left out.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from maskline.toolbox.errors import CommandError
from maskline.toolbox.process import telling_line

EXTRACT_TIMEOUT_S = 120.0

# A merged /usr, made before unpacking, so that packages which ship /lib land in /usr/lib.
MERGED = ("bin", "lib", "lib64", "sbin")
LEFT_OUT = (
    *("bug", "doc", "doc-base", "gdb", "info", "lintian", "locale", "man", "perl", "perl5"),
    *("python3", "vim", "X11"),
)
UNSAFE_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH
# Debian links these with update-alternatives, in a script that does not run here.
LANGUAGES = {"en": "en_US_f_*", "ru": "ru_RU_f_*"}


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpacks .deb files into `root` and leaves only what programs need to run."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        _extract(package, root)
    for path in root.iterdir():
        if path.name not in {"usr", *MERGED}:
            shutil.rmtree(path)
    for name in LEFT_OUT:
        shutil.rmtree(root / "usr" / "share" / name, ignore_errors=True)
    for path in (root / "usr" / "lib").glob("python3*"):
        shutil.rmtree(path)
    _make_safe(root)
    _link_languages(root / "usr" / "share" / "asterisk" / "sounds")


def _extract(package: Path, root: Path) -> None:
    """Like ``dpkg-deb -x``, which would put folders in the place of a merged /usr's links."""
    with tempfile.TemporaryFile() as errors:
        keep = ("--keep-directory-symlink", "--no-same-owner", "-p")
        with (
            subprocess.Popen(
                ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, stderr=errors
            ) as reader,
            subprocess.Popen(
                ["tar", "-x", *keep, "-C", str(root)], stdin=reader.stdout, stderr=errors
            ) as writer,
        ):
            if reader.stdout is not None:
                reader.stdout.close()  # so that the reader hears of it when the writer dies
            try:
                codes = (writer.wait(EXTRACT_TIMEOUT_S), reader.wait(EXTRACT_TIMEOUT_S))
            except subprocess.TimeoutExpired as error:
                writer.kill()
                reader.kill()
                raise CommandError(f"{package.name} took too long to unpack") from error
        if any(codes):
            errors.seek(0)
            text = telling_line(errors.read().decode("utf-8", "replace"))
            raise CommandError(f"{package.name} cannot be unpacked: {text}")


def versions(packages: Sequence[Path]) -> dict[str, str]:
    """Package names and versions, from the names under which apt stores them."""
    parts = (unquote(path.stem).split("_") for path in packages)
    return {name: version for name, version, _architecture in parts}


def _make_safe(root: Path) -> None:
    """No set-uid programs, nothing that others may write, no links into the machine itself."""
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            if path.readlink().is_absolute():
                path.unlink()
        elif mode & UNSAFE_BITS:
            path.chmod(stat.S_IMODE(mode) & ~UNSAFE_BITS)


def _link_languages(sounds: Path) -> None:
    for language, pattern in LANGUAGES.items():
        voices = sorted(path.name for path in sounds.glob(pattern) if path.is_dir())
        if voices and not (sounds / language).exists():
            (sounds / language).symlink_to(voices[0])
