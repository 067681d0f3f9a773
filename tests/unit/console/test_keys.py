"""Every text that is used is there, and every text that is there is used."""

import re
from pathlib import Path

from api.console.navigation import ENTRIES
from api.console.texts import load

ROOT = Path(__file__).parents[3]
# What is put together at run time: `t("role." ~ …)`, f"problem.{…}".
_BUILT = re.compile(r'["\']([a-z_]+(?:\.[a-z_]+)*\.(?:[a-z_]+_)?|[a-z_.]+_)["\']\s*(?:~|\+)')
_TABLED = re.compile(r'["\']([a-z_]+(?:\.[a-z_]+)*\.(?:[a-z_]+_)?)["\']')  # how keys begin
_FORMATTED = re.compile(r'f["\']([a-z_]+(?:\.[a-z_]+)*[._])\{')
_LITERAL = re.compile(r'["\']([a-z][a-z_0-9]*(?:\.[a-z_0-9]+)+)["\']')


def sources() -> str:
    files = [
        *(ROOT / "console" / "templates").rglob("*.html"),
        *(ROOT / "api" / "console").glob("*.py"),
    ]
    return "\n".join(file.read_text() for file in files)


def test_no_text_is_there_for_nothing() -> None:
    every = set(load(ROOT / "console" / "texts")["en"].by_key)
    whole = sources()
    literal = set(_LITERAL.findall(whole))
    begun = {
        *_BUILT.findall(whole),
        *_TABLED.findall(whole),
        *_FORMATTED.findall(whole),
    }
    begun |= {"nav.", "problem."}
    unused = {
        key for key in every if key not in literal and not key.startswith(tuple(sorted(begun)))
    }
    assert not unused


def test_no_text_is_missed() -> None:
    every = set(load(ROOT / "console" / "texts")["en"].by_key)
    used = set()
    for file in (ROOT / "console" / "templates").rglob("*.html"):
        used |= set(re.findall(r'\bt\(\s*["\']([a-z_0-9.]+)["\']\s*[,)]', file.read_text()))
        used |= set(re.findall(r'ui\.empty\(["\']([a-z_0-9.]+)["\']\)', file.read_text()))
    for file in (ROOT / "api" / "console").glob("*.py"):
        text = file.read_text()
        used |= set(re.findall(r'ConsoleProblem\(\s*\d+,\s*["\']([a-z_0-9.]+)["\']', text))
        used |= set(re.findall(r'texts\(\s*["\']([a-z_0-9.]+)["\']', text))
    used |= {f"nav.{entry.key}" for entry in ENTRIES}
    assert not used - every
