"""Which labels plainly hold a phone, and which only have digits in them."""

from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from api.schemas.texts import refuse_any_phone


@pytest.mark.parametrize(
    "label",
    [
        "+79161234567",
        "79161234567",
        "8 (916) 123-45-67",
        "iphone-89161234567",
        "Anna's +7 916 123-45-67",
        "sip:447911123456",
        "tablet_+4989123456",
        "0049 30 1234567",
    ],
)
def test_a_phone_is_refused_and_not_repeated(label: str) -> None:
    with pytest.raises(PydanticCustomError) as refused:
        refuse_any_phone(label)
    assert not any(digit in refused.value.message() for digit in "0123456789")


@pytest.mark.parametrize(
    "label",
    [
        "iphone-12",
        "SM-G998B/DS",
        "web 1732290000",
        "web-1732290000000",
        "2026-11-22 15:30",
        "353918051234567",  # an IMEI
        "911234567890123",
        "R58M12345678901",
        "550e8400-e29b-41d4-a716-446655440000",
        "{79161234-5678-4123-8123-456789012345}",
        "a1b2c3d4e5f60718",
        "12345678901234567890",
        "Windows 10.0.19045.3803",
        "Chrome 131.0.6778.85",
        "app 8.1.2.20240101",
        "192.168.100.200",
    ],
)
def test_other_digits_are_taken_as_they_are(label: str) -> None:
    assert refuse_any_phone(label) == label
