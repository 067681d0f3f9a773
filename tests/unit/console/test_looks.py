"""How values look on a page: time spans, numbers of ours, the cells of a table."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from api.console.call_words import unbroken
from api.console.look import duration
from api.console.table_cells import labelled


@pytest.mark.parametrize(
    ("ms", "english", "russian"),
    [
        (None, "–", "–"),
        (0, "0:00", "0:00"),
        (49, "0:00", "0:00"),
        (50, "0:00.1", "0:00,1"),
        (5_940, "0:05.9", "0:05,9"),
        (9_949, "0:09.9", "0:09,9"),
        (9_950, "0:10", "0:10"),
        (11_745, "0:12", "0:12"),
        (59_499, "0:59", "0:59"),
        (59_500, "1:00", "1:00"),
        (3_599_999, "1:00:00", "1:00:00"),
        (3_723_000, "1:02:03", "1:02:03"),
    ],
)
def test_a_time_span_is_rounded_and_spelt_as_the_language_does(
    ms: int | None, english: str, russian: str
) -> None:
    assert duration(ms) == english
    assert duration(ms, "ru") == russian


def test_whole_seconds_need_no_tenths() -> None:
    assert duration(6_000, tenths=False) == "0:06"
    assert duration(5_500, tenths=False) == "0:06"


def test_a_cell_is_told_its_column_a_heading_and_what_has_a_name_are_left() -> None:
    rows = Markup(
        '<tr><th scope="row">1</th><td class="num">2</td><td data-label="own">3</td></tr>'
        "<tr><td>4</td><td>5 &lt;td&gt;</td><td></td><td>beyond</td></tr>"
    )

    assert labelled(rows, ["No.", ("in <use>", "right"), "Last"]) == (
        '<tr><th scope="row">1</th><td data-label="In &lt;use&gt;" class="num">2</td>'
        '<td data-label="own">3</td></tr>'
        '<tr><td data-label="No.">4</td><td data-label="In &lt;use&gt;">5 &lt;td&gt;</td>'
        '<td data-label="Last"></td><td>beyond</td></tr>'
    )


def test_no_line_ends_within_a_number_and_what_is_around_it_is_escaped() -> None:
    assert unbroken("<b> dials +7 495 100-02-02; so") == (
        '&lt;b&gt; dials <span class="num">+7 495 100-02-02</span>; so'
    )
