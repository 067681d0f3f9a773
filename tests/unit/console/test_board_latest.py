"""The latest seizures of a trunk: enough of them at night, and none too old by day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.console.board_latest import AT_LEAST, REACH_MS, SECONDS_MS, Latest

MINUTE_MS = 60_000
calls = st.lists(st.tuples(st.integers(0, 20_000), st.booleans()), max_size=300)


def after(*came: tuple[int, int, int]) -> Latest[str]:
    latest: Latest[str] = Latest()
    for at_ms, seizures, effective in came:
        latest.add("carrier", at_ms, seizures, effective)
    return latest


def test_few_calls_count_as_far_back_as_they_say_anything_of_now() -> None:
    latest = after((0, 1, 0), (5 * MINUTE_MS, 1, 1), (14 * MINUTE_MS, 1, 0))

    assert latest.of(14 * MINUTE_MS)["carrier"].seizures == 3
    assert latest.of(16 * MINUTE_MS)["carrier"].seizures == 2
    assert latest.of(40 * MINUTE_MS) == {}


def test_as_soon_as_enough_have_come_the_ones_before_them_count_no_more() -> None:
    failed = [(n * 1000, 1, 0) for n in range(8)]
    worked = [(20_000 + n * 1000, 1, 1) for n in range(AT_LEAST)]
    latest = after(*failed, *worked[:5])
    mixed = latest.of(25_000)["carrier"]
    assert (mixed.seizures, mixed.effective) == (AT_LEAST, 5)

    latest = after(*failed, *worked)
    now = latest.of(20_000 + SECONDS_MS + AT_LEAST * 1000)["carrier"]
    assert (now.seizures, now.effective) == (AT_LEAST, AT_LEAST)


def test_of_a_busy_trunk_all_of_the_last_seconds_count() -> None:
    latest = after(*[(second * 1000, 60, 54) for second in range(120)])
    now = latest.of(119_000)["carrier"]

    assert now.seizures == 60 * (SECONDS_MS // 1000 + 1)
    assert now.effective * 10 == now.seizures * 9


def test_what_is_read_long_after_it_was_is_not_taken_for_now() -> None:
    """As when a process starts: the hour before is read while new calls end."""
    now_ms = 60 * MINUTE_MS
    latest = after((now_ms, 1, 1), *[(minute * MINUTE_MS, 50, 0) for minute in range(60)])
    assert (latest.of(now_ms)["carrier"].seizures, latest.of(now_ms)["carrier"].effective) == (1, 1)

    latest.add("carrier", now_ms - SECONDS_MS, 1, 0)  # a moment late
    assert latest.of(now_ms)["carrier"].seizures == 2


@given(calls)
def test_it_counts_the_newest_and_never_more_than_it_must(came: list[tuple[int, bool]]) -> None:
    latest: Latest[str] = Latest()
    now_ms, all_of_them = 0, []
    for pause_ms, worked in came:
        now_ms += pause_ms
        latest.add("carrier", now_ms, 1, int(worked))
        all_of_them.append((now_ms, worked))
        reach = [one for one in all_of_them if one[0] >= now_ms - REACH_MS]
        recent = [one for one in reach if one[0] >= now_ms - SECONDS_MS]
        found = latest.of(now_ms)["carrier"]

        assert min(AT_LEAST, len(reach)) <= found.seizures
        assert len(recent) <= found.seizures <= len(reach)
        newest = reach[len(reach) - found.seizures :]
        assert found.effective == sum(worked for _, worked in newest)
