"""Ranges of bytes, as RFC 9110 has them."""

from __future__ import annotations

import pytest

from api.errors import RangeNotSatisfiable
from api.ranges import Part, part_of

TAG = '"a"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes= 5-6 ", (5, 7)),
    ],
)
def test_a_range_is_a_part(header: str, expected: tuple[int, int]) -> None:
    part = part_of(header, None, TAG, 100)

    assert part == Part(*expected, 100)
    assert part.content_range == f"bytes {expected[0]}-{expected[1] - 1}/100"


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"],
)
def test_what_is_no_range_is_all_of_it(header: str | None) -> None:
    assert part_of(header, None, TAG, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_length(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        part_of(header, None, TAG, 100)

    assert refused.value.headers["Content-Range"] == "bytes */100"


def test_a_range_of_something_else_is_all_of_it() -> None:
    assert part_of("bytes=0-1", TAG, TAG, 100) == Part(0, 2, 100)
    assert part_of("bytes=0-1", '"b"', TAG, 100) is None
