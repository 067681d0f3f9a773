"""What an app is told of its user and their sessions: cards, proxy numbers, never a phone."""

from __future__ import annotations

from pydantic import Field

from api.schemas.calls import CallId
from api.schemas.common import Moment, Out
from api.schemas.history import CardOut
from api.schemas.sessions import ListingOut
from cdr.call_log import Direction
from masking.model import Role, SessionState
from masking.switches import Account


class MeOut(Out):
    """Whose token this is."""

    user_id: str
    username: str
    device: str | None
    expires_at: Moment
    account: Account
    in_app_calls: bool | None
    quiet_now: bool
    unread_count: int


class AppDialOut(Out):
    """What the user dials to reach the other side."""

    app: str = Field(examples=["sip:ses_0abc@sip.example.org"])
    gsm: str | None = Field(description="From their phone: the proxy number, E.164")
    extension: str | None
    tel: str | None = Field(description="Both in one, for a link: commas are pauses")


class AppSessionOut(Out):
    """A session as one of its participants sees it."""

    id: str
    state: SessionState
    role: Role = Field(description="The user's own")
    card: CardOut = Field(description="The other side")
    listing: ListingOut | None
    dial: AppDialOut | None = Field(description="null: the session is over")
    expires_at: Moment


class AppCallOut(Out):
    """A call that is on its way or up."""

    call_id: CallId
    session_id: str
    direction: Direction
    state: str = Field(description="`offered`, `ringing` or `up`", examples=["up"])
    since: Moment


class AppCallList(Out):
    """The user's live calls, oldest first."""

    items: list[AppCallOut]
