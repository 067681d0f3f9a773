"""The voices that talk where no visitor does: spoken once by a synthesiser and kept in the cache.

Where that cannot be had the page plays notes instead; the demo never fails for want of a voice.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from masking.model import Language, Role
from maskline.demo.page.people import LINES
from maskline.toolbox import ToolboxError, ToolboxSettings, find_tool

RATE_HZ = 16_000
_SPEAKERS = {
    (Language.EN, Role.BUYER): ("en-us+f3", 155),
    (Language.EN, Role.SELLER): ("en-us+m3", 145),
    (Language.RU, Role.BUYER): ("ru+f3", 155),
    (Language.RU, Role.SELLER): ("ru+m3", 145),
}


class Voices:
    """Files of what is said, made when they are first asked for."""

    def __init__(self, settings: ToolboxSettings) -> None:
        self._settings = settings
        self._folder = settings.cache_dir / "demo-voices"

    def file(self, language: Language, role: Role, number: int) -> Path | None:
        """The WAV file of a line; None where it cannot be spoken. Takes a moment the first time."""
        speaker, words_per_minute = _SPEAKERS[language, role]
        text = LINES[language][role][number]
        digest = hashlib.sha256(f"{speaker} {words_per_minute} {text}".encode()).hexdigest()[:16]
        path = self._folder / f"{digest}.wav"
        if not path.is_file():
            try:
                self._speak(text, speaker, words_per_minute, path)
            except (ToolboxError, OSError):
                return None
        return path

    def _speak(self, text: str, speaker: str, words_per_minute: int, path: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        espeak = find_tool(self._settings, "espeak-ng")
        sox = find_tool(self._settings, "sox")
        with tempfile.TemporaryDirectory(prefix="maskline-voice-") as work:
            raw = Path(work) / "raw.wav"
            espeak.run("-v", speaker, "-s", str(words_per_minute), "-w", raw, "--", text)
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            sox.run(
                *("-D", raw, "-b", "16", "-c", "1", "-t", "wav", beside),
                *("highpass", "120", "lowpass", "6500", "rate", "-v", str(RATE_HZ)),
                *("silence", "1", "0.02", "0.5%", "reverse", "silence", "1", "0.02", "0.5%"),
                *("reverse", "gain", "-n", "-5"),
            )
            beside.replace(path)
