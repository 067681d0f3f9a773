"""The web assets: built once for what went into them, from a tree that is only read."""

import json
from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings, web
from maskline.toolbox.errors import BuildError, CommandError
from maskline.toolbox.node import Node


class Npm:
    """Stands in for Node and npm; notes what was run."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.broken = False

    def run(self, argv: list[str | Path], *, cwd: Path, **_: object) -> str:
        words = [str(one) for one in argv]
        self.ran.append(words[1])
        if words[1] == "ci":
            assert {one.name for one in cwd.iterdir()} == {"package.json", "package-lock.json"}
            (cwd / "node_modules").mkdir()
            return ""
        if self.broken:
            raise CommandError("node failed (1): error: no such module")
        assert (cwd / "node_modules").is_dir()
        assert not (cwd / "dist").exists(), "what a developer built by hand is not ours"
        out = Path(words[2])
        (out / "manifest.json").write_text(json.dumps({"files": {}}))
        return ""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    sources = tmp_path / "project" / "softphone"
    for name in ("src", "tests", "dist", "node_modules"):
        (sources / name).mkdir(parents=True)
        (sources / name / "a.ts").write_text("a")
    for name in ("package.json", "package-lock.json", "build.mjs"):
        (sources / name).write_text("{}")
    return sources.parent


@pytest.fixture
def settings(tmp_path: Path) -> ToolboxSettings:
    return ToolboxSettings(tmp_path / "cache")


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> Npm:
    made = Npm()
    monkeypatch.setattr(web, "run", made.run)
    monkeypatch.setattr(web, "ensure_node", lambda *_: Node(("node",), ("npm",), {}))
    return made


def test_it_is_built_once(project: Path, settings: ToolboxSettings, npm: Npm) -> None:
    assert web.find_web(settings, project) is None
    built = web.ensure_web(settings, project=project)
    assert web.find_web(settings, project) == built
    assert web.ensure_web(settings, project=project) == built
    assert npm.ran == ["ci", "build.mjs"]


@pytest.mark.parametrize("name", ["src/a.ts", "src/new.ts", "build.mjs"])
def test_changed_sources_are_built_again_with_the_same_packages(
    project: Path, settings: ToolboxSettings, npm: Npm, name: str
) -> None:
    before = web.ensure_web(settings, project=project)
    (project / "softphone" / name).write_text("changed")
    assert web.find_web(settings, project) is None
    assert web.ensure_web(settings, project=project) != before
    assert npm.ran == ["ci", "build.mjs", "build.mjs"]


def test_a_changed_lock_fetches_other_packages(
    project: Path, settings: ToolboxSettings, npm: Npm
) -> None:
    web.ensure_web(settings, project=project)
    (project / "softphone" / "package-lock.json").write_text('{"other": 1}')
    web.ensure_web(settings, project=project)
    assert npm.ran == ["ci", "build.mjs"] * 2


@pytest.mark.parametrize("name", ["tests/a.ts", "dist/a.ts", "node_modules/a.ts"])
def test_what_is_not_built_does_not_count(
    project: Path, settings: ToolboxSettings, npm: Npm, name: str
) -> None:
    before = web.ensure_web(settings, project=project)
    (project / "softphone" / name).write_text("changed")
    assert web.find_web(settings, project) == before


def test_a_failed_build_leaves_nothing(project: Path, settings: ToolboxSettings, npm: Npm) -> None:
    npm.broken = True
    with pytest.raises(BuildError, match="no such module"):
        web.ensure_web(settings, project=project)
    assert web.find_web(settings, project) is None
    assert not list(settings.cache_dir.glob(".build-*"))


def test_an_installed_maskline_without_sources_has_no_pages(
    tmp_path: Path, settings: ToolboxSettings
) -> None:
    assert web.find_web(settings, tmp_path) is None
