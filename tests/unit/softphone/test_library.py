"""The softphone's own tests, run by Node's runner."""

import os

import pytest

from maskline.toolbox import ToolboxSettings
from maskline.toolbox.web import run_script


@pytest.mark.timeout(300)
def test_the_library_passes_its_own_tests() -> None:
    done = run_script(ToolboxSettings.from_env(os.environ), "test")
    assert done.returncode == 0, done.stdout
    assert "fail 0" in done.stdout
