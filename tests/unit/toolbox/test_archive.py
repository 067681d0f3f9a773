"""Which archive packages come from: the machine's own, never another vendor's."""

from pathlib import Path

import pytest

from maskline.toolbox.archive import Archive, Target, candidates
from maskline.toolbox.errors import ArchiveError
from maskline.toolbox.machine import ARCHITECTURES, Distribution, Machine

DEBIAN = Machine(Distribution.DEBIAN, "bookworm", ARCHITECTURES["x86_64"])
UBUNTU = Machine(Distribution.UBUNTU, "noble", ARCHITECTURES["aarch64"])
UNKNOWN = "$(ORIGIN)"  # what apt prints before the first "apt-get update"


def uris(machine: Machine, *targets: Target) -> list[str]:
    found = candidates(machine, targets=lambda: targets)
    return list(dict.fromkeys(archive.uri for archive in found))


def test_the_distribution_s_own_archive_is_taken() -> None:
    assert uris(
        DEBIAN,
        Target("http://vendor.test/apt", "bookworm", "main", "Vendor"),
        Target("http://mirror.test/debian-security", "bookworm-security", "main", "Debian"),
        Target("http://mirror.test/debian", "bookworm", "main", "Debian"),
    ) == ["http://mirror.test/debian"]


def test_before_the_first_update_the_path_decides() -> None:
    assert (
        uris(
            DEBIAN,
            Target("http://vendor.test/php", "bookworm", "main", UNKNOWN),
            Target("http://mirror.test/debian", "bookworm", "main", UNKNOWN),
        )[0]
        == "http://mirror.test/debian"
    )


def test_a_mirror_list_of_a_cloud_image_is_passed_on() -> None:
    uri = "mirror+file:/etc/apt/mirrors/debian.list"
    assert uris(DEBIAN, Target(uri, "bookworm", "main", UNKNOWN)) == [uri]


def test_a_name_without_a_number_of_its_own_counts_on_debian() -> None:
    target = Target("http://mirror.test/debian", "stable", "main", "Debian")
    assert uris(DEBIAN, target) == ["http://mirror.test/debian"]


def test_an_installation_disc_does_not_count() -> None:
    with pytest.raises(ArchiveError, match="set MASKLINE_APT_MIRROR"):
        uris(DEBIAN, Target("cdrom:[Debian 12]", "bookworm", "main", "Debian"))


def test_no_archive_at_all_says_what_to_set() -> None:
    with pytest.raises(ArchiveError, match="set MASKLINE_APT_MIRROR"):
        candidates(DEBIAN, targets=list)


def test_debian_takes_the_suites_that_have_asterisk() -> None:
    found = candidates(DEBIAN, mirror="http://mirror.test/debian/")
    assert [archive.suites for archive in found] == [("forky",), ("sid",)]
    assert {archive.uri for archive in found} == {"http://mirror.test/debian"}


def test_ubuntu_takes_its_own_release_with_universe() -> None:
    target = Target("http://ports.test/ubuntu-ports", "noble", "main", "Ubuntu")
    (found,) = candidates(UBUNTU, targets=lambda: [target])
    assert found.suites == ("noble", "noble-updates", "noble-security")
    assert found.components == ("main", "universe")


def test_a_chosen_suite_is_the_only_one() -> None:
    found = candidates(DEBIAN, mirror="http://mirror.test/debian", suite="sid")
    assert [archive.suites for archive in found] == [("sid",)]


def test_sources_name_the_keyring_that_is_trusted() -> None:
    archive = Archive("http://m.test/debian", ("forky",), ("main",), Path("/k.gpg"))
    assert archive.sources() == "deb [signed-by=/k.gpg] http://m.test/debian forky main\n"
    assert archive.sources(with_source=True).splitlines()[1].startswith("deb-src [signed-by=")


def test_without_a_keyring_apt_s_own_trust_is_used() -> None:
    archive = Archive("http://m.test/debian", ("forky",), ("main",), None)
    assert archive.sources() == "deb http://m.test/debian forky main\n"
