"""What callers hear of us, announcements and questions, as Asterisk sound files in two languages.

Spoken at set-up by a synthesiser, since the core sounds do not say these sentences; any file that
the operator puts into a folder of his own is used instead. Never says a number or a name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from maskline.toolbox.errors import CacheError, ToolboxError

FOLDER = "maskline"
STAMP = ".prompts.json"
# What Asterisk plays without a codec module beyond the usual ones.
SUFFIXES = (".wav", ".sln", ".ulaw", ".alaw", ".gsm", ".g722")
SAMPLE_RATE_HZ = 8000
PEAK_DBFS = -3
# Raise when the way of making them changes: all are then made again.
RECIPE = 1

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "no-longer-serves": "This number no longer serves this conversation. "
        "Please open the listing to get a new one.",
        "not-in-service": "The number you have dialled cannot connect you. "
        "Please check the number in the app.",
        "try-again": "We cannot connect your call right now. Please try again later.",
        "withheld": "Your number is hidden. Please show your number and call again.",
        "blocked": "The person you are calling is not available.",
        "busy-lines": "All lines are busy. Please try again in a few minutes.",
        "unavailable": "The person you are calling cannot be reached. Please call again later.",
        "ask-pin": "Please enter your code on the keypad.",
        "ask-extension": "Please enter the extension, then press the hash key.",
        "ask-which": "For the conversation you had before, press one. "
        "For the listing that shows this number now, press two.",
        "ask-listing": "This number no longer serves the conversation you had before. "
        "For the listing that shows it now, press one.",
        "wrong-digits": "That was not right. Please try again.",
        "no-digits": "Nothing was entered. Please try again.",
        "gave-up-asking": "We could not connect your call. "
        "Please check the code in the app and call again.",
        "locked-out": "Too many wrong codes were entered. Please try again later.",
        "quiet-hours": "The person you are calling takes no calls at this hour. "
        "Please call later, or write in the app.",
        "too-many-calls": "There have been too many calls. Please write in the app, or call later.",
        "recorded": "This call is recorded.",
        "recorded-for-quality": "This call is recorded for safety and quality.",
    },
    "ru": {
        "no-longer-serves": "Этот номер больше не обслуживает этот разговор. "
        "Откройте объявление, чтобы получить новый.",
        "not-in-service": "По набранному номеру соединить вас нельзя. "
        "Проверьте номер в приложении.",
        "try-again": "Сейчас мы не можем вас соединить. Пожалуйста, перезвоните позже.",
        "withheld": "Ваш номер скрыт. Пожалуйста, включите показ номера и позвоните снова.",
        "blocked": "Абонент сейчас недоступен.",
        "busy-lines": "Все линии заняты. Пожалуйста, перезвоните через несколько минут.",
        "unavailable": "До абонента не удаётся дозвониться. Пожалуйста, перезвоните позже.",
        "ask-pin": "Наберите ваш код на клавиатуре телефона.",
        "ask-extension": "Наберите добавочный номер, затем нажмите решётку.",
        "ask-which": "Чтобы продолжить прежний разговор, нажмите один. "
        "Чтобы позвонить по объявлению с этим номером, нажмите два.",
        "ask-listing": "Этот номер больше не обслуживает прежний разговор. "
        "Чтобы позвонить по объявлению с этим номером, нажмите один.",
        "wrong-digits": "Набрано неверно. Попробуйте ещё раз.",
        "no-digits": "Вы ничего не набрали. Попробуйте ещё раз.",
        "gave-up-asking": "Соединить вас не удалось. Проверьте код в приложении и перезвоните.",
        "locked-out": "Слишком много неверных кодов. Пожалуйста, попробуйте позже.",
        "quiet-hours": "Абонент сейчас не принимает звонки. "
        "Пожалуйста, позвоните позже или напишите в приложении.",
        "too-many-calls": "Слишком много звонков. "
        "Пожалуйста, напишите в приложении или позвоните позже.",
        "recorded": "Разговор записывается.",
        "recorded-for-quality": "Разговор записывается для безопасности и контроля качества.",
    },
}
# Before a call's limit both sides hear it: Hz and seconds of one of two beeps.
TONES: Mapping[str, tuple[int, float]] = {"warning": (1400, 0.2)}
TONE_DBFS = -12
LANGUAGES = tuple(TEXTS)
NAMES = (*TEXTS["en"], *TONES)


@dataclass(frozen=True, slots=True)
class Voice:
    """How a language is spoken: espeak-ng's voice, words a minute, gap between words in 10 ms."""

    name: str
    words_per_minute: int
    gap: int = 1


VOICES = {"en": Voice("en-us", 150), "ru": Voice("ru", 145)}


class PromptError(ToolboxError):
    """An announcement could not be made or copied."""

    error_id = "prompt"


class Program(Protocol):
    """A program to run; raises ToolboxError where it fails."""

    def run(self, *arguments: str | Path, timeout_s: float = ...) -> str:
        """Runs it to its end and returns its output."""
        ...


class Tools(Protocol):
    """Where programs come from: a Toolbox, or anything like it."""

    def command(self, name: str) -> Program:
        """How to run the program `name`."""
        ...


@dataclass(frozen=True, slots=True)
class Prompts:
    """Where the announcements are now."""

    # Holds LANGUAGE/maskline/NAME.*: link or name it as a sounds folder of Asterisk.
    sounds_dir: Path
    made: int
    replaced: int

    def path(self, language: str, name: str) -> Path:
        """The name to give to Playback when no channel language is relied on; no suffix."""
        return self.sounds_dir / language / FOLDER / name


def ensure_prompts(
    target_dir: Path,
    tools: Callable[[], Tools],
    overrides: Path | None = None,
    *,
    spoken_dir: Path | None = None,
) -> Prompts:
    """Makes or copies what is missing or changed below `target_dir`/sounds.

    `overrides`/LANGUAGE/NAME.* or `overrides`/LANGUAGE/maskline/NAME.* takes the place of the
    spoken file. With `spoken_dir` (say, in the cache) sentences are spoken there once and copied
    from there to any number of targets. `tools` is asked only when something has to be spoken, so
    a second run costs a few file look-ups. Files are renamed into place: a call that plays one now
    hears it out. Raises PromptError, CacheError, or what `tools` raises.
    """
    if spoken_dir is not None and spoken_dir != target_dir:
        spoken = ensure_prompts(spoken_dir, tools)

        def make(language: str, name: str, into: Path) -> None:
            _copy(spoken.path(language, name).with_suffix(".wav"), into)

    else:

        def make(language: str, name: str, into: Path) -> None:
            if name in TONES:
                _beep(tools(), *TONES[name], into)
            else:
                _speak(tools(), language, TEXTS[language][name], into)

    sounds = target_dir / "sounds"
    had = _read_stamp(sounds)
    facts: dict[str, str] = {}
    made = replaced = 0
    try:
        for language in LANGUAGES:
            folder = sounds / language / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            for name in NAMES:
                key = f"{language}/{name}"
                own = _override(overrides, language, name)
                facts[key] = _fact(own, language, name)
                replaced += own is not None
                if had.get(key) == facts[key] and _present(folder, name, own):
                    continue
                if own is None:
                    make(language, name, folder / f"{name}.wav")
                else:
                    _copy(own, folder / f"{name}{own.suffix}")
                _remove_others(folder, name, ".wav" if own is None else own.suffix)
                made += 1
        if facts != had:
            _replace(sounds / STAMP, lambda path: path.write_text(json.dumps(facts), "utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise CacheError(f"cannot write announcements to {sounds}: {reason}") from error
    return Prompts(sounds, made, replaced)


def _override(folder: Path | None, language: str, name: str) -> Path | None:
    """The operator's own file, where there is one."""
    if folder is None:
        return None
    places = (folder / language, folder / language / FOLDER)
    found = (place / f"{name}{suffix}" for place in places for suffix in SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def _fact(own: Path | None, language: str, name: str) -> str:
    """Changes whenever the file has to be made again."""
    if own is not None:
        info = own.stat()
        return f"{own}:{info.st_size}:{info.st_mtime_ns}"
    voice = VOICES[language]
    if name in TONES:
        text = f"{RECIPE}:{TONES[name]}:{TONE_DBFS}"
    else:
        text = f"{RECIPE}:{voice}:{PEAK_DBFS}:{TEXTS[language][name]}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _present(folder: Path, name: str, own: Path | None) -> bool:
    path = folder / f"{name}{own.suffix if own else '.wav'}"
    return path.is_file() and path.stat().st_size > 0


def _read_stamp(sounds: Path) -> Mapping[str, str]:
    try:
        raw = json.loads((sounds / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _speak(tools: Tools, language: str, text: str, into: Path) -> None:
    """A sentence as 8 kHz, 16-bit mono WAV, silence trimmed, peak at PEAK_DBFS."""
    voice = VOICES[language]
    with tempfile.TemporaryDirectory(prefix="maskline-prompt-") as work:
        spoken = Path(work) / "spoken.wav"
        tools.command("espeak-ng").run(
            *("-v", voice.name, "-s", str(voice.words_per_minute), "-g", str(voice.gap)),
            *("-w", spoken, "--", text),
            timeout_s=30,
        )

        def convert(path: Path) -> None:
            # Band of a telephone, then a fifth of a second of air at both ends; the level last,
            # since resampling changes peaks.
            tools.command("sox").run(
                *("-D", spoken, "-b", "16", "-c", "1", "-t", "wav", path),
                *("highpass", "200", "rate", "-v", str(SAMPLE_RATE_HZ)),
                *("silence", "1", "0.02", "0.5%", "reverse"),
                *("silence", "1", "0.02", "0.5%", "reverse"),
                *("pad", "0.2", "0.2", "gain", "-n", str(PEAK_DBFS)),
                timeout_s=30,
            )

        _replace(into, convert)


def _beep(tools: Tools, hz: int, length_s: float, into: Path) -> None:
    """Two beeps, as long apart as each is."""

    def make(path: Path) -> None:
        tools.command("sox").run(
            *("-D", "-n", "-r", str(SAMPLE_RATE_HZ), "-b", "16", "-c", "1", "-t", "wav", path),
            *("synth", str(length_s), "sine", str(hz), "pad", "0", str(length_s), "repeat", "1"),
            *("gain", "-n", str(TONE_DBFS)),
            timeout_s=30,
        )

    _replace(into, make)


def _copy(own: Path, into: Path) -> None:
    _replace(into, lambda path: shutil.copyfile(own, path))


def _replace(final: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the final name and renames: it is whole or absent."""
    beside = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        write(beside)
        if not beside.stat().st_size:
            raise PromptError(f"{final.name} came out empty")
        beside.replace(final)
    finally:
        beside.unlink(missing_ok=True)


def _remove_others(folder: Path, name: str, keep: str) -> None:
    """Asterisk chooses among all formats of a name, so only one may be there."""
    others: Iterable[Path] = (folder / f"{name}{suffix}" for suffix in SUFFIXES if suffix != keep)
    for path in others:
        path.unlink(missing_ok=True)
