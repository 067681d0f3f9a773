"""The random life of a town: whoever is rung was promised to that caller, on both databases."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.town_machine import TownMachine


def play(at: str, *, examples: int) -> None:
    class TownInADatabase(TownMachine):
        url = at

    run_state_machine_as_test(
        TownInADatabase,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_nobody_in_a_town_on_sqlite_reaches_the_wrong_person(migrated_sqlite: str) -> None:
    play(migrated_sqlite, examples=60)


def test_nobody_in_a_town_on_postgres_reaches_the_wrong_person(migrated_postgres: str) -> None:
    play(migrated_postgres, examples=30)
