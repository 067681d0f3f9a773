"""What a page of the console is, and what its handler is given. Values only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode

from aiohttp import web

from api.console.texts import Texts
from api.errors import ApiError
from api.routing import Running
from api.services import Services
from masking.staff import Right, may
from storage.audit import Action, Actor, ActorKind
from storage.staff import Account
from storage.staff_sessions import Session


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who has not signed in, at a page of the way in."""

    services: Services
    running: Running
    now: datetime  # aware UTC, whole ms
    language: str
    texts: Texts = field(repr=False)
    csrf: str = field(repr=False)
    address: str  # the path, without a query
    query: Mapping[str, list[str]] = field(repr=False)
    form: Mapping[str, list[str]] = field(repr=False)
    partial: bool
    secure: bool  # they came over https
    peer: str  # the network address they come from
    origin: str  # of our own pages, as this browser knows it
    account: None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page's handler is given: who asks, and for what. `repr` shows nothing they typed."""

    services: Services
    running: Running
    now: datetime  # aware UTC, whole ms
    account: Account
    session: Session
    texts: Texts = field(repr=False)  # in the account's language, or the browser's
    csrf: str = field(repr=False)
    address: str  # the path as asked for, without a query
    path: Mapping[str, str]  # checked against the page's parameters
    query: Mapping[str, list[str]] = field(repr=False)
    form: Mapping[str, list[str]] = field(repr=False)  # of a POST; its token was checked
    partial: bool  # htmx asks for a fragment
    secure: bool  # they came over https
    peer: str  # the network address they come from
    last_event_id: str | None = None
    range: str | None = None  # the header, as it was sent
    if_range: str | None = None

    @property
    def language(self) -> str:
        """Of the texts."""
        return self.texts.language

    def may(self, right: Right) -> bool:
        """Whether this account's role has the right."""
        return may(self.account.role, right)

    def actor(self) -> Actor:
        """As the audit log names them."""
        return Actor(ActorKind.STAFF, self.account.id, self.account.name)

    def asked(self, name: str) -> str:
        """The last value of a field of the address; empty where there is none."""
        return self.query.get(name, [""])[-1].strip()

    def sent(self, name: str) -> str:
        """The last value of a field of the form; empty where there is none."""
        return self.form.get(name, [""])[-1].strip()

    def link(self, **changes: str | None) -> str:
        """This address with some fields of its query changed; None takes one out."""
        query: dict[str, list[str]] = {n: v for n, v in self.query.items() if n not in changes}
        query |= {name: [value] for name, value in changes.items() if value is not None}
        return self.address + ("?" + urlencode(query, doseq=True) if query else "")


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a deed that a page's form asks for."""

    method: Literal["GET", "POST"]
    path: str  # ``/console/calls/{id}``
    handler: Handler
    right: Right | None  # None: whoever is signed in
    parameters: Mapping[str, str] = field(
        default_factory=dict
    )  # name -> regular expression of the whole value
    refusal: Action | None = None  # kept in the audit log when the right is missing
    stages: frozenset[str] = frozenset({"in"})  # of the sessions that may ask


@dataclass(frozen=True, slots=True)
class Way:
    """The method and path template by which logs and metrics name a request."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Presenter:
    """How an error is shown to whoever asks, where the page's own code no longer can."""

    show: Callable[[ApiError, str], web.Response]  # the error, and the request's id


PRESENTER: Final = web.RequestKey("console_presenter", Presenter)
WAY: Final = web.RequestKey("console_way", Way)
REQUEST_ID: Final = web.RequestKey("request_id", str)
