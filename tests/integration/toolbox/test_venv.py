"""A Python without ensurepip, as Debian ships it, still gets a virtual environment with pip."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from maskline.toolbox import ToolboxSettings, venv


@pytest.mark.slow
def test_pip_comes_from_the_distribution_where_ensurepip_is_missing(tmp_path: Path) -> None:
    said: list[str] = []
    settings = ToolboxSettings.from_env(os.environ)
    venv._make(
        tmp_path / "venv",
        settings,
        said.append,
        has=lambda name: None if name == "ensurepip" else importlib.util.find_spec(name),
    )
    assert any("no ensurepip" in line for line in said)
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-m", "pip", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert str(tmp_path / "venv") in done.stdout
