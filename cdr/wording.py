"""What each side of a call reads of it, in Russian and English. Pure; names nobody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

from cdr.missed import Why
from cdr.model import CALLER_UNREACHED
from masking.model import Language
from masking.outcome import EndedBy, Outcome
from masking.plan import RefusalReason

_OVER = frozenset(
    {RefusalReason.COOLING, RefusalReason.SESSION_CLOSED, RefusalReason.SESSION_EXPIRED}
)
_UNITS = {Language.EN: ("h", "min", "s"), Language.RU: ("ч", "мин", "с")}


ERASED: Mapping[Language, str] = MappingProxyType(
    {Language.EN: "Deleted user", Language.RU: "Удалённый пользователь"}
)
"""Stands for the name of somebody who was erased."""


def wording(
    side: EndedBy,
    outcome: Outcome,
    *,
    talk_ms: int,
    reason: str | None,
    language: Language,
) -> str:
    """One line for `side`, caller or callee. Raises ValueError for the system.

    `reason`: of a refusal, or why nobody talked (`missed.Why`).
    """
    match side:
        case EndedBy.CALLER:
            english, russian = _to_caller(outcome, reason)
        case EndedBy.CALLEE:
            english, russian = _to_callee(outcome, reason)
        case EndedBy.SYSTEM:
            msg = "only the two sides read of a call"
            raise ValueError(msg)
        case never:
            assert_never(never)
    text = english if language is Language.EN else russian
    return f"{text}, {duration(talk_ms, language)}" if outcome is Outcome.ANSWERED else text


def duration(ms: int, language: Language) -> str:
    """Like "2 min 5 s"; whole seconds, rounded, at least one."""
    seconds = max(1, (ms + 500) // 1000)
    figures = (seconds // 3600, seconds // 60 % 60, seconds % 60)
    return " ".join(
        f"{figure} {unit}" for figure, unit in zip(figures, _UNITS[language], strict=True) if figure
    )


def _to_caller(outcome: Outcome, reason: str | None) -> tuple[str, str]:
    if outcome is Outcome.FAILED and reason in _OVER:
        return _NO_LONGER
    if outcome in (Outcome.BLOCKED, Outcome.CANCELLED):
        return _WHY_NOT.get(reason or "", _CALLER[outcome])
    return _CALLER[outcome]


def _to_callee(outcome: Outcome, reason: str | None) -> tuple[str, str]:
    if outcome in _CALLEE:
        return _CALLEE[outcome]
    return _MISSED_AS.get(reason or "", _MISSED)


_NO_LONGER = (
    "This number no longer serves the conversation",
    "Номер больше не обслуживает этот диалог",
)
_TOO_MANY = ("Too many calls, try later", "Слишком много звонков, попробуйте позже")
_WHY_NOT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        RefusalReason.QUIET_HOURS: (
            "Does not take calls at this hour",
            "Не принимает звонки в это время",
        ),
        RefusalReason.IN_APP_OFF: (
            "Does not take calls in the app",
            "Не принимает звонки в приложении",
        ),
        RefusalReason.UNANSWERED_IN_ROW: _TOO_MANY,
        RefusalReason.PAIR_AN_HOUR: _TOO_MANY,
        RefusalReason.CALLER_AN_HOUR: _TOO_MANY,
        CALLER_UNREACHED: ("You did not pick up", "Вы не взяли трубку"),
    }
)
_CALLER: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        Outcome.ANSWERED: ("Outgoing call", "Исходящий звонок"),
        Outcome.MISSED: ("No answer", "Нет ответа"),
        Outcome.BUSY: ("Busy", "Занято"),
        Outcome.DECLINED: ("Call declined", "Звонок отклонён"),
        Outcome.CANCELLED: ("Cancelled call", "Отменённый звонок"),
        Outcome.UNREACHABLE: ("Could not be reached", "Абонент недоступен"),
        Outcome.BLOCKED: ("Call not put through", "Звонок не соединён"),
        Outcome.FAILED: ("The call failed", "Звонок не состоялся"),
    }
)
_MISSED = ("You missed a call", "Пропущенный звонок")
_MISSED_AS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        Why.OFFLINE: ("You missed a call while offline", "Пропущенный: вы были не в сети"),
        Why.QUIET_HOURS: ("You missed a call in your quiet hours", "Пропущенный в тихие часы"),
    }
)
_CALLEE: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        Outcome.ANSWERED: ("Incoming call", "Входящий звонок"),
        Outcome.BUSY: (
            "You missed a call while on another",
            "Пропущенный: вы говорили по телефону",
        ),
        Outcome.DECLINED: ("You declined a call", "Вы отклонили звонок"),
    }
)
