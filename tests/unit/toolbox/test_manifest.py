"""The manifest notices every file that is not as it was unpacked."""

from pathlib import Path

import pytest

from maskline.toolbox.errors import DamagedError
from maskline.toolbox.manifest import Manifest, list_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "program").write_bytes(b"program")
    (tmp_path / "usr" / "bin" / "other").write_bytes(b"")
    (tmp_path / "usr" / "bin" / "link").symlink_to("program")
    made = Manifest(("forky",), "amd64", "22.10.1", {"asterisk": "1:22"}, list_files(tmp_path))
    made.write(tmp_path)
    return tmp_path


def test_what_was_written_is_read(root: Path) -> None:
    read = Manifest.read(root)
    assert read.packages == {"asterisk": "1:22"}
    assert sorted(read.files) == ["usr/bin/other", "usr/bin/program"]
    read.check(root)
    read.check(root, full=True)


def test_a_missing_file_is_noticed(root: Path) -> None:
    (root / "usr/bin/other").unlink()
    with pytest.raises(DamagedError, match=r"usr/bin/other.*run make setup"):
        Manifest.read(root).check(root)


def test_a_truncated_file_is_noticed(root: Path) -> None:
    (root / "usr/bin/program").write_bytes(b"prog")
    with pytest.raises(DamagedError, match="usr/bin/program"):
        Manifest.read(root).check(root)


def test_a_link_in_place_of_a_file_is_noticed(root: Path) -> None:
    (root / "usr/bin/other").unlink()
    (root / "usr/bin/other").symlink_to("/etc/hostname")
    with pytest.raises(DamagedError, match="usr/bin/other"):
        Manifest.read(root).check(root)


def test_a_changed_file_of_the_same_size_needs_the_full_check(root: Path) -> None:
    (root / "usr/bin/program").write_bytes(b"Program")
    Manifest.read(root).check(root)
    with pytest.raises(DamagedError, match="usr/bin/program"):
        Manifest.read(root).check(root, full=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"suites": 1}'])
def test_an_unreadable_manifest_is_damage(root: Path, text: str) -> None:
    (root / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        Manifest.read(root)
