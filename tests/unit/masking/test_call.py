"""The state machine of a call takes any events in any order and never loses its way."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.call import TABLE, Effect, Event, State, effects, fold, step

E, S, X = Event, State, Effect

ANSWERED = (E.OFFER, E.PLAN, E.ATTEMPT, E.RING, E.ANSWER, E.ATTEMPT_END, E.END, E.OVER)
FAILOVER = (E.OFFER, E.PLAN, E.ATTEMPT, E.ATTEMPT_END, E.ATTEMPT, E.RING, E.END, E.OVER)
events = st.lists(st.sampled_from(Event), max_size=25)
ranks = {state: rank for rank, state in enumerate(State)}


def test_every_pair_of_state_and_event_has_a_step() -> None:
    assert set(TABLE) == set(product(State, Event))


@pytest.mark.parametrize(
    ("heard", "state", "done"),
    [
        ((), S.NEW, []),
        ((E.OFFER,), S.OFFERED, [X.OPEN]),
        ((E.OFFER, E.REFUSE), S.REFUSED, [X.OPEN]),
        ((E.OFFER, E.REFUSE, E.END, E.OVER), S.OVER, [X.OPEN, X.CLOSE]),
        ((E.OFFER, E.PLAN, E.REFUSE), S.REFUSED, [X.OPEN]),
        (ANSWERED[:3], S.DIALLING, [X.OPEN]),
        (ANSWERED[:4], S.RINGING, [X.OPEN, X.RING]),
        (ANSWERED[:5], S.UP, [X.OPEN, X.RING, X.TALK]),
        (ANSWERED[:6], S.ENDED, [X.OPEN, X.RING, X.TALK, X.HUSH]),
        (ANSWERED, S.OVER, [X.OPEN, X.RING, X.TALK, X.HUSH, X.CLOSE]),
        (FAILOVER[:4], S.PLANNED, [X.OPEN]),
        (FAILOVER, S.OVER, [X.OPEN, X.RING, X.CLOSE]),
        ((*FAILOVER[:6], E.ATTEMPT, E.RING), S.RINGING, [X.OPEN, X.RING, X.RING]),
        ((E.OFFER, E.END), S.ENDED, [X.OPEN]),
        ((*ANSWERED[:5], E.END), S.ENDED, [X.OPEN, X.RING, X.TALK, X.HUSH]),
        ((*ANSWERED[:5], E.OVER), S.OVER, [X.OPEN, X.RING, X.TALK, X.HUSH, X.CLOSE]),
    ],
)
def test_calls_take_their_ways(heard: tuple[Event, ...], state: State, done: list[Effect]) -> None:
    assert fold(heard) is state
    assert list(effects(heard)) == done


@pytest.mark.parametrize(
    ("event", "state", "done"),
    [
        (E.OFFER, S.OFFERED, [X.OPEN]),
        (E.REFUSE, S.REFUSED, [X.OPEN]),
        (E.PLAN, S.PLANNED, [X.OPEN]),
        (E.ATTEMPT, S.DIALLING, [X.OPEN]),
        (E.RING, S.RINGING, [X.OPEN, X.RING]),
        (E.ANSWER, S.UP, [X.OPEN, X.TALK]),
        (E.ATTEMPT_END, S.PLANNED, [X.OPEN]),
        (E.END, S.ENDED, [X.OPEN]),
        (E.OVER, S.OVER, []),
    ],
)
def test_a_call_whose_beginning_was_lost_is_taken_up_where_it_is(
    event: Event, state: State, done: list[Effect]
) -> None:
    assert fold([event]) is state
    assert list(effects([event])) == done


@pytest.mark.parametrize("before", [S.OFFERED, S.REFUSED, S.PLANNED, S.DIALLING, S.RINGING])
def test_an_answer_is_an_answer_whatever_was_known_before(before: State) -> None:
    assert step(before, E.ANSWER).state is S.UP


@pytest.mark.parametrize("before", [S.OFFERED, S.PLANNED, S.DIALLING])
def test_ringing_needs_no_attempt_that_was_seen(before: State) -> None:
    assert step(before, E.RING).state is S.RINGING


@pytest.mark.parametrize("before", [S.OFFERED, S.DIALLING, S.RINGING])
def test_the_end_of_an_attempt_leaves_room_for_the_next(before: State) -> None:
    assert step(before, E.ATTEMPT_END).state is S.PLANNED


@pytest.mark.parametrize("before", [S.OFFERED, S.PLANNED, S.RINGING])
def test_an_attempt_may_follow(before: State) -> None:
    assert step(before, E.ATTEMPT).state is S.DIALLING


@pytest.mark.parametrize("before", [state for state in State if state not in (S.NEW, S.OVER)])
def test_the_last_channel_closes_the_call_wherever_it_stood(before: State) -> None:
    following = step(before, E.OVER)

    assert following.state is S.OVER
    assert following.effects[-1] is X.CLOSE


@given(events)
def test_a_call_that_is_over_stays_over(heard: list[Event]) -> None:
    assert fold(heard, S.OVER) is S.OVER
    assert list(effects(heard, S.OVER)) == []


@given(events)
def test_what_must_happen_once_happens_once_and_in_order(heard: list[Event]) -> None:
    done = list(effects(heard))
    count = Counter(done)

    assert all(count[one] <= 1 for one in Effect if one is not X.RING)
    assert done[:1] in ([], [X.OPEN])
    assert X.CLOSE not in done[:-1]
    assert count[X.RING] <= 1 + heard.count(E.ATTEMPT) + heard.count(E.ATTEMPT_END)
    if X.TALK in done:
        assert X.RING not in done[done.index(X.TALK) :]
    if X.HUSH in done:
        assert X.TALK in done[: done.index(X.HUSH)]
    if X.CLOSE in done:
        assert count[X.TALK] == count[X.HUSH]


@given(events)
def test_a_call_goes_back_only_from_one_attempt_to_the_next(heard: list[Event]) -> None:
    state = S.NEW
    for event in heard:
        following = step(state, event).state
        if ranks[following] < ranks[state]:
            assert (state, following) in {
                (S.DIALLING, S.PLANNED),
                (S.RINGING, S.PLANNED),
                (S.RINGING, S.DIALLING),
                (S.PLANNED, S.REFUSED),
            }
        state = following


@given(events, st.data())
def test_an_event_heard_twice_in_a_row_says_nothing_new(
    heard: list[Event], data: st.DataObject
) -> None:
    state = fold(heard)
    event = data.draw(st.sampled_from(Event))
    once = step(state, event).state
    again = step(once, event)

    assert (again.state, again.effects) == (once, ())
