"""Before a call: whether the internet will carry it, what else to dial, whether it may be made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.common import NoQuery
from api.schemas.in_call import MeasuredIn, PreflightIn, PreflightOut
from api.services import Services
from api.sessions import SESSION_ID
from masking.known import LookUp
from masking.model import Language, SessionState
from masking.plan import Channel, RefusalReason
from masking.quality import Measured, Reason, Verdict, assess
from masking.reaching import forbids
from storage import numbers, participation, reaching
from storage.keys import KeyRole
from storage.participation import Dial, Stand

ONLY_WAY: Final = "only_way"
NOT_NOW: Final = "not_now"
_UNTOLD: Final = frozenset({RefusalReason.BLOCKED.value, RefusalReason.QUIET_HOURS.value})
"""Reasons that are the other side's own business: the caller's app is told NOT_NOW."""

_TEXTS: Final = MappingProxyType(
    {
        Language.EN: {
            Reason.GOOD.value: "The connection is good enough for a call in the app.",
            Reason.LOSS.value: "Too much of the speech would be lost: an ordinary call is better.",
            Reason.DELAY.value: "The speech would come too late: an ordinary call is better.",
            Reason.JITTER.value: "The connection is too uneven: an ordinary call is better.",
            ONLY_WAY: "The connection is poor, but there is no number to dial instead.",
        },
        Language.RU: {
            Reason.GOOD.value: "Связи достаточно для звонка в приложении.",
            Reason.LOSS.value: "Часть речи потеряется: лучше позвонить обычным звонком.",
            Reason.DELAY.value: "Голос будет запаздывать: лучше позвонить обычным звонком.",
            Reason.JITTER.value: "Связь неровная: лучше позвонить обычным звонком.",
            ONLY_WAY: "Связь плохая, но номера для обычного звонка нет.",
        },
    }
)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What stands between a participant and the other one."""

    dial: Dial | None
    forbidden: str | None  # why the call would be refused


async def preflight(request: Request[PreflightIn, NoQuery]) -> Answer:
    """For the platform: with the reason as it is."""
    services, sent = request.services, request.body
    outlook = await look(services, request.path["id"], sent.user_id, request.now)
    return advise(services, request.path["id"], sent, outlook, request.language)


async def look(services: Services, session_id: str, user_id: str, now: datetime) -> Outlook:
    """Raises SessionNotFound, ParticipantNotFound."""

    def work(conn: Connection) -> Outlook:
        stand = participation.stand(conn, session_id, user_id)
        if stand is None:
            known = participation.exists(conn, session_id)
            raise errors.ParticipantNotFound if known else errors.SessionNotFound
        dial = participation.dial_of(stand.session, user_id, now)
        return Outlook(dial, _forbidden(conn, stand, now))

    return await services.db.read(work)


def advise(
    services: Services, session_id: str, sent: MeasuredIn, outlook: Outlook, language: Language
) -> Answer:
    """The answer: channel, score, reason, what to dial."""
    measured = Measured(sent.rtt_ms, sent.jitter_ms, sent.loss, sent.codec)
    verdict = assess(measured, services.settings.thresholds)
    channel, reason = _channel(verdict, outlook.dial)
    tel = None if outlook.dial is None else outlook.dial.tel
    app = f"sip:{session_id}@{services.settings.sip_host}"
    return answer(
        PreflightOut(
            channel=channel,
            mos=verdict.mos,
            reason=reason,
            reason_text=_TEXTS[language][reason],
            dial=app if channel is Channel.APP else tel,
            tel=tel,
            callable=outlook.forbidden is None,
            callable_reason=outlook.forbidden,
        )
    )


def untold(reason: str | None) -> str | None:
    """The reason as the caller may know it."""
    return NOT_NOW if reason in _UNTOLD else reason


def _channel(verdict: Verdict, dial: Dial | None) -> tuple[Channel, str]:
    if verdict.channel is Channel.GSM and dial is None:
        return Channel.APP, ONLY_WAY
    return verdict.channel, verdict.reason.value


def _forbidden(conn: Connection, stand: Stand, now: datetime) -> str | None:
    session = stand.session
    match session.state(now):
        case SessionState.CLOSED:
            return RefusalReason.SESSION_CLOSED.value
        case SessionState.EXPIRED:
            return RefusalReason.SESSION_EXPIRED.value
        case SessionState.OPEN:
            pass
    if stand.blocked:
        return RefusalReason.BLOCKED.value
    pool = numbers.pool(conn, session.pool)
    if pool is None:
        return None
    callee = reaching.look_up(conn, LookUp(session, stand.me.role), pool, now)
    why = forbids(callee, pool, now)
    return None if why is None else why.value


ROUTES: Final = (
    Route(
        "preflight",
        "POST",
        "/v1/sessions/{id}/preflight",
        "Ask how a call had better be made",
        Tag.IN_APP,
        preflight,
        roles=frozenset({KeyRole.PLATFORM}),
        body=PreflightIn,
        answers=PreflightOut,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        errors=(errors.ParticipantNotFound,),
        description="From what the app measured of its network. Nothing is begun by it.",
    ),
)
