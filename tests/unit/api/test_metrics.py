"""Counters and histograms in the text format."""

from __future__ import annotations

from api.metrics import ApiMetrics, Counter, Histogram, health_lines, sample


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


def test_what_probes_report_is_named_after_them_once() -> None:
    gauges = {"lag_bytes": 3.0, "ingest_recorded_total": 7.0}

    lines = list(health_lines({"ingest": (True, gauges)}))

    assert 'maskline_check_ok{check="ingest"} 1' in lines
    assert "maskline_ingest_lag_bytes 3" in lines
    assert "maskline_ingest_recorded_total 7" in lines
    assert "# TYPE maskline_ingest_lag_bytes gauge" in lines
    assert "# TYPE maskline_ingest_recorded_total counter" in lines


def test_every_metric_is_described_once() -> None:
    lines = list(ApiMetrics().lines())

    helps = [line.split()[2] for line in lines if line.startswith("# HELP")]
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert helps == types
    assert len(set(helps)) == len(helps)
