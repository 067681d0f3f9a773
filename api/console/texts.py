"""The console's texts in every language, by key. Made once from console/texts/*.toml.

A text that lacks a language, or a plural form that its language needs, is an error at start.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LANGUAGES: Final = ("ru", "en")
_FORMS: Final[Mapping[str, frozenset[str]]] = {
    "ru": frozenset({"one", "few", "many"}),
    "en": frozenset({"one", "other"}),
}
Forms = Mapping[str, str]


class TextsBroken(Exception):
    """The files of texts cannot be used."""

    error_id = "console_texts_broken"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language."""

    language: str
    by_key: Mapping[str, str | Forms]

    def __call__(self, key: str, /, **values: object) -> str:
        """The text with `values` put in; `n` chooses the plural form. Raises KeyError."""
        found = self.by_key[key]
        if not isinstance(found, str):
            n = values.get("n", 0)
            assert isinstance(n, int | float), "a plural form is chosen by a number"
            found = found[form(self.language, n)]
        return found.format_map(values) if values else found

    def __contains__(self, key: str) -> bool:
        return key in self.by_key


def form(language: str, n: float) -> str:
    """The plural form of `n` (Unicode CLDR; for what is no whole number, as for many)."""
    if language == "en":
        return "one" if n == 1 else "other"
    if n != int(n):
        return "few"
    n = abs(int(n))
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    if n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14):
        return "few"
    return "many"


def load(folder: Path) -> Mapping[str, Texts]:
    """The texts of every language from the files in `folder`. Raises TextsBroken."""
    found: dict[str, dict[str, str | Forms]] = {language: {} for language in LANGUAGES}
    for file in sorted(folder.glob("*.toml")):
        try:
            tree = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise TextsBroken(f"{file.name}: {error}") from None
        for key, text in _walk(tree, ""):
            for language in LANGUAGES:
                if key in found[language]:
                    raise TextsBroken(f"{file.name}: {key} is there twice")
                found[language][key] = _checked(text.get(language), language, key)
    return {language: Texts(language, texts) for language, texts in found.items()}


def _walk(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in tree.items():
        key = f"{prefix}.{name}" if prefix else name
        if not isinstance(value, Mapping):
            raise TextsBroken(f"{key}: a text has a language: {key}.en, {key}.ru")
        if any(language in value for language in LANGUAGES):
            yield key, value
        else:
            yield from _walk(value, key)


def _checked(text: object, language: str, key: str) -> str | Forms:
    match text:
        case str() if text:
            return text
        case Mapping() if set(text) == _FORMS[language]:
            return {str(name): str(one) for name, one in text.items()}
        case _:
            raise TextsBroken(f"{key} has no text, or not every plural form, in {language}")
