"""The hour that the board shows: what is kept step by step is what counting anew would give."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from api.console.board_window import MINUTES, Place, Sums, Window

BEGIN = 29_000_000  # some minute
PLACES = [
    Place(node, trunk, way) for node in ("n1", "n2") for trunk in ("", "a") for way in ("in", "out")
]

added = st.tuples(
    st.integers(0, 200),
    st.sampled_from(PLACES),
    st.lists(st.integers(0, 9), min_size=8, max_size=8),
)
acts = st.lists(st.one_of(added, st.integers(0, 200)), max_size=80)


def counted(what: list[tuple[int, Place, list[int]]]) -> dict[Place, Sums]:
    found: dict[Place, list[int]] = defaultdict(lambda: [0] * 8)
    for _, place, amounts in what:
        for n, amount in enumerate(amounts):
            found[place][n] += amount
    return {place: Sums(*amounts) for place, amounts in found.items() if any(amounts)}


@given(acts)
def test_sums_are_those_of_the_last_hour_whatever_came_when(
    todo: list[tuple[int, Place, list[int]] | int],
) -> None:
    window, now = Window(BEGIN), BEGIN
    kept: list[tuple[int, Place, list[int]]] = []
    for one in todo:
        if isinstance(one, int):
            now = max(now, BEGIN + one)
            window.move(BEGIN + one)
        else:
            minute, place, amounts = one
            window.add(BEGIN + minute, place, amounts)
            if BEGIN + minute > now - MINUTES:
                kept.append((min(BEGIN + minute, now), place, amounts))
    hour = [one for one in kept if one[0] > now - MINUTES]

    assert window.now == now
    assert window.split(lambda place: place) == counted(hour)
    last = [one for one in hour if one[0] > now - 15]
    assert window.split(lambda place: place, 15) == counted(last)
    lines = window.lines(lambda place: place, 5)
    assert set(lines) == set(counted(hour))
    for place, line in lines.items():
        assert len(line) == MINUTES // 5
        for n, sums in enumerate(line):
            began = now - MINUTES + 1 + n * 5
            slice_ = [one for one in hour if one[1] == place and began <= one[0] < began + 5]
            assert sums == counted(slice_).get(place, Sums())


def test_an_hour_without_calls_leaves_nothing_behind() -> None:
    window = Window(BEGIN)
    window.add(BEGIN, PLACES[0], [1] * 8)
    window.add_offer(BEGIN)
    window.move(BEGIN + MINUTES)

    assert window.split(lambda _: "") == {}
    assert window.offers() == [0] * MINUTES


def test_offers_stand_in_their_minutes_and_what_is_too_old_in_none() -> None:
    window = Window(BEGIN)
    for minute in (BEGIN, BEGIN - 1, BEGIN - 1, BEGIN - MINUTES, BEGIN + 7):
        window.add_offer(minute)

    assert window.offers()[-2:] == [2, 2]  # one that has not begun counts as now
    assert sum(window.offers()) == 4


def test_figures_are_those_of_the_standards_and_unknown_where_nothing_was_counted() -> None:
    sums = Sums(
        seizures=4, answered=3, talk_ms=90_000, delays=2, delay_ms=3_000, scores=2, score_sum=830
    )

    assert (sums.asr, sums.acd_s, sums.pdd_ms, sums.mos) == (0.75, 30.0, 1_500.0, 4.15)
    assert (Sums().asr, Sums().acd_s, Sums().pdd_ms, Sums().mos) == (None, None, None, None)
