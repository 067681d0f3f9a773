"""Every column of the schema is classified: nobody adds one without saying what becomes of it."""

from __future__ import annotations

import re

from sqlalchemy import Boolean, Integer, LargeBinary

from api.schemas.patterns import IDENTIFIER
from storage.personal import CLASSIFIED, ERASED_USER, sealed_columns, unclassified
from storage.personal_kinds import About, Erasing
from storage.schema import metadata
from storage.vault import Purpose


def test_every_column_there_is_stands_in_the_table_and_none_that_is_not() -> None:
    assert unclassified() == {}


def test_a_column_is_personal_or_plain_or_a_secret_never_two_of_them() -> None:
    for name, kept in CLASSIFIED.items():
        groups = (set(kept.personal), set(kept.plain), set(kept.secrets))
        assert sum(map(len, groups)) == len(set.union(*groups)), name


def test_what_is_named_as_sealed_or_indexed_is_classified_as_such() -> None:
    sealed = {column.name: column.purpose for column in sealed_columns()}
    for table in metadata.tables.values():
        kept = CLASSIFIED[table.name]
        for column in table.c:
            name = f"{table.name}.{column.name}"
            if column.name.endswith("_sealed"):
                assert name in sealed
                assert isinstance(column.type, LargeBinary)
            if column.name.endswith("_index"):
                assert kept.personal[column.name].about is About.PHONE_INDEX
            if column.name.endswith("user_id"):
                assert kept.personal[column.name].about is About.USER_ID
            if column.name.startswith("phone_") and column.name.endswith("_sealed"):
                assert sealed[name] is Purpose.PHONE


def test_what_becomes_null_or_a_tombstone_can() -> None:
    for name, kept in CLASSIFIED.items():
        for column, personal in kept.personal.items():
            there = metadata.tables[name].c[column]
            if personal.erasing is Erasing.NULL:
                assert there.nullable, f"{name}.{column} cannot be null"
            if personal.erasing is Erasing.TOMBSTONE:
                assert not isinstance(there.type, Integer | Boolean)


def test_no_user_can_have_the_tombstones_id() -> None:
    assert re.fullmatch(IDENTIFIER, ERASED_USER) is None
