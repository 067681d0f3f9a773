"""pjsua2, the SIP client of the tests: where it is, and how to run a script with it.

Import it in a process of its own, never in pytest's: its threads and its SWIG types outlive a
test, and a crash in it would take all results along.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings
from maskline.toolbox.pjsua2 import find_pjsua2


def pjsua2_folder() -> Path:
    """The folder that holds the module; skips the test where it has not been built."""
    folder = find_pjsua2(ToolboxSettings.from_env(os.environ))
    if folder is None:
        pytest.skip("pjsua2 is not built: python -m maskline.toolbox testkit")
    return folder


def pjsua2_env() -> dict[str, str]:
    """An environment in which ``import pjsua2`` works, ours besides."""
    path = os.pathsep.join([str(pjsua2_folder()), *sys.path])
    return {**os.environ, "PYTHONPATH": path}


def run_with_pjsua2(
    code: str, *arguments: str, timeout_s: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Runs a script that may import pjsua2 and returns what it printed and its exit code."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=pjsua2_env(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
