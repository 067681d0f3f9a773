"""Installing the toolbox: once, whole, and again only when something is wrong with it."""

import threading
from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings, box, ensure_toolbox, find_tool, find_toolbox
from maskline.toolbox.cache import Progress
from maskline.toolbox.errors import ArchiveError, CacheError, DamagedError, ToolMissingError
from maskline.toolbox.machine import Machine, detect
from maskline.toolbox.manifest import Manifest, list_files


class Installer:
    """Stands in for fetching and unpacking; counts how often it had to work."""

    def __init__(self) -> None:
        self.runs = 0
        self.fail: Exception | None = None

    def __call__(
        self, settings: ToolboxSettings, here: Machine, build: Path, say: Progress
    ) -> None:
        self.runs += 1
        root = build / "root"
        triplet = here.architecture.triplet
        for path in (*box.PROGRAMS.values(), f"usr/lib/{triplet}/{here.architecture.loader}"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(path, "utf-8")
        if self.fail is not None:
            raise self.fail
        facts = list_files(root)
        Manifest(("forky",), here.architecture.name, "22.10.1", {}, facts).write(root)


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch) -> Installer:
    installer = Installer()
    monkeypatch.setattr(box, "_install", installer)
    monkeypatch.setattr("maskline.toolbox.cache.check_space", lambda _folder, _need_mb: None)
    return installer


@pytest.fixture
def settings(tmp_path: Path) -> ToolboxSettings:
    return ToolboxSettings(tmp_path / "cache")


def test_nothing_installed_is_none(settings: ToolboxSettings) -> None:
    assert find_toolbox(settings) is None


def test_a_second_run_installs_nothing(settings: ToolboxSettings, installer: Installer) -> None:
    assert ensure_toolbox(settings) == ensure_toolbox(settings)
    assert installer.runs == 1


def test_of_two_at_once_one_installs(settings: ToolboxSettings, installer: Installer) -> None:
    found: list[box.Toolbox] = []
    threads = [
        threading.Thread(target=lambda: found.append(ensure_toolbox(settings))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 2
    assert installer.runs == 1


def test_a_failed_installation_leaves_nothing_and_can_be_repeated(
    settings: ToolboxSettings, installer: Installer
) -> None:
    installer.fail = ArchiveError("the archive does not answer")
    with pytest.raises(ArchiveError):
        ensure_toolbox(settings)
    assert find_toolbox(settings) is None
    assert [path.suffix for path in settings.cache_dir.iterdir()] == [".lock"]
    installer.fail = None
    assert ensure_toolbox(settings).manifest.asterisk == "22.10.1"


def test_a_damaged_one_is_told_and_installed_again(
    settings: ToolboxSettings, installer: Installer
) -> None:
    root = ensure_toolbox(settings).root
    (root / box.PROGRAMS["sox"]).unlink()
    with pytest.raises(DamagedError, match="usr/bin/sox"):
        find_toolbox(settings)
    said: list[str] = []
    ensure_toolbox(settings, said.append)
    assert "installing it again" in said[0]
    assert (installer.runs, (root / box.PROGRAMS["sox"]).is_file()) == (2, True)


def test_one_that_others_may_write_is_not_run(
    settings: ToolboxSettings, installer: Installer
) -> None:
    ensure_toolbox(settings).root.chmod(0o777)
    with pytest.raises(CacheError, match="may be written by other users"):
        find_toolbox(settings)


def test_another_suite_is_another_toolbox(settings: ToolboxSettings, installer: Installer) -> None:
    first = ensure_toolbox(settings).root
    second = ensure_toolbox(ToolboxSettings(settings.cache_dir, apt_suite="other")).root
    assert first != second
    assert first.is_dir()


def test_programs_run_through_the_folder_s_own_loader(
    settings: ToolboxSettings, installer: Installer
) -> None:
    found = ensure_toolbox(settings)
    loader, option, path, program = found.command("sipp").argv
    assert loader == str(found.libraries / detect(need_apt=False).architecture.loader)
    assert (option, path) == ("--library-path", str(found.libraries))
    assert program == str(found.root / "usr/bin/sipp")
    espeak = found.command("espeak-ng")
    assert espeak.env == {"ESPEAK_DATA_PATH": str(found.libraries)}


def test_a_program_is_taken_from_the_toolbox_then_from_path(
    settings: ToolboxSettings, installer: Installer
) -> None:
    assert find_tool(settings, "sh").argv[0].endswith("/sh")
    ensure_toolbox(settings)
    assert len(find_tool(settings, "sox").argv) == 4
    with pytest.raises(ToolMissingError, match="run make setup"):
        find_tool(settings, "no-such-program")


def test_every_archive_is_tried_and_the_last_failure_told(
    settings: ToolboxSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoApt:
        def __init__(self, *_: object) -> None: ...

        def update(self) -> None:
            tried.append(self)
            raise ArchiveError("does not answer")

    tried: list[NoApt] = []
    monkeypatch.setattr(box, "PrivateApt", NoApt)
    monkeypatch.setattr("maskline.toolbox.cache.check_space", lambda _folder, _need_mb: None)
    with pytest.raises(ArchiveError, match="does not answer"):
        ensure_toolbox(ToolboxSettings(settings.cache_dir, apt_mirror="http://mirror.test"))
    assert len(tried) >= 1
