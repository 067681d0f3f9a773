"""Sentences of a call's page: keys of console/texts/call.toml with values, until spoken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup, escape

from api.console.look import duration as clock
from api.console.look import figure, proxy
from api.console.texts import Texts
from cdr.wording import duration
from masking.model import Language

_NUMBER: Final = re.compile(r"\+7 \d{3} \d{3}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Word:
    """A value that is a text itself."""

    key: str


@dataclass(frozen=True, slots=True)
class Took:
    """A value that is a time span."""

    ms: int


@dataclass(frozen=True, slots=True)
class At:
    """A value that is a moment: so long after the call was offered."""

    ms: int


@dataclass(frozen=True, slots=True)
class Ours:
    """A value that is a proxy number."""

    e164: str | None


Value = str | int | Word | Took | At | Ours


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence to be."""

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)


def spoken(said: Said, texts: Texts) -> str:
    """The sentence in the language of `texts`."""
    return texts(said.key, **{name: _word(value, texts) for name, value in said.values.items()})


def unbroken(sentence: str) -> Markup:
    """For a page: no line ends within a number of ours."""
    whole = _NUMBER.sub(r'<span class="num">\g<0></span>', str(escape(sentence)))
    return Markup(whole)  # noqa: S704 (escaped one line above)


def span(ms: int, texts: Texts) -> str:
    """A time span: tenths of a second below ten seconds, whole ones above."""
    if ms >= 10_000:
        return duration(ms, Language(texts.language))
    return texts("call.seconds", s=figure(ms / 1000, texts.language, 1))


def _word(value: Value, texts: Texts) -> object:
    match value:
        case Word(key):
            return texts(key)
        case Took(ms):
            return span(ms, texts)
        case At(ms):
            return clock(ms, texts.language, tenths=False)
        case Ours(e164):
            return proxy(e164)
        case _:
            return value
