"""What may be chosen about the toolbox, and where its cache is. Reads nothing but a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from maskline.toolbox.errors import CacheError

AUTO = "auto"
TOOLBOX = "toolbox"


@dataclass(frozen=True, slots=True)
class ToolboxSettings:
    """Each field has an environment variable; all have a default."""

    cache_dir: Path
    # Archive to unpack from; by default the one that the machine's own apt uses.
    apt_mirror: str | None = None
    # Suite to unpack from; by default the first that has Asterisk 20 or newer.
    apt_suite: str | None = None
    # "auto" (PATH if usable, else the toolbox), "toolbox", or the path of an asterisk binary.
    asterisk: str = AUTO

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Reads MASKLINE_CACHE, MASKLINE_APT_MIRROR, MASKLINE_APT_SUITE, MASKLINE_ASTERISK."""
        return cls(
            cache_dir=cache_dir(environ),
            apt_mirror=environ.get("MASKLINE_APT_MIRROR") or None,
            apt_suite=environ.get("MASKLINE_APT_SUITE") or None,
            asterisk=environ.get("MASKLINE_ASTERISK") or AUTO,
        )


def cache_dir(environ: Mapping[str, str]) -> Path:
    """$MASKLINE_CACHE, else $XDG_CACHE_HOME/maskline, else ~/.cache/maskline; always absolute."""
    if chosen := environ.get("MASKLINE_CACHE"):
        return Path(chosen).expanduser().absolute()
    xdg = environ.get("XDG_CACHE_HOME", "")
    if xdg and Path(xdg).is_absolute():  # the XDG standard says: ignore relative ones
        return Path(xdg) / "maskline"
    if home := environ.get("HOME"):
        return Path(home).absolute() / ".cache" / "maskline"
    raise CacheError("no home folder: set MASKLINE_CACHE to a folder you may write")
