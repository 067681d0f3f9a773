"""Finds an Asterisk that Maskline can drive: on PATH where it is usable, else in the toolbox.

Never starts it as a server.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from maskline.toolbox.box import Command, Toolbox, ensure_toolbox, find_toolbox
from maskline.toolbox.cache import Progress, quiet
from maskline.toolbox.errors import AsteriskUnusableError, CommandError, ToolMissingError
from maskline.toolbox.settings import AUTO, TOOLBOX, ToolboxSettings

OLDEST = 20
# Enough to tell a full build from one without SIP, recordless or split into missing packages.
NEEDED_MODULES = (
    *("app_dial", "app_userevent", "cel_custom", "chan_pjsip", "codec_alaw", "codec_ulaw"),
    *("res_config_curl", "res_pjsip", "res_pjsip_session", "res_rtp_asterisk"),
    *("res_sorcery_config", "res_sorcery_memory_cache", "res_sorcery_realtime"),
)
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


class Source(StrEnum):
    """Where an Asterisk was found."""

    PATH = "path"
    TOOLBOX = "toolbox"


@dataclass(frozen=True, slots=True)
class AsteriskVersion:
    """As ``asterisk -V`` says it."""

    major: int
    minor: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class AsteriskInstall:
    """How to run one Asterisk.

    `core restart` does not work where `argv` begins with a loader: stop and start instead.
    """

    argv: tuple[str, ...]
    # For asterisk.conf: astmoddir.
    modules_dir: Path
    # For asterisk.conf: astdatadir; holds documentation/ and sounds/{en,ru}.
    data_dir: Path
    version: AsteriskVersion
    source: Source

    @property
    def sounds_dir(self) -> Path:
        """Folder of the core sounds, by language."""
        return self.data_dir / "sounds"

    @property
    def program(self) -> Path:
        """The binary itself, without what runs it."""
        return Path(self.argv[-1])


def parse_version(text: str) -> AsteriskVersion | None:
    """Understands ``Asterisk 22.10.1+dfsg…``, ``Asterisk certified/20.7-cert3``; None if odd."""
    match = re.search(r"(?:Asterisk )?(?:certified[/-])?((\d+)\.(\d+)\S*)", text.strip())
    if match is None:
        return None
    return AsteriskVersion(int(match[2]), int(match[3]), match[1])


def find_asterisk(settings: ToolboxSettings) -> AsteriskInstall:
    """What is there now. Raises AsteriskUnusableError, DamagedError, ToolMissingError."""
    if (chosen := _chosen(settings)) is not None:
        return chosen
    box = find_toolbox(settings)
    if box is None:
        raise ToolMissingError("no Asterisk 20 or newer here: run make setup")
    return from_toolbox(box)


def ensure_asterisk(settings: ToolboxSettings, say: Progress = quiet) -> AsteriskInstall:
    """Like `find_asterisk`, but installs the toolbox where it is needed and missing."""
    if (chosen := _chosen(settings)) is not None:
        return chosen
    return from_toolbox(ensure_toolbox(settings, say))


def from_toolbox(box: Toolbox) -> AsteriskInstall:
    """The Asterisk of a toolbox."""
    version = parse_version(box.manifest.asterisk)
    if version is None or version.major < OLDEST:
        raise AsteriskUnusableError(
            f"the archive's Asterisk is {box.manifest.asterisk}, {OLDEST} is the oldest that "
            "works: set MASKLINE_APT_SUITE to a newer suite"
        )
    return AsteriskInstall(
        argv=box.command("asterisk").argv,
        modules_dir=box.libraries / "asterisk" / "modules",
        data_dir=box.root / "usr" / "share" / "asterisk",
        version=version,
        source=Source.TOOLBOX,
    )


def inspect(program: Path) -> AsteriskInstall:
    """Checks an installed Asterisk. Raises AsteriskUnusableError with what it lacks."""
    try:
        output = Command((str(program),)).run("-V", timeout_s=10)
    except CommandError as error:
        raise AsteriskUnusableError(f"{program} is not usable: {error}") from error
    version = parse_version(output)
    if version is None or version.major < OLDEST:
        found = version.text if version else "of an unknown version"
        raise AsteriskUnusableError(f"{program} is {found}, {OLDEST} is the oldest that works")
    modules_dir = _first(_module_folders(program), "chan_pjsip.so")
    data_dir = _first(_data_folders(program), "documentation")
    if modules_dir is None or data_dir is None:
        lacks = "modules (chan_pjsip.so)" if modules_dir is None else "documentation"
        raise AsteriskUnusableError(f"{program} has no {lacks} in a known place")
    lacking = [name for name in NEEDED_MODULES if not (modules_dir / f"{name}.so").is_file()]
    if lacking:
        raise AsteriskUnusableError(f"{program} lacks modules: {', '.join(lacking)}")
    return AsteriskInstall((str(program),), modules_dir, data_dir, version, Source.PATH)


def _chosen(settings: ToolboxSettings) -> AsteriskInstall | None:
    """The Asterisk that was named or is on PATH; None: use the toolbox."""
    if settings.asterisk == TOOLBOX:
        return None
    if settings.asterisk != AUTO:
        return inspect(Path(settings.asterisk))
    # A user's PATH often lacks sbin, where the package puts it.
    path = shutil.which("asterisk") or shutil.which("asterisk", path=SBIN)
    if path is None:
        return None
    try:
        return inspect(Path(path))
    except AsteriskUnusableError:
        return None


def _module_folders(program: Path) -> list[Path]:
    prefix = program.parent.parent
    libs = sorted(prefix.glob("lib/*-linux-gnu"))
    return [folder / "asterisk" / "modules" for folder in (*libs, prefix / "lib64", prefix / "lib")]


def _data_folders(program: Path) -> list[Path]:
    return [program.parent.parent / "share" / "asterisk", Path("/var/lib/asterisk")]


def _first(folders: list[Path], holding: str) -> Path | None:
    return next((folder for folder in folders if (folder / holding).exists()), None)
