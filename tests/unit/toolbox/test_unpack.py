"""Unpacking keeps what programs need and nothing that could do harm."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from maskline.toolbox.errors import CommandError
from maskline.toolbox.unpack import unpack, versions

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")

CONTROL = "Package: thing\nVersion: 1:2.3-4\nArchitecture: all\nMaintainer: M <m@m.test>\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for folder in (
        *("DEBIAN", "lib/x86_64-linux-gnu", "usr/bin", "usr/share/doc/thing", "etc/thing"),
        *("var/lib/thing", "usr/share/asterisk/sounds/ru_RU_f_Voice"),
    ):
        (tree / folder).mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL + "Description: d\n", "utf-8")
    (tree / "lib/x86_64-linux-gnu/libthing.so.1").write_text("library", "utf-8")
    (tree / "usr/bin/thing").write_text("program", "utf-8")
    (tree / "usr/bin/thing").chmod(0o4755)
    (tree / "usr/share/doc/thing/copyright").write_text("text", "utf-8")
    (tree / "usr/share/asterisk/outside").symlink_to("/var/lib/thing")
    (tree / "usr/share/asterisk/inside").symlink_to("sounds")
    (tree / "usr/share/open").mkdir()
    (tree / "usr/share/open").chmod(0o1777)
    deb = tmp_path / "thing_1%3a2.3-4_all.deb"
    subprocess.run(["dpkg-deb", "-b", tree, deb], check=True, capture_output=True)
    return deb


@pytest.fixture
def root(tmp_path: Path, package: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    unpack([package], root)
    return root


def test_libraries_of_an_unmerged_package_land_below_usr(root: Path) -> None:
    assert (root / "usr/lib/x86_64-linux-gnu/libthing.so.1").read_text("utf-8") == "library"
    assert (root / "lib").is_symlink()


def test_nothing_is_set_uid_or_open_to_others(root: Path) -> None:
    modes = [path.lstat().st_mode for path in root.rglob("*") if not path.is_symlink()]
    unsafe = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH
    assert modes
    assert not any(mode & unsafe for mode in modes)


def test_no_link_leads_out_of_the_folder(root: Path) -> None:
    assert not (root / "usr/share/asterisk/outside").is_symlink()
    assert (root / "usr/share/asterisk/inside").is_symlink()


def test_configuration_state_and_documents_are_left_out(root: Path) -> None:
    assert not (root / "etc").exists()
    assert not (root / "var").exists()
    assert not (root / "usr/share/doc").exists()


def test_sound_languages_are_linked_as_an_installed_system_has_them(root: Path) -> None:
    assert (root / "usr/share/asterisk/sounds/ru").resolve().name == "ru_RU_f_Voice"
    assert not (root / "usr/share/asterisk/sounds/en").exists()


def test_a_broken_package_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken_1_all.deb"
    broken.write_bytes(b"!<arch>\n")
    (tmp_path / "root").mkdir()
    with pytest.raises(CommandError, match=r"broken_1_all\.deb cannot be unpacked: "):
        unpack([broken], tmp_path / "root")


def test_versions_are_read_from_the_names(package: Path) -> None:
    assert versions([package]) == {"thing": "1:2.3-4"}
