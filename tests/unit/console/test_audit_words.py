"""Every fact that is written to the audit log is called by a name in both languages."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import cdr
from api.console import audit_filter, calls_filter, pool_rules
from api.console.audit_words import KINDS, name_of, told
from api.console.render import texts_of
from cdr.record_filter import Filter
from storage import audit

_COUNTED = re.compile(r"counts\[\"([a-z_]+)\"\]")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_fact_that_is_made_of_something_else_has_its_name(language: str) -> None:
    """Of pages see the fixture `lite` of tests/contract/console: there, each deed is done."""
    erasing = "".join(one.read_text("utf-8") for one in Path(cdr.__file__).parent.glob("eras*.py"))
    whole = audit_filter.read(dict.fromkeys(audit_filter.FIELDS, "x"), "UTC")
    names = {
        *(one.name for one in fields(Filter)),
        *(one for one in calls_filter.NAMES if one != "phone"),  # that is what is looked for
        *audit_filter.told(whole.wanted),
        *pool_rules.rules(),
        *_COUNTED.findall(erasing),
        *("erasure", "rounds", "with_phones", "version", "why", "sha256", "from_byte", "bytes"),
        *("key", "values", "resealed", "passes", "broken"),
    }

    assert len(names) > 80
    texts = texts_of()[language]
    assert sorted(name for name in names if name_of(name, texts) is None) == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_kind_of_object_has_its_name(language: str) -> None:
    kinds = {one.value.partition(".")[0] for one in audit.Action} | {"user", "vault", "sessions"}

    assert set(KINDS) == kinds
    texts = texts_of()[language]
    assert sorted(kind for kind in kinds if f"audit.object_of.{kind}" not in texts) == []


def test_what_a_later_version_kept_is_told_as_it_stands() -> None:
    facts: dict[str, audit.Fact] = {"colour": "red", "what": "closed", "left": None}

    assert told(facts, texts_of()["en"]) == [
        ("", "closed"),
        ("colour", "red"),
        ("left", "–"),
    ]
