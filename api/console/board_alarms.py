"""One alarm of the board: what is wrong since when, and who takes it upon themselves.

The board's own pieces are made once for all who look, so nothing of theirs can be sent from there.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.console import alarm_words
from api.console.alarms import Condition
from api.console.board import BOARD
from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.page import Visit
from api.console.render import led_on, render, see
from masking.staff import Right
from storage import alarms
from storage.alarms import Kept
from storage.audit import Action

ALARM: Final = f"{BOARD}/alarms/{{id}}"
_ONE: Final = {"id": r"alm_[0-9a-z]{26}"}
_CONDITIONS: Final = frozenset(Condition)


async def show(visit: Visit) -> web.StreamResponse:
    """The alarm, whether it is up or over."""
    kept = await _find(visit)
    text = alarm_words.told(kept.condition, kept.subject, kept.facts, visit.texts)
    return render(visit, "board/alarm.html", alarm=kept, text=text, once=fresh(visit))


async def take(visit: Visit) -> web.StreamResponse:
    """Say that one sees to it: the first who does, and only while it is up."""
    kept, account, now = await _find(visit), visit.account, visit.now

    def work(conn: Connection) -> Facts:
        if alarms.acknowledge(conn, kept.id, account.id, account.name, now) is None:
            raise ConsoleProblem(409, "board.alarm.not_to_take")
        return {}

    facts = {"condition": kept.condition, "subject": kept.subject}
    await act(visit, Deed(Action.ALARM_TAKEN, "alarm", kept.id, facts), work)
    visit.running.console.board.book.changed()
    return see(BOARD)


async def _find(visit: Visit) -> Kept:
    """The alarm that is asked for. Raises ConsoleProblem."""
    wanted = visit.path["id"]
    kept = await visit.services.db.read(lambda conn: alarms.get(conn, wanted))
    if kept is None or kept.condition not in _CONDITIONS:
        raise ConsoleProblem(404, "board.alarm.missing")
    return kept


PAGES: Final = form(ALARM, show, led_on(take), Right.BOARD_READ, Action.ALARM_TAKEN, _ONE)
