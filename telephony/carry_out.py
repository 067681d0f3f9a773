"""Turns a decision into what Asterisk is told: Setvar and Redirect, to be sent in one segment.

The dialplan reads these variables into applications and paths, so every value is checked against
one narrow alphabet here, whatever was checked before. The variables: dialplans/maskline.conf.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

from masking import app_card
from masking.plan import (
    Asked,
    Attempt,
    CallerCard,
    Channel,
    Decision,
    Heard,
    Plan,
    Prompt,
    Question,
    Refusal,
    Went,
)
from masking.reaching import MAX_DEVICES
from masking.recording import Taping
from telephony.alphabet import CARD_PIECE, DEVICE, DIAL, NAME_LENGTH, SAFE
from telephony.ami import Action
from telephony.errors import PlanUnusable
from telephony.trunks import called_over

__all__ = [
    "MAX_STEPS",
    "actions_for",
    "dial_now",
    "hang_up_actions",
    "late_are",
    "late_over",
    "not_woken",
    "offer_again",
    "read_asked",
    "read_plan_row",
]

MAX_STEPS = 12
# Whom to dial may be several at once, and how long may be said in two parts.
_ALSO = MappingProxyType(
    {"M_TO": re.compile(r"[A-Za-z0-9_.:+@=/;&-]*"), "M_RG": re.compile(r"[0-9^]*")}
)
_ASKED = re.compile(
    r"([a-z-]{1,32}):([0-9]{1,2}):([0-9]{0,20}):([a-z0-9_]{0,64}):([a-z0-9_]{0,64})"
)
MOST_DIGITS = 20
SILENT_S = 5
"""So long after it is called a device must have said that it rings; a sound one takes 0.3 s."""
_CALL = re.compile(r"[a-z0-9_]{4,64}")
# Asterisk reads lines of 1,024 bytes; "Value: " and CR LF are part of one.
_LINE = 960

Pairs = list[tuple[str, str]]


def actions_for(channel: str, decision: Decision) -> tuple[Action, ...]:
    """Return the actions that carry `decision` out on `channel`. Raises PlanUnusable."""
    match decision:
        case Plan():
            context, pairs = "wake" if _waits(decision) else "plan", _plan(decision)
        case Refusal():
            told = decision.announcement is not None
            context, pairs = "refuse" if told else "refuse-unsaid", _refusal(decision)
        case Prompt():
            context, pairs = "prompt", _prompt(decision)
        case _:
            assert_never(decision)
    return (
        *(_setvar(channel, chunk) for chunk in _chunks(pairs)),
        _go(channel, context),
    )


def _waits(plan: Plan) -> bool:
    """Whether it begins with waiting for an app."""
    return any(one.channel is Channel.APP and not one.devices for one in plan.attempts[:1])


def hang_up_actions(channel: str, cause: int) -> tuple[Action, ...]:
    """Return the actions that end a call from our side."""
    return (
        Action("Setvar", (("Channel", channel), ("Variable", "M_BY"), ("Value", "system"))),
        Action("Hangup", (("Channel", channel), ("Cause", str(cause)))),
    )


def offer_again(channel: str, context: str) -> Action:
    """Return the action that makes a call that waits in `context` ask anew."""
    return _go(channel, context, "ask")


def _plan(plan: Plan) -> Pairs:
    steps = _numbered(plan)
    row = _row(
        session=plan.session_id or "",
        caller=plan.caller or "",
        callee=plan.callee or "",
        **{"in": plan.number_in or "", "out": plan.number_out or ""},
        lang=plan.language,
        **_taping(plan.taping),
        **_heard(plan.heard),
    )
    pairs: Pairs = [
        ("M_PLAN", row),
        ("M_LANG", plan.language),
        ("M_MAX", str(plan.max_call_s)),
        ("M_N", "1"),
        ("M_OPEN", "1"),
        ("CALLERID(num)", dict(steps[0].pairs)["M_ID"]),
    ]
    if plan.warn_before_s:
        pairs.append(("M_WARN", str(plan.warn_before_s)))
    for step in steps:
        pairs += [(f"{name}{step.number}", value) for name, value in step.pairs]
        # What is not set counts as 0; a plan of one step needs neither.
        if step.after:
            pairs.append((f"M_FO{step.number}", str(step.after)))
        if step.next_attempt:
            pairs.append((f"M_NX{step.number}", str(step.next_attempt)))
    if plan.card is not None:
        pairs += _card(plan.card)
    if plan.taping is not None and plan.taping.record:
        if not _CALL.fullmatch(plan.call_id):
            raise PlanUnusable("a recording is named by its call's id")
        pairs += [("M_NOTICE", plan.taping.notice), ("M_TAPE", plan.call_id)]
    return pairs


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A step as the dialplan has it."""

    number: int
    pairs: Pairs  # without the number
    after: int  # the step after this one failed; 0: none
    next_attempt: int  # its first step; 0: none


def _numbered(plan: Plan) -> list[_Numbered]:
    """Every step with those that follow it."""
    attempts = [list(_steps(attempt, plan)) for attempt in plan.attempts]
    count = sum(map(len, attempts))
    if not count or count > MAX_STEPS or not all(attempts):
        raise PlanUnusable(f"a plan needs 1 to {MAX_STEPS} steps, this has {count}")
    found: list[_Numbered] = []
    first_of_next = 1
    for order, steps in enumerate(attempts):
        first_of_next += len(steps)
        next_attempt = first_of_next if order + 1 < len(attempts) else 0
        for place, pairs in enumerate(steps, start=1):
            number = len(found) + 1
            after = number + 1 if place < len(steps) else next_attempt
            found.append(_Numbered(number, pairs, after, next_attempt))
    return found


def _steps(attempt: Attempt, plan: Plan) -> Iterator[Pairs]:
    channel = ("M_CH", attempt.channel.value)
    match attempt.channel:
        case Channel.GSM:
            for step in attempt.steps:
                last = step is attempt.steps[-1]
                if not (DIAL.fullmatch(step.dial) and DIAL.fullmatch(step.caller_id)):
                    raise PlanUnusable("a step's number is not made of digits")
                yield [
                    channel,
                    ("M_TR", step.trunk),
                    ("M_TO", called_over(step.trunk, step.dial, last=last)),
                    ("M_ID", step.caller_id),
                    ("M_RG", str(attempt.ring_s)),
                ]
        case Channel.APP:
            # The app can call back whom it sees.
            shown = ("M_ID", plan.session_id or "")
            ring = ("M_RG", f"{attempt.ring_s}^{SILENT_S}")
            if attempt.devices:
                yield [channel, *_devices(attempt.devices), shown, ring]
            if attempt.wake_s:
                yield [channel, ("M_WK", str(attempt.wake_s)), shown, ring]
        case never:
            assert_never(never)


def _devices(devices: Sequence[str]) -> Pairs:
    if not all(DEVICE.fullmatch(one) for one in devices) or len(devices) > MAX_DEVICES:
        raise PlanUnusable("a device's name is none of ours, or there are too many of them")
    return [("M_TO", "&PJSIP/".join(devices)), ("M_AP", str(len(devices)))]


def _card(card: CallerCard) -> Pairs:
    """The card, in pieces that fit into a line each, and the name beside it."""
    text, name = app_card.encode(card), card.card.name or ""
    pieces = [text[at : at + CARD_PIECE] for at in range(0, len(text), CARD_PIECE)]
    pairs = [(f"M_CARD{number}", piece) for number, piece in enumerate(pieces, start=1)]
    if name:
        shown = "".join(one for one in name if one.isprintable())[:NAME_LENGTH]
        pairs.append(("M_CARDNAME", base64.b64encode(shown.encode()).decode()))
    return pairs


def dial_now(
    channel: str, number: int, devices: Sequence[str], after_ms: int
) -> tuple[Action, ...]:
    """Return the actions that end the waiting of step `number`: the app is there, dial it.

    Raises PlanUnusable.
    """
    pairs = [(f"{name}{number}", value) for name, value in _devices(devices)]
    pairs.append(("M_WOKE", str(after_ms)))
    return (*(_setvar(channel, chunk) for chunk in _chunks(pairs)), _go(channel, "plan", "woken"))


def not_woken(channel: str, why: str) -> tuple[Action, ...]:
    """Return the actions that end the waiting at once: go on with what follows."""
    return (*(_setvar(channel, chunk) for chunk in _chunks([("M_WOKE", why)])),
            _go(channel, "wake", "in-vain"))  # fmt: skip


def late_are(channel: str, until: int | None, said: Sequence[str]) -> Action:
    """Return the action that says until when late devices ring (s since 1970; None: none does).

    `said` are the SIP statuses of those that ring no more.
    """
    late = "" if until is None else str(until)
    return _setvar(channel, [("M_LATE", late), ("M_LATER", ":".join(said))])


def late_over(channel: str) -> Action:
    """Return the action that ends the wait for late devices alone."""
    return _go(channel, "plan", "late-said")


def _go(channel: str, context: str, priority: str = "1") -> Action:
    return Action(
        "Redirect",
        (("Channel", channel), ("Context", context), ("Exten", "s"), ("Priority", priority)),
    )


def _refusal(refusal: Refusal) -> Pairs:
    row = _row(
        reason=refusal.reason,
        cause=str(refusal.cause),
        announce=refusal.announcement or "",
        session=refusal.session_id or "",
        caller=refusal.caller or "",
        **{"in": refusal.number_in or ""},
        **_heard(refusal.heard),
    )
    return [
        ("M_REFUSE", row),
        ("M_SAY", refusal.announcement or ""),
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


def _taping(taping: Taping | None) -> dict[str, str]:
    """What is asked about recording, as facts of a row."""
    if taping is None:
        return {}
    why_not = {} if taping.why_not is None else {"unrecorded": taping.why_not.value}
    return {"record": taping.asked.value, **why_not}


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
        if not _ALSO.get(name[:4], SAFE).fullmatch(value):
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
