"""What this machine is: distribution, release, processor.

Reads os-release and asks dpkg; decides nothing about archives.
"""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from maskline.toolbox.errors import UnsupportedMachineError

OS_RELEASE = Path("/etc/os-release")
MANUAL = "install Asterisk 20 or newer yourself and put it on PATH"


class Distribution(StrEnum):
    """The two families whose packages we know."""

    DEBIAN = "debian"
    UBUNTU = "ubuntu"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A processor, as Debian names it, and where its dynamic loader is."""

    name: str
    triplet: str
    loader: str


ARCHITECTURES = {
    "x86_64": Architecture("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": Architecture("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine on which packages can be unpacked."""

    distribution: Distribution
    codename: str
    architecture: Architecture


def detect(
    os_release: Path = OS_RELEASE, processor: str | None = None, *, need_apt: bool = True
) -> Machine:
    """Raises UnsupportedMachineError, whose line names the way out."""
    fields = _os_release(os_release)
    family = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    if "ubuntu" in family:
        distribution = Distribution.UBUNTU
        codename = fields.get("UBUNTU_CODENAME") or fields.get("VERSION_CODENAME", "")
    elif "debian" in family:
        distribution = Distribution.DEBIAN
        codename = fields.get("VERSION_CODENAME", "sid")
    else:
        raise UnsupportedMachineError(
            f"packages can be unpacked on Debian and Ubuntu only: {MANUAL}"
        )
    processor = processor or platform.machine()
    if (architecture := ARCHITECTURES.get(processor)) is None:
        raise UnsupportedMachineError(f"no packages known for the processor {processor}: {MANUAL}")
    if need_apt:
        for program in ("apt-get", "apt-config", "dpkg-deb"):
            if shutil.which(program) is None:
                raise UnsupportedMachineError(f"{program} is not on PATH: {MANUAL}")
    return Machine(distribution, codename, architecture)


def _os_release(path: Path) -> dict[str, str]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UnsupportedMachineError(f"cannot read {path}: {MANUAL}") from error
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}
