"""Counters and histograms in Prometheus' text format, kept in this process.

Label values come from our own tables only (route templates, statuses, a bounded number of pools),
never from a request: so no metric carries personal data, and their number stays bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from masking.headroom import left
from storage.headroom import Gauge

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Counter:
    """Something that only rises."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...] = ()) -> None:
        self.name = name
        self.text = text
        self._labels = labels
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def add(self, *values: str, amount: float = 1.0) -> None:
        """Raise the one with these label values."""
        self._values[values] = self._values.get(values, 0.0) + amount

    def lines(self) -> Iterator[str]:
        """In the text format."""
        yield from header(self.name, self.text, "counter")
        for values, value in sorted(self._values.items()):
            yield sample(self.name, zip(self._labels, values, strict=True), value)


class Histogram:
    """How long things took, in seconds."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name = name
        self.text = text
        self._labels = labels
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, seconds: float, *values: str) -> None:
        """Count one that took `seconds`."""
        counts = self._counts.get(values)
        if counts is None:
            counts = self._counts[values] = [0] * (len(BUCKETS_S) + 1)
            self._sums[values] = 0.0
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sums[values] += seconds

    def lines(self) -> Iterator[str]:
        """In the text format."""
        yield from header(self.name, self.text, "histogram")
        for values, counts in sorted(self._counts.items()):
            labels = tuple(zip(self._labels, values, strict=True))
            total = 0
            for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
                total += count
                yield sample(f"{self.name}_bucket", (*labels, ("le", bound)), total)
            yield sample(f"{self.name}_sum", labels, self._sums[values])
            yield sample(f"{self.name}_count", labels, total)


class ApiMetrics:
    """What the API counts of itself."""

    def __init__(self) -> None:
        self.requests = Counter(
            "maskline_http_requests_total", "Requests answered.", ("method", "route", "status")
        )
        self.latency = Histogram(
            "maskline_http_request_seconds",
            "From the head of a request to its answer.",
            ("method", "route"),
        )
        self.sessions = Counter(
            "maskline_sessions_opened_total", "Sessions opened through this process."
        )
        self.replays = Counter(
            "maskline_idempotent_replays_total",
            "Answers given again for a repeated Idempotency-Key.",
        )
        self.refusals = Counter(
            "maskline_http_refusals_total", "Problem documents sent.", ("error_id",)
        )
        self.in_flight = 0

    def lines(self) -> Iterator[str]:
        """In the text format."""
        for metric in (self.requests, self.latency, self.sessions, self.replays, self.refusals):
            yield from metric.lines()
        yield from gauge("maskline_http_requests_in_flight", "Requests at work.", self.in_flight)


def header(name: str, text: str, kind: str) -> Iterator[str]:
    """What stands before the samples of a metric."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def gauge(name: str, text: str, value: float) -> Iterator[str]:
    """A metric of one value that rises and falls."""
    yield from header(name, text, "gauge")
    yield sample(name, (), value)


def sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    """One line."""
    inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{name}{{{inner}}} {number}" if inner else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def health_lines(checks: Mapping[str, tuple[bool, Mapping[str, float]]]) -> Iterator[str]:
    """What the probes found: one gauge for each check, and their own gauges."""
    yield from header("maskline_check_ok", "Whether this part is well (1) or not (0).", "gauge")
    for name, (ok, _) in sorted(checks.items()):
        yield sample("maskline_check_ok", (("check", name),), float(ok))
    for name, (_, gauges) in sorted(checks.items()):
        for metric, value in sorted(gauges.items()):
            own = metric if metric.startswith(f"{name}_") else f"{name}_{metric}"
            kind = "counter" if own.endswith("_total") else "gauge"
            yield from header(f"maskline_{own}", f"Reported by {name}.", kind)
            yield sample(f"maskline_{own}", (), value)


def pool_lines(gauges: Sequence[Gauge]) -> Iterator[str]:
    """Each pool's size, and what the participant who holds most of it holds and has left."""
    for name, text, value in (
        ("size", "Numbers that new leases may get.", lambda one: one.size),
        ("held_most", "Numbers held by who holds most of them.", lambda one: one.held),
        ("head_room", "Numbers left for who holds most.", lambda one: left(one.held, one.size)),
    ):
        yield from header(f"maskline_pool_{name}", text, "gauge")
        for one in gauges:
            yield sample(f"maskline_pool_{name}", (("pool", one.pool),), value(one))


def app_lines(streams: int, credentials: int | None) -> Iterator[str]:
    """How many apps listen here, and how many credentials are live; None: not known now."""
    yield from gauge("maskline_app_streams", "Event streams of apps in this process.", streams)
    if credentials is not None:
        text = "Credentials of apps that have neither expired nor been revoked."
        yield from gauge("maskline_app_credentials", text, credentials)
