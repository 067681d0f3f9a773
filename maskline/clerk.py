"""Carries out what a decision asks for, on the connection on which its facts were read.

Opens links and sessions, enrols phones, counts wrong PINs: each in the transaction of the look-up
that justifies it, so that nobody is connected by what was true a moment ago.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, assert_never

from pydantic import ValidationError
from sqlalchemy import Connection

from api.schemas.sessions import SessionIn
from api.sessions import draft_of
from masking.allocation import NO_WISH, Wish
from masking.digits import SECRET_BYTES
from masking.errors import MaskingError
from masking.ids import session_id
from masking.known import (
    Answer,
    CountWrong,
    Deed,
    Enrol,
    ForgetWrong,
    Held,
    OpenLink,
    RoutingFacts,
    Told,
    UseUp,
)
from masking.lifecycle import SessionDraft
from masking.listing import Link, LinkRefusal
from masking.model import Phone, ProxyNumber, Session
from masking.notice import Notice, NoticeKind, session_opened
from maskline.hook import CALLER, HookAnswer
from storage import enrolments, links, outbox, sessions, strangers
from storage.enrolments import BY_PIN, BY_PLATFORM
from storage.routing import Dialling
from storage.vault import Vault

_log = logging.getLogger("maskline.routes")
_ENTROPY_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Clerk:
    """Writes for decisions. Safe to use from any thread, on one connection at a time."""

    vault: Vault
    entropy: Callable[[int], bytes]
    busy: Callable[[], AbstractSet[str]]  # sessions that have a call up
    rotation: Iterator[int] = field(default_factory=itertools.count)

    def open_link(
        self, conn: Connection, wanted: OpenLink, caller: Phone, now: datetime
    ) -> Link | LinkRefusal:
        """The caller's link to a listing. Raises SealBroken."""
        opening = links.Opening(
            session_id=session_id(now, self.entropy(_ENTROPY_BYTES)),
            rotation=next(self.rotation),
            entropy=self.entropy,
            conversation_id=wanted.conversation_id,
            busy=self.busy(),
        )
        return links.open_link(conn, self.vault, wanted.listing, caller, opening, now)

    def told(
        self, conn: Connection, answer: HookAnswer, dialling: Dialling, number: ProxyNumber,
        now: datetime,
    ) -> Told:  # fmt: skip
        """What the platform's answer comes to; a session that it wants cannot be had: silence."""
        if answer.answer is not Answer.CONNECT:
            return Told(answer.answer, conversation_id=answer.conversation_id)
        try:
            # What has been written by then is not kept where it fails.
            with conn.begin_nested():
                return Told(Answer.CONNECT, self._connected(conn, answer, dialling, number, now))
        except (MaskingError, _Senseless) as error:
            # Not its text: what the platform sent may hold phones.
            why = error.error_id if isinstance(error, MaskingError) else "it makes no sense"
            _log.warning("the hook's session cannot be had: %s", why)
            return Told(Answer.SILENT)

    def do(
        self,
        conn: Connection,
        deed: Deed,
        facts: RoutingFacts,
        dialling: Dialling,
        now: datetime,
    ) -> bool:
        """Carry out `deed`; False if the facts were no longer true."""
        number, vault = facts.number, self.vault
        assert number is not None
        match deed:
            case CountWrong():
                strangers.count_wrong(conn, number, self._counted(dialling), deed, now)
                if deed.locked_until is not None:
                    outbox.owe(conn, _locked(vault, number, dialling, deed, now))
                return True
            case ForgetWrong():
                strangers.forget_wrong(conn, number, self._counted(dialling))
                return True
            case Enrol():
                caller = dialling.caller
                assert caller is not None
                return enrolments.enrol(conn, vault, deed, number, caller, now, why=BY_PIN)
            case UseUp():
                return enrolments.use_up(conn, deed, now)
            case never:
                assert_never(never)

    def _counted(self, dialling: Dialling) -> bytes:
        caller = dialling.caller
        index = None if caller is None else self.vault.index(caller)
        return strangers.caller_index(self.vault, index, dialling.trunk)

    def _connected(
        self,
        conn: Connection,
        answer: HookAnswer,
        dialling: Dialling,
        number: ProxyNumber,
        now: datetime,
    ) -> Held:
        """As whom the caller calls in the session that the platform named or wants opened."""
        caller, wanted, user_id = dialling.caller, answer.session_id, answer.user_id
        if answer.session is not None:
            opened, user_id = self._open(conn, answer, dialling, now)
            wanted = opened.id
            sides = {one.user_id == user_id: one for one in opened.participants}
            both = sides.get(True), sides.get(False)
            outbox.owe(conn, session_opened(opened, "hook", (number.e164, ""), both, now))
        if wanted is None:
            raise _Senseless
        held = self._as_whom(conn, wanted, number, caller, user_id)
        if caller is not None and not _is_own(held, number, caller):
            deed = Enrol(held.session.id, held.lease.role)
            if not enrolments.enrol(conn, self.vault, deed, number, caller, now, why=BY_PLATFORM):
                raise _Senseless
        return held

    def _as_whom(
        self,
        conn: Connection,
        wanted: str,
        number: ProxyNumber,
        caller: Phone | None,
        user_id: str | None,
    ) -> Held:
        for held in strangers.as_participant(conn, self.vault, wanted, number):
            holder = held.holder
            if holder is None:
                continue
            own = user_id is None and caller is not None and holder.phone == caller
            if own or holder.user_id == user_id:
                return held
        raise _Senseless

    def _open(
        self, conn: Connection, answer: HookAnswer, dialling: Dialling, now: datetime
    ) -> tuple[Session, str | None]:
        draft, mine = _draft(answer, dialling.caller)
        wishes = [NO_WISH, NO_WISH]
        if mine is not None:
            wishes[mine] = Wish(
                number=dialling.number, of_any_state=True, over_cooling=True, why="dialled"
            )
        opened = sessions.open_session(
            conn,
            self.vault,
            replace(draft, wishes=(wishes[0], wishes[1])),
            now=now,
            session_id=session_id(now, self.entropy(_ENTROPY_BYTES)),
            rotation=next(self.rotation),
            secret=self.entropy(SECRET_BYTES),
            busy=self.busy(),
        )
        return opened, answer.user_id if mine is None else opened.participants[mine].user_id


def _is_own(held: Held, number: ProxyNumber, caller: Phone) -> bool:
    """Whether the caller's phone is the participant's, and the number dialled is theirs."""
    holder = held.holder
    plain = held.lease.number.id == number.id and not held.lease.extension
    return plain and holder is not None and holder.phone == caller


class _Senseless(Exception):
    """The platform's answer does not fit the call."""


def _draft(answer: HookAnswer, caller: Phone | None) -> tuple[SessionDraft, int | None]:
    """The session that the platform wants, and the caller's place in it. Raises _Senseless."""
    sent: dict[str, Any] = dict(answer.session or {})
    people = sent.get("participants")
    mine: int | None = None
    if isinstance(people, list):
        sent["participants"] = people = [dict(p) if isinstance(p, dict) else p for p in people]
        for place, one in enumerate(people):
            if isinstance(one, dict) and one.get("phone") == CALLER:
                if caller is None or mine is not None:
                    raise _Senseless
                one["phone"], mine = caller, place
    if answer.conversation_id is not None:
        sent.setdefault("conversation_id", answer.conversation_id)
    try:
        return draft_of(SessionIn.model_validate_json(json.dumps(sent))), mine
    except ValidationError:
        raise _Senseless from None


def _locked(
    vault: Vault, number: ProxyNumber, dialling: Dialling, deed: CountWrong, now: datetime
) -> Notice:
    caller, until = dialling.caller, deed.locked_until
    ref = None if caller is None else vault.pseudonym(caller)
    return Notice(
        kind=NoticeKind.PIN_LOCKED,
        key=f"pin.locked:{number.e164}:{ref or dialling.trunk}:{int(now.timestamp() * 1000)}",
        at=now,
        data={
            "number": number.e164,
            "caller_ref": ref,  # null: all withheld callers of the trunk
            "trunk": dialling.trunk,
            "failed": deed.failed,
            "locked_until": None if until is None else until.isoformat(),
        },
    )
