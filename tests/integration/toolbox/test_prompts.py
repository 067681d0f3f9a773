"""The announcements as callers hear them: right format, audible, of a sensible length."""

import math
import os
from pathlib import Path

import pytest

from maskline.prompts import (
    LANGUAGES,
    PEAK_DBFS,
    SAMPLE_RATE_HZ,
    TEXTS,
    TONE_DBFS,
    TONES,
    Prompts,
    ensure_prompts,
)
from maskline.toolbox import Toolbox, ToolboxSettings, ensure_toolbox

SHORTEST_S, LONGEST_S = 1.5, 9.0
QUIETEST_RMS_DBFS = -30.0


@pytest.fixture(scope="module")
def toolbox() -> Toolbox:
    return ensure_toolbox(ToolboxSettings.from_env(os.environ))


@pytest.fixture(scope="module")
def prompts(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Prompts:
    return ensure_prompts(tmp_path_factory.mktemp("prompts"), lambda: toolbox)


def stat(toolbox: Toolbox, path: Path) -> dict[str, float]:
    """What sox measures: ``Maximum amplitude: 0.7`` and the like, full scale being 1."""
    output = toolbox.command("sox").run(path, "-n", "stat", timeout_s=30)
    pairs = (line.split(":") for line in output.splitlines() if line.count(":") == 1)
    return {" ".join(key.split()): float(value) for key, value in pairs}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TEXTS["en"])
def test_an_announcement_is_audible(
    toolbox: Toolbox, prompts: Prompts, language: str, name: str
) -> None:
    path = prompts.path(language, name).with_suffix(".wav")
    info = toolbox.command("sox").run("--i", path, timeout_s=30)
    assert f"Sample Rate    : {SAMPLE_RATE_HZ}" in info
    assert "Channels       : 1" in info
    assert "Precision      : 16-bit" in info
    measured = stat(toolbox, path)
    assert SHORTEST_S <= measured["Length (seconds)"] <= LONGEST_S
    peak = max(measured["Maximum amplitude"], -measured["Minimum amplitude"])
    assert 20 * math.log10(peak) == pytest.approx(PEAK_DBFS, abs=0.2)
    assert 20 * math.log10(measured["RMS amplitude"]) > QUIETEST_RMS_DBFS


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TONES)
def test_a_tone_is_short_and_of_its_pitch(
    toolbox: Toolbox, prompts: Prompts, language: str, name: str
) -> None:
    hz, length_s = TONES[name]
    measured = stat(toolbox, prompts.path(language, name).with_suffix(".wav"))
    assert measured["Length (seconds)"] == pytest.approx(4 * length_s, abs=0.01)
    assert measured["Rough frequency"] == pytest.approx(hz, rel=0.05)
    assert 20 * math.log10(measured["Maximum amplitude"]) == pytest.approx(TONE_DBFS, abs=0.2)


def test_languages_are_not_each_other_s(prompts: Prompts) -> None:
    for name in TEXTS["en"]:
        english, russian = (
            prompts.path(language, name).with_suffix(".wav").read_bytes() for language in LANGUAGES
        )
        assert english != russian
