"""What the tests need: installed where we may, named in one line where we may not."""

from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings, pjsua2, testkit
from maskline.toolbox.errors import CommandError, ToolboxError


class Machine:
    """Packages that are missing, and an apt that installs them."""

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing
        self.installed: list[str] = []
        self.lists_are_old = False

    def run(self, argv: list[str], **_: object) -> str:
        if "update" in argv:
            self.lists_are_old = False
            return ""
        if self.lists_are_old:
            raise CommandError("apt-get failed (100): E: Unable to locate package")
        self.installed += self.missing
        self.missing = []
        return ""


@pytest.fixture
def settings(tmp_path: Path) -> ToolboxSettings:
    return ToolboxSettings(tmp_path)


def machine(monkeypatch: pytest.MonkeyPatch, *, uid: int, missing: list[str]) -> Machine:
    found = Machine(missing)
    monkeypatch.setattr(testkit, "missing_programs", lambda: list(found.missing))
    monkeypatch.setattr(testkit, "run", found.run)
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(pjsua2, "find_pjsua2", lambda _settings: Path("/built"))
    return found


def test_root_installs_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, settings: ToolboxSettings
) -> None:
    found = machine(monkeypatch, uid=0, missing=["postgresql"])
    assert testkit.ensure_testkit(settings) == []
    assert found.installed == ["postgresql"]


def test_old_package_lists_are_fetched_and_it_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, settings: ToolboxSettings
) -> None:
    found = machine(monkeypatch, uid=0, missing=["postgresql"])
    found.lists_are_old = True
    assert testkit.ensure_testkit(settings) == []


def test_a_user_without_rights_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, settings: ToolboxSettings
) -> None:
    found = machine(monkeypatch, uid=1000, missing=["postgresql", "redis-server"])
    said: list[str] = []
    assert testkit.ensure_testkit(settings, said.append) == ["postgresql", "redis-server"]
    (line,) = said
    assert line.endswith("sudo apt-get install postgresql redis-server")
    assert found.installed == []


def test_nothing_missing_says_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch, settings: ToolboxSettings
) -> None:
    machine(monkeypatch, uid=0, missing=[])
    said: list[str] = []
    assert testkit.ensure_testkit(settings, said.append) == []
    assert said == []


def test_an_apt_that_fails_twice_is_one_line(
    monkeypatch: pytest.MonkeyPatch, settings: ToolboxSettings
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise CommandError("apt-get failed (100): E: no network")

    machine(monkeypatch, uid=0, missing=["postgresql"])
    monkeypatch.setattr(testkit, "run", fail)
    with pytest.raises(ToolboxError, match="no network: install by hand: apt-get install postgr"):
        testkit.ensure_testkit(settings)


def test_pjsua2_without_its_packages_names_them(
    monkeypatch: pytest.MonkeyPatch, settings: ToolboxSettings
) -> None:
    monkeypatch.setattr(pjsua2, "missing_packages", lambda: ["swig", "uuid-dev"])
    with pytest.raises(ToolboxError, match="apt-get install swig uuid-dev"):
        pjsua2.ensure_pjsua2(settings)


def test_a_need_is_met_by_a_program_or_a_header() -> None:
    assert pjsua2.Need("dash", program="sh").met()
    assert not pjsua2.Need("none", program="no-such-program").met()
    assert not pjsua2.Need("none", header="no/such/header.h").met()
