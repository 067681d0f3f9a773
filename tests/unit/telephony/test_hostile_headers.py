"""Headers made to hurt: slow to read, cut off, or with another number in them."""

from __future__ import annotations

import time

import pytest

from telephony.offers import caller_of

VICTIM, CALLER = "+79161234567", "+79990000001"


@pytest.mark.parametrize(
    "header",
    ["\u2003" * 1000, "\u2003" * 1000 + '"', "a" + " " * 1000 + '"', '"' + "\\a" * 500, "<" * 1000],
)
def test_no_header_takes_long(header: str) -> None:
    begun = time.process_time()
    assert caller_of(sender="", identity=header, privacy="", trusted=True) is None
    assert time.process_time() - begun < 0.2  # a cubic expression takes seconds


@pytest.mark.parametrize(
    "name",
    [
        f'"<sip:{VICTIM}@x>"',
        f'"\\" <sip:{VICTIM}@x>"',
        f'"a,<sip:{VICTIM}@x>"',
        VICTIM,
        f'"{VICTIM}"',
    ],
)
def test_a_name_is_not_a_number(name: str) -> None:
    identity = f"{name} <sip:{CALLER}@carrier.example>"
    assert caller_of(sender="", identity=identity, privacy="none", trusted=True) == CALLER


def test_what_did_not_come_whole_counts_as_withheld() -> None:
    whole, other = f"<sip:{CALLER}@x>", f"<sip:{VICTIM}@x>"
    assert caller_of(sender=other, identity=None, privacy="", trusted=True) is None
    assert caller_of(sender=other, identity=whole, privacy=None, trusted=True) is None
    assert caller_of(sender=None, identity=whole, privacy="", trusted=False) is None
    assert caller_of(sender=None, identity=whole, privacy="", trusted=True) == CALLER
