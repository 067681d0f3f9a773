"""`make setup` for a user with no rights at all, on a fresh copy of the project.

Everything is fetched anew, so this needs the network and about a minute.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from maskline.prompts import LANGUAGES, NAMES

PROJECT = Path(__file__).parents[3]
NOBODY = "nobody"
# What a user has by default; root's may lead into root's own folders.
USER_PATH = "/usr/local/bin:/usr/bin:/bin"
LIMIT_S = 420
SECOND_RUN_LIMIT_S = 5.0
# What a clone has, as far as set-up reads it.
CLONED = ("Makefile", "README.md", "pyproject.toml", "requirements")
PACKAGES = ("api", "cdr", "masking", "maskline", "storage", "telephony")
PAGES = ("console", "softphone")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(LIMIT_S + 60),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv"),
    pytest.mark.skipif(
        shutil.which("python3", path=USER_PATH) is None, reason="needs a python3 for every user"
    ),
]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home of nobody's with a fresh copy of the project in it."""
    user = pwd.getpwnam(NOBODY)
    with tempfile.TemporaryDirectory(prefix="mk-rightless-") as name:
        home = Path(name)
        project = home / "project"
        project.mkdir()
        for entry in (*CLONED, *PACKAGES, *PAGES):
            source = PROJECT / entry
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules")
                shutil.copytree(source, project / entry, ignore=ignore)
            elif source.is_file():
                shutil.copy2(source, project / entry)
        for path in (home, *home.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        yield home


def as_nobody(home: Path, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    user = pwd.getpwnam(NOBODY)
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MASKLINE_", "XDG_", "PYTHON", "VIRTUAL_ENV", "COV", "PYTEST"))
        and key not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "BASH_ENV", "ENV"}
    }
    drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return subprocess.run(
        [*drop, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", *argv],
        cwd=home / "project",
        env={**kept, "HOME": str(home), "USER": NOBODY, "TMPDIR": str(home), "PATH": USER_PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def ready(home: Path) -> Path:
    """The same, set up."""
    done = as_nobody(home, ["make", "setup"])
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def test_a_user_without_rights_gets_everything_below_his_home(ready: Path) -> None:
    home = ready
    where = as_nobody(home, [".venv/bin/python", "-m", "maskline.toolbox", "where"])
    assert where.returncode == 0, where.stderr
    assert f"{home}/.cache/maskline/toolbox-" in where.stdout
    spoken = (home / ".cache/maskline/prompts/sounds").rglob("*.wav")
    assert len(list(spoken)) == len(NAMES) * len(LANGUAGES)
    version = as_nobody(home, [".venv/bin/python", "-c", "import aiohttp, sqlalchemy, maskline"])
    assert version.returncode == 0, version.stderr


def test_a_second_setup_is_silent_and_quick(ready: Path) -> None:
    begun = time.monotonic()
    done = as_nobody(ready, ["make", "setup"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - begun < SECOND_RUN_LIMIT_S
