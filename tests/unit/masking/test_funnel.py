"""How far a call, and a contact, came."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

import pytest

from masking.funnel import Contact, Level, Variant, level_of


@pytest.mark.parametrize(
    ("rang", "answered", "talk_ms", "level"),
    [
        (False, False, 0, Level.CALLED),
        (True, False, 0, Level.RANG),
        (True, True, 10_000, Level.ANSWERED),
        (False, True, 10_000, Level.ANSWERED),
        (True, True, 10_001, Level.TALKED),
    ],
)
def test_levels(rang: bool, answered: bool, talk_ms: int, level: Level) -> None:
    assert level_of(rang=rang, answered=answered, talk_ms=talk_ms) is level


def test_a_contact_is_the_same_in_whatever_order_its_calls_come() -> None:
    calls = (
        Contact(7, Variant.CALL_BUTTON, Level.CALLED),
        Contact(3, Variant.SHOWN_NUMBER, Level.RANG),
        Contact(3, Variant.BOTH, Level.TALKED),
        Contact(9, Variant.CALL_BUTTON, Level.ANSWERED),
    )
    found = {reduce(Contact.joined, order) for order in permutations(calls)}
    assert found == {Contact(3, Variant.BOTH, Level.TALKED)}
