"""Which machine packages are unpacked for."""

from pathlib import Path

import pytest

from maskline.toolbox.errors import UnsupportedMachineError
from maskline.toolbox.machine import Distribution, detect

DEBIAN_12 = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
DEBIAN_13 = "ID=debian\nVERSION_CODENAME=trixie\n"
UBUNTU_24 = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n"
MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n'
DEBIAN_SID = "ID=debian\n"
FEDORA = "ID=fedora\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "os-release"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "distribution", "codename"),
    [
        (DEBIAN_12, Distribution.DEBIAN, "bookworm"),
        (DEBIAN_13, Distribution.DEBIAN, "trixie"),
        (DEBIAN_SID, Distribution.DEBIAN, "sid"),
        (UBUNTU_24, Distribution.UBUNTU, "noble"),
        (MINT, Distribution.UBUNTU, "noble"),
    ],
)
def test_distribution_is_read_from_os_release(
    tmp_path: Path, text: str, distribution: Distribution, codename: str
) -> None:
    found = detect(write(tmp_path, text), "x86_64", need_apt=False)
    assert (found.distribution, found.codename) == (distribution, codename)


@pytest.mark.parametrize(
    ("processor", "name", "triplet", "loader"),
    [
        ("x86_64", "amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
        ("aarch64", "arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
    ],
)
def test_each_processor_has_its_triplet_and_loader(
    tmp_path: Path, processor: str, name: str, triplet: str, loader: str
) -> None:
    found = detect(write(tmp_path, DEBIAN_12), processor, need_apt=False).architecture
    assert (found.name, found.triplet, found.loader) == (name, triplet, loader)


@pytest.mark.parametrize(("text", "processor"), [(FEDORA, "x86_64"), (DEBIAN_12, "riscv64")])
def test_an_unknown_machine_is_told_to_install_asterisk(
    tmp_path: Path, text: str, processor: str
) -> None:
    with pytest.raises(UnsupportedMachineError, match="install Asterisk 20 or newer yourself"):
        detect(write(tmp_path, text), processor, need_apt=False)


def test_a_machine_without_apt_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedMachineError, match="apt-get is not on PATH"):
        detect(write(tmp_path, DEBIAN_12), "x86_64")


def test_no_os_release_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMachineError, match="cannot read"):
        detect(tmp_path / "absent", "x86_64", need_apt=False)
