"""The state machine of a call, as one table: (state, event) -> (state, effects).

For the live table of calls and for whoever folds a call's event rows. Every pair of state and event
has a step, and no step leads back, except from one attempt to the next: an event that comes twice,
late, or after the call's end changes nothing, and one whose forerunners were lost takes the call
straight to where it must be. So every effect happens at most once in a call's life, whatever is
thrown at it; RING alone once for every attempt that rings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType


class State(Enum):
    """Where a call stands."""

    NEW = auto()  # nothing heard of it
    OFFERED = auto()  # waits for its decision
    REFUSED = auto()  # hears an announcement
    PLANNED = auto()  # between two attempts, or before the first
    DIALLING = auto()  # an attempt is under way
    RINGING = auto()  # the callee's phone rings
    UP = auto()  # they talk
    ENDED = auto()  # nobody talks any more; the figures of the legs are still to come
    OVER = auto()  # nothing follows


class Event(Enum):
    """What can be heard of a call."""

    OFFER = auto()
    REFUSE = auto()
    PLAN = auto()
    ATTEMPT = auto()
    RING = auto()
    ANSWER = auto()  # the callee's leg
    ATTEMPT_END = auto()
    END = auto()  # the caller's leg is gone
    OVER = auto()  # the last channel is gone, or the node with all of them


class Effect(Enum):
    """What has to happen because of an event."""

    OPEN = auto()  # the call is known: list it
    RING = auto()  # the callee's phone began to ring
    TALK = auto()  # they began to talk
    HUSH = auto()  # they stopped talking
    CLOSE = auto()  # its record can be written; forget it


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event takes a call, and what has to happen, in this order."""

    state: State
    effects: tuple[Effect, ...] = ()


_S = State
_BEFORE_TALK = (_S.OFFERED, _S.REFUSED, _S.PLANNED, _S.DIALLING, _S.RINGING)

# event, the states in which it says something new, where it leads, what has to happen
_ROWS: tuple[tuple[Event, tuple[State, ...], State, tuple[Effect, ...]], ...] = (
    (Event.OFFER, (_S.NEW,), _S.OFFERED, (Effect.OPEN,)),
    (Event.REFUSE, (_S.NEW,), _S.REFUSED, (Effect.OPEN,)),
    # a plan that could not be carried out is refused by the dialplan after all
    (Event.REFUSE, (_S.OFFERED, _S.PLANNED), _S.REFUSED, ()),
    (Event.PLAN, (_S.NEW,), _S.PLANNED, (Effect.OPEN,)),
    (Event.PLAN, (_S.OFFERED,), _S.PLANNED, ()),
    (Event.ATTEMPT, (_S.NEW,), _S.DIALLING, (Effect.OPEN,)),
    (Event.ATTEMPT, (_S.OFFERED, _S.PLANNED), _S.DIALLING, ()),
    # the end of the attempt before was lost
    (Event.ATTEMPT, (_S.RINGING,), _S.DIALLING, ()),
    (Event.RING, (_S.NEW,), _S.RINGING, (Effect.OPEN, Effect.RING)),
    (Event.RING, (_S.OFFERED, _S.PLANNED, _S.DIALLING), _S.RINGING, (Effect.RING,)),
    (Event.ANSWER, (_S.NEW,), _S.UP, (Effect.OPEN, Effect.TALK)),
    (Event.ANSWER, _BEFORE_TALK, _S.UP, (Effect.TALK,)),
    (Event.ATTEMPT_END, (_S.NEW,), _S.PLANNED, (Effect.OPEN,)),
    (Event.ATTEMPT_END, (_S.OFFERED, _S.DIALLING, _S.RINGING), _S.PLANNED, ()),
    (Event.ATTEMPT_END, (_S.UP,), _S.ENDED, (Effect.HUSH,)),
    (Event.END, (_S.NEW,), _S.ENDED, (Effect.OPEN,)),
    (Event.END, _BEFORE_TALK, _S.ENDED, ()),
    (Event.END, (_S.UP,), _S.ENDED, (Effect.HUSH,)),
    # a channel that never made an offer was no call of ours
    (Event.OVER, (_S.NEW,), _S.OVER, ()),
    (Event.OVER, (*_BEFORE_TALK, _S.ENDED), _S.OVER, (Effect.CLOSE,)),
    (Event.OVER, (_S.UP,), _S.OVER, (Effect.HUSH, Effect.CLOSE)),
)


def _table() -> Mapping[tuple[State, Event], Step]:
    table = {(state, event): Step(state) for state in State for event in Event}
    for event, sources, target, effects in _ROWS:
        table.update({(source, event): Step(target, effects) for source in sources})
    return MappingProxyType(table)


TABLE = _table()
"""Every step. A pair that is not in the rows above is an event that says nothing new."""


def step(state: State, event: Event) -> Step:
    """Where `event` takes a call that is in `state`. Total."""
    return TABLE[state, event]


def fold(events: Iterable[Event], state: State = State.NEW) -> State:
    """The state after all of `events`."""
    for event in events:
        state = step(state, event).state
    return state


def effects(events: Iterable[Event], state: State = State.NEW) -> Iterator[Effect]:
    """What has to happen because of `events`, in order."""
    for event in events:
        following = step(state, event)
        state = following.state
        yield from following.effects
