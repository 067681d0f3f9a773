"""The checker of histories believes what can have happened, and nothing else."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.support.history import NEVER, Does, Work, tells_a_story

COOL_DOWN = 10.0


def opened(session: str, begun: float, ended: float, ttl: float = 1000) -> Work:
    return Work(Does.OPEN, session, begun, begun, ended, ttl)


def closed(session: str, begun: float, ended: float) -> Work:
    return Work(Does.CLOSE, session, begun, begun, ended)


def saw(session: str | None, begun: float, ended: float) -> Work:
    return Work(Does.LOOK, session, begun, begun, ended)


GOOD = {
    "nothing": [],
    "led nowhere before, led there after": [saw(None, 0, 1), opened("a", 2, 3), saw("a", 4, 5)],
    "either while it is opened": [opened("a", 0, 9), saw(None, 1, 2), saw("a", 3, 4)],
    "either while it is closed": [
        opened("a", 0, 1),
        closed("a", 2, 9),
        saw("a", 3, 4),
        saw(None, 5, 6),
    ],
    "the next one after the cool-down": [
        opened("a", 0, 1),
        closed("a", 2, 3),
        opened("b", 13, 14),
        saw("b", 15, 16),
    ],
    "the work of one who was killed was done late": [
        opened("a", 0, NEVER),
        saw(None, 5, 6),
        saw("a", 50, 51),
    ],
    "it expired": [opened("a", 0, 1, ttl=5), saw(None, 5, 6), opened("b", 16, 17)],
    "closing what is over changes nothing": [
        opened("a", 0, 1),
        closed("a", 2, 3),
        closed("a", 8, 9),
        opened("b", 12, 13),
    ],
}
BAD = {
    "led to one that is not there yet": [saw("a", 0, 1), opened("a", 2, 3)],
    "led nowhere though it is there": [opened("a", 0, 1), saw(None, 2, 3)],
    "led to one that was closed": [opened("a", 0, 1), closed("a", 2, 3), saw("a", 4, 5)],
    "led to one that expired": [opened("a", 0, 1, ttl=5), saw("a", 6, 7)],
    "two at one place": [opened("a", 0, 1), opened("b", 2, 3)],
    "two at one place, at once": [opened("a", 0, 5), opened("b", 0, 5)],
    "taken while it cools": [opened("a", 0, 1), closed("a", 2, 3), opened("b", 4, 11)],
    "seen, and then not yet": [opened("a", 0, 9), saw("a", 1, 2), saw(None, 3, 4)],
    "gone, and there again": [
        opened("a", 0, 1),
        closed("a", 2, 9),
        saw(None, 3, 4),
        saw("a", 5, 6),
    ],
    "led to a stranger's": [opened("a", 0, 1), saw("b", 2, 3)],
}


@pytest.mark.parametrize("name", GOOD)
def test_it_believes_what_can_have_happened(name: str) -> None:
    assert tells_a_story(GOOD[name], cool_down=COOL_DOWN)


@pytest.mark.parametrize("name", BAD)
def test_it_does_not_believe_what_cannot(name: str) -> None:
    assert not tells_a_story(BAD[name], cool_down=COOL_DOWN)


def a_true_story(rng: random.Random) -> list[Work]:
    """Works done one by one at a place, each stretched around its moment until they overlap."""
    works: list[Work] = []
    live: str | None = None
    free_from = 0.0
    for n in range(120):
        at = 10.0 * n + 5
        span = (at - rng.uniform(0, 30), at + rng.uniform(0, 30))
        if live is None and at - 30 >= free_from and rng.random() < 0.5:
            live = f"s{n}"
            works.append(replace(opened(live, *span, ttl=1e9), now=at))
        elif live is not None and rng.random() < 0.2:
            works.append(replace(closed(live, *span), now=at))
            live, free_from = None, at + COOL_DOWN
        else:
            works.append(replace(saw(live, *span), now=at))
    return works


@pytest.mark.parametrize("seed", range(20))
def test_it_believes_every_true_story_and_finds_the_lie_in_it(seed: int) -> None:
    story = a_true_story(random.Random(seed))
    assert tells_a_story(story, cool_down=COOL_DOWN)

    lie = [*story, saw("somebody else", 300, 310)]
    assert not tells_a_story(lie, cool_down=COOL_DOWN)
