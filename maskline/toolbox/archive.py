"""Which package archive to take packages from, and whose signature to trust.

Addresses come from the machine's own apt configuration or from a setting; none is written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskline.toolbox.errors import ArchiveError, CommandError
from maskline.toolbox.machine import Distribution, Machine
from maskline.toolbox.process import run

# Debian 12 and 13 have no asterisk package; forky and sid have 22. Suites are tried in order.
DEBIAN_SUITES = (("forky",), ("sid",))
COMPONENTS = {Distribution.DEBIAN: ("main",), Distribution.UBUNTU: ("main", "universe")}
KEYRINGS = {
    Distribution.DEBIAN: (
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "/usr/share/keyrings/debian-archive-keyring.pgp",
    ),
    Distribution.UBUNTU: ("/usr/share/keyrings/ubuntu-archive-keyring.gpg",),
}
# Fields of Target, in their order.
FORMAT = "$(SITE)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)"
ALIASES = {"stable", "oldstable", "testing", "unstable", "sid"}


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive and the suites of it that are read together."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    # None: apt's own trusted keys (/etc/apt/trusted.gpg.d).
    keyring: Path | None

    def sources(self, *, with_source: bool = False) -> str:
        """The text of a sources.list for it."""
        option = f"[signed-by={self.keyring}] " if self.keyring else ""
        kinds = ("deb", "deb-src") if with_source else ("deb",)
        parts = " ".join(self.components)
        return "".join(
            f"{kind} {option}{self.uri} {suite} {parts}\n"
            for kind in kinds
            for suite in self.suites
        )


@dataclass(frozen=True, slots=True)
class Target:
    """One package index that the machine's apt is configured for."""

    uri: str
    release: str
    component: str
    origin: str


def candidates(
    machine: Machine,
    *,
    mirror: str | None = None,
    suite: str | None = None,
    targets: Callable[[], Sequence[Target]] | None = None,
) -> list[Archive]:
    """The archives to try, best first; at most four. Raises ArchiveError where none is known.

    `targets` stands in for the machine's own apt configuration.
    """
    read = targets or configured_targets
    uris = [mirror.rstrip("/")] if mirror else _mirrors(machine, read())
    if not uris:
        raise ArchiveError(
            f"apt has no {machine.distribution} archive configured: "
            "set MASKLINE_APT_MIRROR to the address of one"
        )
    keyring = next((Path(p) for p in KEYRINGS[machine.distribution] if Path(p).is_file()), None)
    components = COMPONENTS[machine.distribution]
    return [
        Archive(uri, suites, components, keyring)
        for suites in suite_sets(machine, suite)
        for uri in uris[:2]
    ]


def suite_sets(machine: Machine, chosen: str | None) -> Sequence[tuple[str, ...]]:
    """Sets of suites to try in turn; a set is read together."""
    if chosen:
        return [(chosen,)]
    if machine.distribution is Distribution.UBUNTU:
        base = machine.codename
        return [(base, f"{base}-updates", f"{base}-security")]
    return DEBIAN_SUITES


def configured_targets() -> list[Target]:
    """What the machine's apt is configured for, downloaded yet or not."""
    # Without release info even a machine that never ran "apt-get update" lists its targets;
    # with it, the origin is known where an index was downloaded.
    targets: list[Target] = []
    for info in ("true", "false"):
        argv = ["apt-get", "-o", f"APT::Get::IndexTargets::ReleaseInfo={info}", "indextargets"]
        try:
            output = run([*argv, "--format", FORMAT, "Created-By: Packages"], timeout_s=60)
        except CommandError as error:
            raise ArchiveError(
                f"the machine's apt configuration cannot be read: {error}"
            ) from error
        rows = (line.split("\t") for line in output.splitlines())
        targets.extend(Target(*row) for row in rows if len(row) == FORMAT.count("\t") + 1)
    return targets


def _mirrors(machine: Machine, targets: Sequence[Target]) -> list[str]:
    """Addresses of the distribution's main archive, the most certain first."""
    releases = {machine.codename} | (
        ALIASES if machine.distribution is Distribution.DEBIAN else set()
    )
    ranked: dict[str, int] = {}
    for target in targets:
        uri = target.uri.rstrip("/")
        if target.release not in releases or target.component != "main" or uri in ranked:
            continue
        if uri.startswith("cdrom:"):
            continue
        if target.origin.lower() == machine.distribution:
            rank = 0
        elif target.origin.startswith("$("):  # not downloaded yet: judge by the path
            rank = 1 if re.search(rf"\b{machine.distribution}(-ports|\.list)?$", uri) else 2
        else:
            continue  # another vendor's archive
        ranked[uri] = rank
    return sorted(ranked, key=lambda uri: ranked[uri])
