"""Draws grouped bars as SVG: one file that loads nothing, the same bytes for the same figures.

Text and bars only, and colours that can be told apart on light and dark paper and by the colour
blind (Okabe and Ito). No scripts, no fonts of its own, nothing that a wiki would strip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00")
_INK: Final = "#7f7f7f"  # readable on white and on black
_WIDTH: Final = 720
_LEFT, _RIGHT, _TOP, _BAR, _GAP, _GROUP_GAP = 150, 90, 84, 18, 4, 22
_FONT: Final = "system-ui, sans-serif"


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that stand together, one for each name of the series; None: no bar."""

    label: str
    values: tuple[float | None, ...]


def bars(title: str, unit: str, series: Sequence[str], groups: Sequence[Group]) -> str:
    """The chart as the text of an SVG file. `unit` says what the length of a bar is."""
    each = len(series) * (_BAR + _GAP) - _GAP
    height = _TOP + len(groups) * (each + _GROUP_GAP) + 10
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "width": str(_WIDTH),
            "height": str(height),
            "role": "img",
            "font-family": _FONT,
            "font-size": "13",
            "fill": _INK,
        },
    )
    SubElement(svg, "title").text = title
    _text(svg, 12, 24, title, size=16, weight="bold")
    _text(svg, _WIDTH - 12, 54, unit, anchor="end")
    _legend(svg, series)
    longest = max((value for group in groups for value in group.values if value), default=1.0)
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    y = _TOP
    for group in groups:
        _text(svg, _LEFT - 10, y + each / 2 + 5, group.label, anchor="end")
        for place, value in enumerate(group.values):
            if value is not None:
                _bar(svg, y + place * (_BAR + _GAP), value, scale, COLOURS[place])
        y += each + _GROUP_GAP
    indent(svg)
    return tostring(svg, encoding="unicode") + "\n"


def _legend(svg: Element, series: Sequence[str]) -> None:
    x = 12.0
    for name, colour in zip(series, COLOURS, strict=False):
        attributes = {"x": _round(x), "y": "44", "width": "12", "height": "12", "fill": colour}
        SubElement(svg, "rect", attributes)
        _text(svg, x + 18, 54, name)
        x += 36 + 7.2 * len(name)


def _bar(svg: Element, y: float, value: float, scale: float, colour: str) -> None:
    length = max(value * scale, 1.0)
    attributes = {"x": str(_LEFT), "y": _round(y), "width": _round(length), "height": str(_BAR)}
    SubElement(svg, "rect", attributes | {"fill": colour})
    _text(svg, _LEFT + length + 8, y + _BAR - 4, f"{value:,.0f}")


def _text(
    svg: Element,
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int | None = None,
    weight: str | None = None,
) -> None:
    attributes = {"x": _round(x), "y": _round(y), "text-anchor": anchor}
    if size is not None:
        attributes["font-size"] = str(size)
    if weight is not None:
        attributes["font-weight"] = weight
    SubElement(svg, "text", attributes).text = text


def _round(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
