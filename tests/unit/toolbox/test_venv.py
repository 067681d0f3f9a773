"""The virtual environment is made from the lock, and left alone while the lock stays the same."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings, venv
from maskline.toolbox.errors import CommandError, UnsupportedMachineError
from maskline.toolbox.venv import Wanted, ensure_venv


class Commands:
    """Stands in for venv and pip: makes what they would make, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fail = False

    def __call__(self, argv: Sequence[str | Path], **_: object) -> str:
        self.asked.append([str(part) for part in argv])
        if "venv" in self.asked[-1]:
            folder = Path(argv[-1])
            version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
            (folder / "lib" / version / "site-packages" / "pip").mkdir(parents=True, exist_ok=True)
            (folder / "bin").mkdir(exist_ok=True)
            (folder / "bin" / "python").unlink(missing_ok=True)
            (folder / "bin" / "python").touch()
        elif self.fail and "pip" in self.asked[-1]:
            raise CommandError("python failed (1): no answer")
        return ""

    @property
    def installed(self) -> list[str]:
        """The last word of each pip command: a lock file or the project."""
        return [Path(argv[-1]).name for argv in self.asked if "pip" in argv]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands()
    monkeypatch.setattr(venv, "run", commands)
    # Debian's Python may come without ensurepip: pip is then looked for elsewhere.
    monkeypatch.setattr(venv, "_pip_wheel", lambda work, _: work / "pip.whl")
    return commands


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "requirements").mkdir(parents=True)
    for name in ("build", "run", "dev"):
        (project / "requirements" / f"{name}.txt").write_text(name, "utf-8")
    (project / "pyproject.toml").write_text("[project]", "utf-8")
    return project


@pytest.fixture
def settings(tmp_path: Path) -> ToolboxSettings:
    return ToolboxSettings(tmp_path / "cache")


def test_everything_is_installed_by_hash_from_the_lock(
    project: Path, settings: ToolboxSettings, commands: Commands
) -> None:
    ensure_venv(project, Wanted.RUN, settings)
    assert commands.installed == ["build.txt", "run.txt", "project"]
    assert all("--require-hashes" in argv for argv in commands.asked if "-r" in argv)
    assert all("--no-deps" in argv for argv in commands.asked if "pip" in argv)


def test_a_second_run_asks_nothing(
    project: Path, settings: ToolboxSettings, commands: Commands
) -> None:
    ensure_venv(project, Wanted.DEV, settings)
    commands.asked.clear()
    ensure_venv(project, Wanted.DEV, settings)
    ensure_venv(project, Wanted.RUN, settings)  # development's lock holds all of run's
    assert commands.asked == []


@pytest.mark.parametrize("file", ["requirements/run.txt", "requirements/build.txt"])
def test_a_changed_lock_is_installed_into_the_same_environment(
    project: Path, settings: ToolboxSettings, commands: Commands, file: str
) -> None:
    ensure_venv(project, Wanted.RUN, settings)
    commands.asked.clear()
    (project / file).write_text("changed", "utf-8")
    ensure_venv(project, Wanted.RUN, settings)
    assert commands.installed == ["build.txt", "run.txt", "project"]
    assert not any("venv" in argv for argv in commands.asked)


def test_an_installation_that_failed_is_repeated(
    project: Path, settings: ToolboxSettings, commands: Commands
) -> None:
    commands.fail = True
    with pytest.raises(CommandError, match="is the package index reachable"):
        ensure_venv(project, Wanted.RUN, settings)
    commands.fail = False
    ensure_venv(project, Wanted.RUN, settings)
    assert commands.installed[-1] == "project"


def test_an_environment_whose_interpreter_went_away_is_made_again(
    project: Path, settings: ToolboxSettings, commands: Commands
) -> None:
    python = ensure_venv(project, Wanted.RUN, settings)
    python.unlink()
    python.symlink_to("/no/longer/there/python3")
    said: list[str] = []
    ensure_venv(project, Wanted.RUN, settings, said.append)
    assert said[0] == "making .venv"


def test_without_the_venv_module_one_line_says_what_to_install(
    tmp_path: Path, settings: ToolboxSettings
) -> None:
    with pytest.raises(UnsupportedMachineError, match="apt install python3-venv"):
        venv._make(tmp_path / "venv", settings, lambda _line: None, has=lambda _name: None)
