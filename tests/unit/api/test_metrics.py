"""Counters and histograms in the text format."""

from __future__ import annotations

from api.metrics import ApiMetrics, Counter, Histogram, sample


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram("took_seconds", "How long.", ("route",))
    for seconds in (0.001, 0.002, 0.3, 99.0):
        histogram.observe(seconds, "/a")

    lines = list(histogram.lines())

    assert lines[:2] == ["# HELP took_seconds How long.", "# TYPE took_seconds histogram"]
    assert 'took_seconds_bucket{route="/a",le="0.001"} 1' in lines
    assert 'took_seconds_bucket{route="/a",le="0.0025"} 2' in lines
    assert 'took_seconds_bucket{route="/a",le="0.5"} 3' in lines
    assert 'took_seconds_bucket{route="/a",le="+Inf"} 4' in lines
    assert 'took_seconds_count{route="/a"} 4' in lines


def test_a_counter_without_labels_is_there_from_the_start() -> None:
    assert list(Counter("things_total", "Things.").lines())[-1] == "things_total 0"


def test_label_values_are_escaped() -> None:
    assert sample("a", [("b", 'x"\\\n')], 1.5) == 'a{b="x\\"\\\\\\n"} 1.5'


def test_every_metric_is_described_once() -> None:
    lines = list(ApiMetrics().lines())

    helps = [line.split()[2] for line in lines if line.startswith("# HELP")]
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert helps == types
    assert len(set(helps)) == len(helps)
