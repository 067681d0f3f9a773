"""What each side reads."""

from __future__ import annotations

import pytest

from cdr.wording import duration, wording
from masking.model import Language
from masking.outcome import EndedBy, Outcome

TABLE = """
side   outcome     reason    words
caller answered    -         Outgoing call, 2 min 5 s / Исходящий звонок, 2 мин 5 с
caller missed      -         No answer / Нет ответа
caller busy        -         Busy / Занято
caller declined    -         Call declined / Звонок отклонён
caller cancelled   -         Cancelled call / Отменённый звонок
caller unreachable -         Could not be reached / Абонент недоступен
caller blocked     blocked   Call not put through / Звонок не соединён
caller failed      node_died The call failed / Звонок не состоялся
callee answered    -         Incoming call, 2 min 5 s / Входящий звонок, 2 мин 5 с
caller blocked     quiet_hours Does not take calls at this hour / Не принимает звонки в это время
caller blocked     in_app_off Does not take calls in the app / Не принимает звонки в приложении
caller cancelled   caller_unreached You did not pick up / Вы не взяли трубку
caller missed      offline   No answer / Нет ответа
callee missed      -         You missed a call / Пропущенный звонок
callee missed      no_answer You missed a call / Пропущенный звонок
callee missed      gave_up_while_ringing You missed a call / Пропущенный звонок
callee missed      offline   You missed a call while offline / Пропущенный: вы были не в сети
callee unreachable offline   You missed a call while offline / Пропущенный: вы были не в сети
callee blocked quiet_hours You missed a call in your quiet hours / Пропущенный в тихие часы
callee failed      cut_off   You missed a call / Пропущенный звонок
callee unreachable -         You missed a call / Пропущенный звонок
callee busy - You missed a call while on another / Пропущенный: вы говорили по телефону
callee declined    -         You declined a call / Вы отклонили звонок
"""

NO_LONGER = (
    "This number no longer serves the conversation / Номер больше не обслуживает этот диалог"
)
TOO_MANY = "Too many calls, try later / Слишком много звонков, попробуйте позже"


@pytest.mark.parametrize(
    "line",
    [
        *TABLE.strip().splitlines()[1:],
        *(
            f"caller failed {reason} {NO_LONGER}"
            for reason in ("cooling", "session_closed", "session_expired")
        ),
        *(
            f"caller blocked {reason} {TOO_MANY}"
            for reason in ("unanswered_in_row", "pair_an_hour", "caller_an_hour")
        ),
    ],
)
def test_each_side_reads_its_own_words(line: str) -> None:
    side, outcome, reason, texts = line.split(maxsplit=3)
    english, russian = texts.split(" / ")
    for language, expected in ((Language.EN, english), (Language.RU, russian)):
        text = wording(
            EndedBy(side),
            Outcome(outcome),
            talk_ms=125_000,
            reason=None if reason == "-" else reason,
            language=language,
        )
        assert text == expected


def test_the_system_reads_nothing() -> None:
    with pytest.raises(ValueError, match="two sides"):
        wording(EndedBy.SYSTEM, Outcome.BUSY, talk_ms=0, reason=None, language=Language.EN)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1 s"),
        (1_499, "1 s"),
        (1_500, "2 s"),
        (59_600, "1 min"),
        (3_600_000, "1 h"),
        (3_725_000, "1 h 2 min 5 s"),
    ],
)
def test_durations_are_whole_seconds(ms: int, text: str) -> None:
    assert duration(ms, Language.EN) == text
