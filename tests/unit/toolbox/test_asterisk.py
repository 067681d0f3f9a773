"""Which Asterisk is used."""

from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings, asterisk
from maskline.toolbox.asterisk import NEEDED_MODULES, Source, inspect, parse_version
from maskline.toolbox.errors import AsteriskUnusableError, ToolMissingError


@pytest.mark.parametrize(
    ("text", "major", "minor"),
    [
        ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1\n", 22, 10),
        ("Asterisk 20.6.0~dfsg+~cs6.13.40431414-2build5", 20, 6),
        ("Asterisk certified/20.7-cert3", 20, 7),
        ("Asterisk certified-22.8-cert1", 22, 8),
        ("Asterisk 1.8.32.3", 1, 8),
    ],
)
def test_versions_are_understood(text: str, major: int, minor: int) -> None:
    found = parse_version(text)
    assert found is not None
    assert (found.major, found.minor) == (major, minor)


@pytest.mark.parametrize("text", ["", "Asterisk GIT-master-abc", "command not found"])
def test_odd_versions_are_none(text: str) -> None:
    assert parse_version(text) is None


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A whole Asterisk, as far as files go."""
    modules = tmp_path / "lib" / "x86_64-linux-gnu" / "asterisk" / "modules"
    modules.mkdir(parents=True)
    for name in NEEDED_MODULES:
        (modules / f"{name}.so").touch()
    (tmp_path / "share" / "asterisk" / "documentation").mkdir(parents=True)
    (tmp_path / "sbin").mkdir()
    program(tmp_path, "echo Asterisk 22.1.0")
    return tmp_path


def program(prefix: Path, line: str) -> Path:
    path = prefix / "sbin" / "asterisk"
    path.write_text(f"#!/bin/sh\n{line}\n", "utf-8")
    path.chmod(0o755)
    return path


def settings(folder: Path, choice: str = "auto") -> ToolboxSettings:
    return ToolboxSettings(folder / "no-cache", asterisk=choice)


def test_an_installed_asterisk_is_described(prefix: Path) -> None:
    found = inspect(prefix / "sbin" / "asterisk")
    assert found.argv == (str(prefix / "sbin" / "asterisk"),)
    assert found.modules_dir == prefix / "lib/x86_64-linux-gnu/asterisk/modules"
    assert found.data_dir == prefix / "share/asterisk"
    assert (found.version.major, found.source) == (22, Source.PATH)


def test_path_comes_first(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{prefix}/sbin:/usr/bin:/bin")
    assert asterisk.find_asterisk(settings(prefix)).source is Source.PATH


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("echo Asterisk 18.10.0", "is 18.10.0, 20 is the oldest"),
        ("echo Asterisk GIT-master", "of an unknown version"),
        ("echo E: broken; exit 1", "is not usable"),
    ],
)
def test_an_unfit_one_that_was_asked_for_by_name_is_told(
    prefix: Path, line: str, told: str
) -> None:
    path = program(prefix, line)
    with pytest.raises(AsteriskUnusableError, match=told):
        asterisk.find_asterisk(settings(prefix, str(path)))


def test_missing_modules_are_named(prefix: Path) -> None:
    (prefix / "lib/x86_64-linux-gnu/asterisk/modules/cel_custom.so").unlink()
    with pytest.raises(AsteriskUnusableError, match="lacks modules: cel_custom"):
        inspect(prefix / "sbin" / "asterisk")


def test_one_without_documentation_is_unfit_since_its_sip_stack_would_not_load(
    prefix: Path, tmp_path: Path
) -> None:
    (prefix / "share/asterisk/documentation").rmdir()
    if (Path("/var/lib/asterisk") / "documentation").exists():
        pytest.skip("this machine has Asterisk's documentation installed")
    with pytest.raises(AsteriskUnusableError, match="no documentation"):
        inspect(prefix / "sbin" / "asterisk")


def test_an_unfit_one_on_path_gives_way_to_the_toolbox(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(prefix, "echo Asterisk 16.2.1")
    monkeypatch.setenv("PATH", f"{prefix}/sbin:/usr/bin:/bin")
    with pytest.raises(ToolMissingError, match="run make setup"):  # this cache is empty
        asterisk.find_asterisk(settings(prefix))


def test_the_toolbox_can_be_asked_for_although_path_has_one(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{prefix}/sbin:/usr/bin:/bin")
    with pytest.raises(ToolMissingError):
        asterisk.find_asterisk(settings(prefix, "toolbox"))
