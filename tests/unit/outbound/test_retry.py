"""When a delivery is tried again, and when a receiver is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.outbound import retry
from api.outbound.retry import GIVE_UP, OPEN_MAX, OPEN_MIN, PAUSES_S, TRIPS, Outcome
from storage.webhooks import Webhook

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
draws = st.floats(0, 1, exclude_max=True)


def a_webhook(failures: int = 0, failing_s: float | None = None) -> Webhook:
    since = None if failing_s is None else NOW - timedelta(seconds=failing_s)
    return Webhook(
        id="whk_1",
        url="https://shop.example/",
        events=None,
        description=None,
        enabled=True,
        disabled_why=None,
        created_at=NOW,
        updated_at=NOW,
        previous_until=None,
        failures=failures,
        failing_since=since,
        open_until=None,
        succeeded_at=None,
    )


@given(st.lists(draws, min_size=200, max_size=200))
def test_a_delivery_is_tried_for_three_days_and_no_longer(chances: list[float]) -> None:
    now, tries = NOW, 1
    while True:
        due = retry.next_try(tries, NOW, now, chances[tries])
        if due is None:
            break
        assert now < due < NOW + GIVE_UP
        now, tries = due, tries + 1
    assert now > NOW + GIVE_UP - timedelta(seconds=PAUSES_S[-1] * 1.1)
    assert 12 <= tries <= 17


@given(st.integers(1, 100), draws)
def test_a_pause_is_that_of_the_table_give_or_take_a_tenth(tries: int, draw: float) -> None:
    due = retry.next_try(tries, NOW, NOW, draw)
    assert due is not None
    pause_s = PAUSES_S[min(tries, len(PAUSES_S)) - 1]
    assert 0.9 * pause_s <= (due - NOW).total_seconds() <= 1.1 * pause_s


@given(st.integers(0, 3600))
def test_what_the_receiver_asks_for_only_lengthens_a_pause(asked_s: int) -> None:
    due = retry.next_try(1, NOW, NOW, 0.5, asked_s)
    assert due == NOW + timedelta(seconds=max(PAUSES_S[0], asked_s))


def test_any_2xx_is_a_success_and_nothing_else_is() -> None:
    assert [status for status in range(100, 600) if retry.succeeded(status)] == [*range(200, 300)]
    assert not retry.succeeded(None)


def failures(count: int, *, at: datetime = NOW) -> list[Outcome]:
    return [Outcome(at, ok=False)] * count


def test_a_few_failures_leave_the_circuit_closed() -> None:
    after = retry.condition(a_webhook(), failures(TRIPS - 1), 0.5)
    assert (after.failures, after.failing_since, after.open_until) == (TRIPS - 1, NOW, None)


def test_so_many_in_a_row_open_it_however_they_come() -> None:
    after = retry.condition(a_webhook(TRIPS - 1, 1), failures(16), 0.5)
    assert after.open_until == NOW + OPEN_MIN  # once, not for each of them


@given(st.floats(0, 3 * 86_400), draws)
def test_it_stays_open_for_half_as_long_as_it_fails(failing_s: float, draw: float) -> None:
    after = retry.condition(a_webhook(TRIPS, failing_s), failures(1), draw)
    assert after.open_until is not None
    pause = after.open_until - NOW
    assert OPEN_MIN <= pause <= OPEN_MAX
    if pause not in (OPEN_MIN, OPEN_MAX):
        assert 0.44 * failing_s <= pause.total_seconds() <= 0.56 * failing_s


def test_one_success_closes_it() -> None:
    after = retry.condition(a_webhook(TRIPS, 60), [*failures(1), Outcome(NOW, ok=True)], 0.5)
    assert (after.failures, after.failing_since, after.open_until) == (0, None, None)
    assert after.succeeded_at == NOW


def test_after_failures_one_delivery_goes_first() -> None:
    assert retry.open_at_once(a_webhook(TRIPS, 60), 16) == 1
    assert retry.open_at_once(a_webhook(), 16) == 16
