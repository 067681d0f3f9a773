"""What each side of a call reads of it, in Russian and English. Pure; names nobody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

from masking.model import Language
from masking.outcome import EndedBy, Outcome
from masking.plan import RefusalReason

_OVER = frozenset(
    {RefusalReason.COOLING, RefusalReason.SESSION_CLOSED, RefusalReason.SESSION_EXPIRED}
)
_UNITS = {Language.EN: ("h", "min", "s"), Language.RU: ("ч", "мин", "с")}


def wording(
    side: EndedBy, outcome: Outcome, *, talk_ms: int, reason: str | None, language: Language
) -> str:
    """One line for `side`, caller or callee. Raises ValueError for the system."""
    match side:
        case EndedBy.CALLER:
            english, russian = _to_caller(outcome, reason)
        case EndedBy.CALLEE:
            english, russian = _to_callee(outcome)
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
    return _CALLER[outcome]


def _to_callee(outcome: Outcome) -> tuple[str, str]:
    return _CALLEE.get(outcome, _MISSED)


_NO_LONGER = (
    "This number no longer serves the conversation",
    "Номер больше не обслуживает этот диалог",
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
