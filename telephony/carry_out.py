"""Turns a decision into what Asterisk is told: Setvar and Redirect, to be sent in one segment.

The dialplan reads these variables into applications and paths, so every value is checked against
one narrow alphabet here, whatever was checked before. The variables: dialplans/maskline.conf.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import assert_never

from masking.plan import Asked, Decision, Heard, Plan, Prompt, Question, Refusal, Went
from telephony.ami import Action
from telephony.errors import PlanUnusable

__all__ = [
    "MAX_STEPS",
    "actions_for",
    "hang_up_actions",
    "offer_again",
    "read_asked",
    "read_plan_row",
]

MAX_STEPS = 12
_SAFE = re.compile(r"[A-Za-z0-9_.:+@=/;-]*")
_ASKED = re.compile(
    r"([a-z-]{1,32}):([0-9]{1,2}):([0-9]{0,20}):([a-z0-9_]{0,64}):([a-z0-9_]{0,64})"
)
MOST_DIGITS = 20
_DIAL = re.compile(r"\+?[0-9]{2,20}")
# Asterisk reads lines of 1,024 bytes; "Value: " and CR LF are part of one.
_LINE = 960

Pairs = list[tuple[str, str]]


def actions_for(channel: str, decision: Decision) -> tuple[Action, ...]:
    """Return the actions that carry `decision` out on `channel`. Raises PlanUnusable."""
    match decision:
        case Plan():
            context, pairs = "plan", _plan(decision)
        case Refusal():
            context, pairs = "refuse", _refusal(decision)
        case Prompt():
            context, pairs = "prompt", _prompt(decision)
        case _:
            assert_never(decision)
    return (
        *(_setvar(channel, chunk) for chunk in _chunks(pairs)),
        Action(
            "Redirect",
            (("Channel", channel), ("Context", context), ("Exten", "s"), ("Priority", "1")),
        ),
    )


def hang_up_actions(channel: str, cause: int) -> tuple[Action, ...]:
    """Return the actions that end a call from our side."""
    return (
        Action("Setvar", (("Channel", channel), ("Variable", "M_BY"), ("Value", "system"))),
        Action("Hangup", (("Channel", channel), ("Cause", str(cause)))),
    )


def offer_again(channel: str) -> Action:
    """Return the action that makes a waiting call ask anew."""
    return Action(
        "Redirect",
        (("Channel", channel), ("Context", "offer"), ("Exten", "s"), ("Priority", "ask")),
    )


def _plan(plan: Plan) -> Pairs:
    steps = [step for attempt in plan.attempts for step in attempt.steps]
    if not steps or len(steps) > MAX_STEPS:
        raise PlanUnusable(f"a plan needs 1 to {MAX_STEPS} steps, this has {len(steps)}")
    row = _row(
        session=plan.session_id or "",
        caller=plan.caller or "",
        callee=plan.callee or "",
        **{"in": plan.number_in, "out": plan.number_out or ""},
        lang=plan.language,
        **_heard(plan.heard),
    )
    pairs: Pairs = [
        ("M_PLAN", row),
        ("M_LANG", plan.language),
        ("M_MAX", str(plan.max_call_s)),
        ("M_N", "1"),
        ("M_OPEN", "1"),
        ("CALLERID(num)", steps[0].caller_id),
    ]
    if plan.warn_before_s:
        pairs.append(("M_WARN", str(plan.warn_before_s)))
    first_of_next = 1
    number = 0
    for order, attempt in enumerate(plan.attempts):
        first_of_next += len(attempt.steps)
        next_attempt = first_of_next if order + 1 < len(plan.attempts) else 0
        for place, step in enumerate(attempt.steps, start=1):
            number += 1
            if not (_DIAL.fullmatch(step.dial) and _DIAL.fullmatch(step.caller_id)):
                raise PlanUnusable("a step's number is not made of digits")
            pairs += [
                (f"M_CH{number}", attempt.channel),
                (f"M_TR{number}", step.trunk),
                (f"M_TO{number}", step.dial),
                (f"M_ID{number}", step.caller_id),
                (f"M_RG{number}", str(attempt.ring_s)),
            ]
            after = number + 1 if place < len(attempt.steps) else next_attempt
            # What is not set counts as 0; a plan of one step needs neither.
            if after:
                pairs.append((f"M_FO{number}", str(after)))
            if next_attempt:
                pairs.append((f"M_NX{number}", str(next_attempt)))
    return pairs


def _refusal(refusal: Refusal) -> Pairs:
    row = _row(
        reason=refusal.reason,
        cause=str(refusal.cause),
        announce=refusal.announcement,
        session=refusal.session_id or "",
        caller=refusal.caller or "",
        **{"in": refusal.number_in or ""},
        **_heard(refusal.heard),
    )
    return [
        ("M_REFUSE", row),
        ("M_SAY", refusal.announcement),
        ("M_CAUSE", str(refusal.cause)),
        ("M_LANG", refusal.language),
    ]


def _prompt(prompt: Prompt) -> Pairs:
    asked, heard = prompt.asked, prompt.heard
    if not 1 <= prompt.digits_max <= MOST_DIGITS:
        raise PlanUnusable(f"a question is for 1 to {MOST_DIGITS} digits")
    row = _row(
        kind=_KINDS[asked.question],
        n=str(asked.attempt),
        most=str(prompt.attempts),
        session=prompt.session_id or "",
        **{"in": prompt.number_in},
        **_heard(heard),
    )
    return [
        ("M_PROMPT", row),
        ("M_ASKED", write_asked(asked)),
        ("M_FIRST", "" if heard is None else _FIRST[heard.went]),
        ("M_SAY", asked.question),
        ("M_MOST", str(prompt.digits_max)),
        ("M_LANG", prompt.language),
    ]


_KINDS = MappingProxyType(
    {
        Question.PIN: "pin",
        Question.EXTENSION: "extension",
        Question.WHICH: "which",
        Question.LISTING: "listing",
    }
)
_FIRST = MappingProxyType({Went.OK: "", Went.WRONG: "wrong-digits", Went.NONE: "no-digits"})
"""What is said before a question that follows another."""


def _heard(heard: Heard | None) -> dict[str, str]:
    """How the last question went, as facts of a row: never what was typed."""
    if heard is None:
        return {}
    return {"asked": _KINDS[heard.question], "try": str(heard.attempt), "went": heard.went}


def write_asked(asked: Asked) -> str:
    """The question as it travels through Asterisk to the next offer."""
    parts = (
        asked.question,
        str(asked.attempt),
        asked.extension,
        asked.session_id,
        asked.listing_number_id,
    )
    return ":".join(parts)


def read_asked(text: str) -> Asked | None:
    """What `write_asked` wrote; None for anything else."""
    match = _ASKED.fullmatch(text)
    if match is None:
        return None
    try:
        question = Question(match[1])
    except ValueError:
        return None
    return Asked(question, int(match[2]), match[3], match[4], match[5])


def _row(**facts: str) -> str:
    return ";".join(f"{key}={value}" for key, value in facts.items())


def read_plan_row(row: str) -> dict[str, str]:
    """Take apart what `_row` made."""
    return dict(pair.partition("=")[::2] for pair in row.split(";") if "=" in pair)


def _chunks(pairs: Sequence[tuple[str, str]]) -> Iterator[Pairs]:
    """As many at once as fit into a line of Asterisk's, names and values alike."""
    chunk: Pairs = []
    names = values = 0
    for name, value in pairs:
        if not _SAFE.fullmatch(value):
            raise PlanUnusable(f"the value of {name} holds what the dialplan must not see")
        if chunk and max(names + len(name), values + len(value)) + len(chunk) > _LINE:
            yield chunk
            chunk, names, values = [], 0, 0
        chunk.append((name, value))
        names += len(name)
        values += len(value)
    yield chunk


def _setvar(channel: str, pairs: Pairs) -> Action:
    names = ",".join(name for name, _ in pairs)
    return Action(
        "Setvar",
        (
            ("Channel", channel),
            ("Variable", f"ARRAY({names})"),
            ("Value", ",".join(value for _, value in pairs)),
        ),
    )
