"""Announcements: all there, the operator's own first, made once."""

import os
from pathlib import Path

import pytest

from masking.plan import Announcement, Question
from masking.rules import RecordingNotice
from maskline.prompts import LANGUAGES, NAMES, TEXTS, TONES, Prompts, ensure_prompts
from maskline.toolbox.errors import CacheError, CommandError

ALL = len(LANGUAGES) * len(NAMES)


class Program:
    """Writes something into the file that it is asked for."""

    def __init__(self, tools: "Tools", name: str) -> None:
        self.tools = tools
        self.name = name

    def run(self, *arguments: str | Path, timeout_s: float = 1.0) -> str:
        self.tools.calls.append((self.name, tuple(map(str, arguments))))
        if self.tools.fail_at == len(self.tools.calls):
            raise CommandError(f"{self.name} failed (1): no voice")
        marker = "-w" if self.name == "espeak-ng" else "wav"
        Path(arguments[arguments.index(marker) + 1]).write_text(self.name, "utf-8")
        return ""


class Tools:
    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.asked = 0
        self.fail_at = 0

    def __call__(self) -> "Tools":
        self.asked += 1
        return self

    def command(self, name: str) -> Program:
        return Program(self, name)


@pytest.fixture
def tools() -> Tools:
    return Tools()


def files(prompts: Prompts) -> list[Path]:
    return sorted(path for path in prompts.sounds_dir.rglob("*") if path.is_file())


def own(folder: Path, name: str, text: str = "own") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_every_announcement_of_the_domain_is_spoken_in_every_language() -> None:
    for language in LANGUAGES:
        announced = {announcement.value for announcement in Announcement}
        asked = {question.value for question in Question}
        told = {notice.value for notice in RecordingNotice}
        assert set(TEXTS[language]) == announced | asked | told | {"wrong-digits", "no-digits"}


def test_no_announcement_says_a_digit_or_what_a_block_is() -> None:
    for texts in TEXTS.values():
        assert not any(character.isdigit() for text in texts.values() for character in text)
        assert "block" not in texts["blocked"].lower()
        assert "блок" not in texts["blocked"].lower()


def test_asterisk_finds_each_by_language_and_name(tmp_path: Path, tools: Tools) -> None:
    prompts = ensure_prompts(tmp_path, tools)
    assert prompts.made == ALL
    assert prompts.path("ru", "withheld") == tmp_path / "sounds/ru/maskline/withheld"
    for language in LANGUAGES:
        for name in NAMES:
            assert prompts.path(language, name).with_suffix(".wav").is_file()


def test_a_second_run_does_not_even_look_for_the_synthesiser(tmp_path: Path, tools: Tools) -> None:
    ensure_prompts(tmp_path, tools)
    second = Tools()
    assert ensure_prompts(tmp_path, second).made == 0
    assert second.asked == 0


def test_a_missing_file_alone_is_made_again(tmp_path: Path, tools: Tools) -> None:
    prompts = ensure_prompts(tmp_path, tools)
    prompts.path("en", "blocked").with_suffix(".wav").unlink()
    assert ensure_prompts(tmp_path, tools).made == 1


@pytest.mark.parametrize("place", ["ru/withheld.wav", "ru/maskline/withheld.alaw"])
def test_the_operator_s_file_wins(tmp_path: Path, tools: Tools, place: str) -> None:
    path = own(tmp_path / "own", place)
    prompts = ensure_prompts(tmp_path / "data", tools, tmp_path / "own")
    found = [file for file in files(prompts) if file.stem == "withheld" and "ru" in file.parts]
    assert [(file.suffix, file.read_text("utf-8")) for file in found] == [(path.suffix, "own")]
    assert prompts.replaced == 1


def test_a_new_file_of_the_operator_replaces_the_spoken_one_in_whatever_format(
    tmp_path: Path, tools: Tools
) -> None:
    ensure_prompts(tmp_path / "data", tools, tmp_path / "own")
    own(tmp_path / "own", "en/blocked.gsm")
    prompts = ensure_prompts(tmp_path / "data", tools, tmp_path / "own")
    assert prompts.made == 1
    folder = prompts.sounds_dir / "en" / "maskline"
    assert [path.name for path in folder.glob("blocked.*")] == ["blocked.gsm"]


def test_a_changed_file_of_the_operator_is_taken_again(tmp_path: Path, tools: Tools) -> None:
    path = own(tmp_path / "own", "en/blocked.wav", "first")
    ensure_prompts(tmp_path / "data", tools, tmp_path / "own")
    path.write_text("second", "utf-8")
    os.utime(path, ns=(1, 1))
    prompts = ensure_prompts(tmp_path / "data", tools, tmp_path / "own")
    assert prompts.path("en", "blocked").with_suffix(".wav").read_text("utf-8") == "second"


def test_taking_the_operator_s_file_away_brings_the_spoken_one_back(
    tmp_path: Path, tools: Tools
) -> None:
    path = own(tmp_path / "own", "en/blocked.gsm")
    ensure_prompts(tmp_path / "data", tools, tmp_path / "own")
    path.unlink()
    prompts = ensure_prompts(tmp_path / "data", tools, tmp_path / "own")
    folder = prompts.sounds_dir / "en" / "maskline"
    assert [file.name for file in folder.glob("blocked.*")] == ["blocked.wav"]


def test_many_data_folders_share_what_was_spoken_once(tmp_path: Path, tools: Tools) -> None:
    for name in ("one", "two"):
        prompts = ensure_prompts(tmp_path / name, tools, spoken_dir=tmp_path / "spoken")
        assert prompts.made == ALL
    spoken, beeps = len(LANGUAGES) * len(TEXTS["en"]), len(LANGUAGES) * len(TONES)
    assert len(tools.calls) == 2 * spoken + beeps  # espeak-ng and sox for each sentence


def test_a_failure_leaves_no_half_made_file_and_the_next_run_goes_on(
    tmp_path: Path, tools: Tools
) -> None:
    tools.fail_at = 6  # sox of the third sentence
    with pytest.raises(CommandError, match="no voice"):
        ensure_prompts(tmp_path, tools)
    assert len([path for path in (tmp_path / "sounds").rglob("*") if path.is_file()]) == 2
    tools.fail_at = 0
    ensure_prompts(tmp_path, tools)
    assert len(list((tmp_path / "sounds").rglob("*.wav"))) == ALL


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, tools: Tools) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match="cannot write announcements"):
        ensure_prompts(tmp_path / "file", tools)
