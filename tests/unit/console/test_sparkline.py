"""Lines drawn by the server: inside their box, broken where nothing is known."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from api.console.sparkline import HEIGHT, WIDTH, path

values = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=60)


@given(values, st.sampled_from([(None, None), (0.0, 1.0), (0.0, None)]))
def test_every_point_is_inside_and_each_known_value_has_one(
    line: list[float | None], scale: tuple[float | None, float | None]
) -> None:
    drawn = path(line, low=scale[0], high=scale[1])
    points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", drawn)

    assert len(points) == sum(value is not None for value in line)
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)


def test_it_is_broken_where_a_value_is_missing_and_a_lone_value_is_a_dot() -> None:
    drawn = path([1, 2, None, 1, None, 2, 1])

    assert drawn.count("M") == 3
    assert drawn.count("h2") == 1


def test_more_is_higher_and_nothing_is_nothing() -> None:
    low, high = re.findall(r"[ML][\d.]+ ([\d.]+)", path([0, 1]))

    assert float(high) < float(low)
    assert path([]) == path([None, None]) == ""
