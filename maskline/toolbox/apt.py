"""A private apt: its own lists, cache, sources and an empty package database.

Never reads or changes the machine's package database, and needs no rights. The machine's own
Acquire settings (proxies, certificates, time-outs) are kept; its hooks are not.
"""

from __future__ import annotations

import re
from pathlib import Path

from maskline.toolbox.archive import Archive
from maskline.toolbox.errors import ArchiveError, CommandError, PackageMissingError
from maskline.toolbox.process import run

UPDATE_TIMEOUT_S = 300.0
DOWNLOAD_TIMEOUT_S = 1800.0
NOT_KEPT = ("Acquire::IndexTargets", "Acquire::Languages", "Acquire::cdrom")


class PrivateApt:
    """apt-get on a folder of its own; make one per archive, throw the folder away after."""

    def __init__(self, folder: Path, archive: Archive, architecture: str) -> None:
        self._folder = folder
        self._archive = archive
        self._config = folder / "apt.conf"
        self._env = {"APT_CONFIG": str(self._config), "DEBIAN_FRONTEND": "noninteractive"}
        self._architecture = architecture

    def update(self, *, with_source: bool = False) -> None:
        """Fetches the package lists and checks their signature. Raises ArchiveError."""
        for name in ("lists/partial", "cache/archives/partial", "etc", "log"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        sources = self._archive.sources(with_source=with_source)
        (self._folder / "sources.list").write_text(sources, "utf-8")
        self._config.write_text(self._settings(), "utf-8")
        try:
            run(["apt-get", "-q", "update"], env=self._env, timeout_s=UPDATE_TIMEOUT_S)
        except CommandError as error:
            suites = " ".join(self._archive.suites)
            if re.search(r"NO_PUBKEY|not signed|signature|GPG|sqv", str(error)):
                hint = "update the package debian-archive-keyring or ubuntu-keyring"
            else:
                hint = "check the network, or set MASKLINE_APT_MIRROR to an archive that answers"
            raise ArchiveError(
                f"the package lists of {suites} cannot be fetched ({error}): {hint}"
            ) from error

    def download(self, packages: tuple[str, ...]) -> list[Path]:
        """Fetches the packages with all that they depend on, checksums checked by apt."""
        try:
            run(
                ["apt-get", "-q", "-y", "--download-only", "install", *packages],
                env=self._env,
                timeout_s=DOWNLOAD_TIMEOUT_S,
            )
        except CommandError as error:
            raise self._download_error(error) from error
        return sorted((self._folder / "cache" / "archives").glob("*.deb"))

    def download_one(self, package: str) -> Path:
        """Fetches one package without what it depends on."""
        into = self._folder / "one"
        into.mkdir(exist_ok=True)
        try:
            run(
                ["apt-get", "-q", "download", package],
                env=self._env,
                cwd=into,
                timeout_s=DOWNLOAD_TIMEOUT_S,
            )
        except CommandError as error:
            raise self._download_error(error) from error
        return next(into.glob("*.deb"))

    def download_source(self, package: str, into: Path) -> list[Path]:
        """Fetches a source package's files, unpacked by nobody; needs `with_source` lists."""
        try:
            run(
                ["apt-get", "-q", "--download-only", "--only-source", "source", package],
                env=self._env,
                cwd=into,
                timeout_s=DOWNLOAD_TIMEOUT_S,
            )
        except CommandError as error:
            raise self._download_error(error) from error
        return sorted(path for path in into.iterdir() if path.is_file())

    def _download_error(self, error: CommandError) -> ArchiveError:
        suites = " ".join(self._archive.suites)
        if re.search(r"Unable to locate|Unable to find|no installation candidate", str(error)):
            message = f"{suites} lacks a package ({error}): set MASKLINE_APT_SUITE to another suite"
            return PackageMissingError(message)
        message = f"packages of {suites} cannot be fetched ({error}): try again"
        return ArchiveError(message)

    def _settings(self) -> str:
        # APT_CONFIG is read before the machine's files, and so can leave those out altogether.
        dump = run(["apt-config", "dump", "--format", '%F "%v";%n'], timeout_s=60)
        kept = [
            line
            for line in dump.splitlines()
            if line.startswith("Acquire::") and not line.startswith(NOT_KEPT)
        ]
        own = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourcelist": f"{self._folder}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": str(self._folder),
            "Dir::State::lists": f"{self._folder}/lists",
            "Dir::State::status": f"{self._folder}/status",
            "Dir::State::extended_states": f"{self._folder}/extended_states",
            "Dir::Cache": f"{self._folder}/cache",
            "Dir::Log": f"{self._folder}/log",
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "0",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "1",
        }
        return "\n".join([*kept, *(f'{key} "{value}";' for key, value in own.items()), ""])
