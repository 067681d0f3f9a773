"""Where the cache is, and what the environment may choose."""

from pathlib import Path

import pytest

from maskline.toolbox.errors import CacheError
from maskline.toolbox.settings import ToolboxSettings, cache_dir


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"MASKLINE_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/maskline"),
        ({"HOME": "/h"}, "/h/.cache/maskline"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/maskline"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/maskline"),
    ],
)
def test_cache_is_the_first_that_is_named(environ: dict[str, str], expected: str) -> None:
    assert cache_dir(environ) == Path(expected)


def test_a_relative_cache_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cache_dir({"MASKLINE_CACHE": "here"}) == tmp_path / "here"


def test_no_home_says_what_to_set() -> None:
    with pytest.raises(CacheError, match="set MASKLINE_CACHE"):
        cache_dir({})


def test_everything_but_the_cache_has_a_default() -> None:
    assert ToolboxSettings.from_env({"HOME": "/h"}) == ToolboxSettings(Path("/h/.cache/maskline"))


def test_the_environment_chooses() -> None:
    settings = ToolboxSettings.from_env(
        {
            "HOME": "/h",
            "MASKLINE_APT_MIRROR": "http://mirror.test/debian",
            "MASKLINE_APT_SUITE": "sid",
            "MASKLINE_ASTERISK": "toolbox",
        }
    )
    assert settings.apt_mirror == "http://mirror.test/debian"
    assert settings.apt_suite == "sid"
    assert settings.asterisk == "toolbox"
