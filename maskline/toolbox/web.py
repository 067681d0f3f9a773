"""Builds the web assets (softphone/, console/) into the cache, each named by what went into it.

The tree is only read. npm's packages are fetched once for a lock file; everything after that, a
build of changed sources too, needs no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskline.toolbox import cache
from maskline.toolbox.cache import Progress, quiet
from maskline.toolbox.errors import BuildError, CacheError, CommandError
from maskline.toolbox.node import Node, ensure_node
from maskline.toolbox.process import run
from maskline.toolbox.settings import ToolboxSettings

PROJECT = Path(__file__).parents[2]
SOFTPHONE = "softphone"  # with the demo's page
CONSOLE = "console"
EVERY = (SOFTPHONE, CONSOLE)
# Raise when the way of building changes.
RECIPE = 1
NEED_MB = 300
NPM_TIMEOUT_S = 900.0
BUILD_TIMEOUT_S = 300.0
NOT_SOURCES = {"node_modules", "dist"}
NOT_BUILT = {
    *NOT_SOURCES,
    *("tests", "README.md", "eslint.config.js", "test.mjs"),
    *("templates", "texts"),  # of the console: read where they are
}
LOCKS = ("package.json", "package-lock.json")


def has_sources(project: Path = PROJECT, part: str = SOFTPHONE) -> bool:
    """Whether there is something to build."""
    return (project / part / "package-lock.json").is_file()


def has_script(script: str, project: Path = PROJECT, part: str = SOFTPHONE) -> bool:
    """Whether a part's package.json has this script."""
    told = json.loads((project / part / "package.json").read_bytes())
    return script in told.get("scripts", {})


def find_web(
    settings: ToolboxSettings, project: Path = PROJECT, part: str = SOFTPHONE
) -> Path | None:
    """The folder of the assets built from a part's sources: `softphone/`, …, `manifest.json`.

    None where they were not built yet, or there are no sources.
    """
    if not has_sources(project, part):
        return None
    folder = settings.cache_dir / _name(project, part)
    return folder if (folder / "manifest.json").is_file() else None


def ensure_web(
    settings: ToolboxSettings,
    say: Progress = quiet,
    project: Path = PROJECT,
    part: str = SOFTPHONE,
) -> Path:
    """The same, built first where they are missing. Raises ToolboxError."""
    if (found := find_web(settings, project, part)) is not None:
        return found
    node = ensure_node(settings, project, say)
    modules = _ensure_modules(settings, node, project / part, say)
    folder, name = cache.open_cache(settings.cache_dir), _name(project, part)
    with cache.locked(folder, name, say=say):
        if (found := find_web(settings, project, part)) is not None:
            return found
        say(f"building the web pages of {part}/")
        with cache.build_folder(folder, name) as build:
            _copy(project / part, modules, build / "work")
            (build / "out").mkdir()
            try:
                argv = [*node.node, "build.mjs", str(build / "out")]
                run(argv, env=node.env, cwd=build / "work", timeout_s=BUILD_TIMEOUT_S)
            except CommandError as error:
                raise BuildError(f"the web pages could not be built: {error}") from error
            cache.publish(build / "out", folder / name)
    if (found := find_web(settings, project, part)) is None:
        raise CacheError(f"{folder / name} vanished while it was built, or its sources changed")
    return found


def run_script(
    settings: ToolboxSettings,
    script: str,
    say: Progress = quiet,
    project: Path = PROJECT,
    part: str = SOFTPHONE,
) -> subprocess.CompletedProcess[str]:
    """Runs a script of package.json (`check`, `test`) on the sources as they are."""
    node = ensure_node(settings, project, say)
    modules = _ensure_modules(settings, node, project / part, say)
    with _workbench(project / part, modules) as work:
        return subprocess.run(
            [*node.npm, "run", "--silent", script],
            cwd=work,
            env={**os.environ, **_npm(node, work.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            text=True,
            check=False,
        )


def ensure_modules(
    settings: ToolboxSettings, say: Progress = quiet, project: Path = PROJECT, part: str = CONSOLE
) -> Path:
    """The folder `node_modules` of a part, for tests that use what is in it."""
    return _ensure_modules(settings, ensure_node(settings, project, say), project / part, say)


def _ensure_modules(settings: ToolboxSettings, node: Node, sources: Path, say: Progress) -> Path:
    """The folder `node_modules` that the lock file asks for."""
    digest = _digest([sources / name for name in LOCKS], sources)
    folder, name = cache.open_cache(settings.cache_dir), f"web-modules-{RECIPE}-{digest}"
    final = folder / name
    with cache.locked(folder, name, say=say):
        if not (final / "node_modules").is_dir():
            say("fetching what the web pages are built with")
            cache.check_space(folder, NEED_MB)
            with cache.build_folder(folder, name) as build:
                out = build / "out"
                out.mkdir()
                for lock in LOCKS:
                    shutil.copy2(sources / lock, out / lock)
                # Nobody's install script runs; esbuild's binary comes as a package of its own.
                argv = [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
                try:
                    run(argv, env=_npm(node, build), cwd=out, timeout_s=NPM_TIMEOUT_S)
                except CommandError as error:
                    raise CommandError(f"{error} (is the npm registry reachable?)") from error
                cache.publish(out, final)
    return final / "node_modules"


def _npm(node: Node, folder: Path) -> dict[str, str]:
    """Settings that let npm write to `folder` alone: its cache and logs go with it."""
    return {**node.env, "npm_config_cache": str(folder / "npm"), "CI": "1"}


@contextmanager
def _workbench(sources: Path, modules: Path) -> Iterator[Path]:
    """A copy of the sources with their packages beside them, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="maskline-web-") as folder:
        work = Path(folder) / sources.name
        _copy(sources, modules, work)
        yield work


def _copy(sources: Path, modules: Path, work: Path) -> None:
    def unwanted(_folder: str, names: list[str]) -> set[str]:
        return NOT_SOURCES.intersection(names)

    shutil.copytree(sources, work, ignore=unwanted)
    (work / "node_modules").symlink_to(modules, target_is_directory=True)


def _name(project: Path, part: str) -> str:
    root = project / part
    files = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in NOT_BUILT
    ]
    kind = "web" if part == SOFTPHONE else part
    return f"{kind}-{RECIPE}-{_digest(files, root)}"


def _digest(files: list[Path], root: Path) -> str:
    whole = hashlib.sha256()
    for path in files:
        data = path.read_bytes()
        whole.update(f"{path.relative_to(root)}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()[:16]
