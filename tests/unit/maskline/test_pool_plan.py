"""What the page on numbers shows is what the command prints and draws."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from maskline import cli
from maskline.chart import Group, bars

DOCS = Path(__file__).parents[3] / "docs"


def test_the_plan_of_the_page_is_the_one_that_is_printed_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "numbers.md").read_text("utf-8")
    shown = re.search(r"<!-- plan -->\n```\n\$ maskline (.*?)\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    chart = tmp_path / "plan.svg"

    assert cli.main([*shlex.split(shown[1]), "--chart", str(chart)]) == 0

    assert capsys.readouterr().out == shown[2]
    assert chart.read_text("utf-8") == (DOCS / "pools-plan.svg").read_text("utf-8")


def test_bars_are_as_long_as_their_figures() -> None:
    groups = [Group("a", (1.0, 4.0)), Group("b", (None, 2.0)), Group("<c>", (0.0, 0.0))]

    svg = ET.fromstring(bars("Title & all", "numbers", ("one", "two"), groups))  # noqa: S314

    drawn = [one for one in svg.iter() if one.tag.endswith("rect") and one.get("x") == "150"]
    widths = [float(one.get("width", 0)) for one in drawn]
    assert len(widths) == 5, "one that is not known has no bar"
    assert widths[1] == 4 * widths[0] == 2 * widths[2]
    texts = [one.text for one in svg.iter() if one.tag.endswith("text")]
    assert {"Title & all", "numbers", "one", "two", "a", "b", "<c>", "4"} <= set(texts)
