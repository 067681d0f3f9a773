"""What a route is: the one description from which server and OpenAPI document are both made.

Values only. Carrying a request through a route is the business of `dispatch`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection

from api.auth import Keyring
from api.calls_up import CallsUp
from api.console.running import Console
from api.errors import ApiError
from api.exports import Exports
from api.in_app.limits import Rates
from api.in_app.streams import Streams
from api.in_app.tokens import Tokens
from api.metrics import ApiMetrics
from api.schemas.common import NoBody, NoQuery
from api.services import Services
from masking.model import Language
from storage.apps import AppCredential
from storage.audit import Action
from storage.keys import ApiKey, KeyRole

BodyT = TypeVar("BodyT", bound=BaseModel)
QueryT = TypeVar("QueryT", bound=BaseModel)


class Tag(StrEnum):
    """The chapters of the reference."""

    SESSIONS = "Sessions"
    LISTINGS = "Listing numbers"
    BLOCKS = "Blocks"
    IN_APP = "In-app calls"
    APP = "App"
    CALLS = "Calls"
    RECORDINGS = "Recordings"
    LIVE_CALLS = "Live calls"
    ANALYTICS = "Analytics"
    WEBHOOKS = "Webhooks"
    TRUNKS = "Trunks"
    POOLS = "Pools"
    NUMBERS = "Numbers"
    PERSONAL = "Personal data"
    KEYS = "Keys"
    AUDIT = "Audit"
    SERVICE = "Service"


Write = Callable[[bytes], Awaitable[None]]
Pour = Callable[[Write], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back: a status and, but for 204, a body that is ready to be written."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False  # it was given before; nothing was done this time
    stream: Pour | None = None  # what follows the head, as long as it takes


def answer(model: BaseModel, status: int = 200) -> Answer:
    """`model` as JSON."""
    return Answer(status, model.__pydantic_serializer__.to_json(model, by_alias=True))


NOTHING = Answer(204)

Work = Callable[[Connection], Answer]
Commit = Callable[[Work], Awaitable[Answer]]
Effect = Callable[[], Awaitable[Answer]]
Once = Callable[[Effect], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Pages:
    """The API's own description, made once."""

    openapi: bytes
    reference: bytes
    reference_csp: str  # Content-Security-Policy


class Live(Protocol):
    """Streams that keys open."""

    @property
    def logs(self) -> Streams:
        """Of users' call logs."""

    @property
    def histories(self) -> Streams:
        """Of conversations' histories."""

    def __len__(self) -> int:
        """How many there are."""

    async def close(self) -> None:
        """End them all."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the API itself keeps while it runs."""

    pages: Pages

    keyring: Keyring
    metrics: ApiMetrics
    rotation: Iterator[int]  # rises by one with every session
    tokens: Tokens
    rates: Rates
    streams: Streams
    live: Live
    calls_up: CallsUp
    exports: Exports
    console: Console


@dataclass(frozen=True, slots=True)
class Request(Generic[BodyT, QueryT]):
    """A request that was authenticated, allowed and checked. `repr` never shows its body."""

    services: Services
    running: Running
    now: datetime  # UTC, whole milliseconds
    method: str
    path: Mapping[str, str]
    query: QueryT = field(repr=False)
    body: BodyT = field(repr=False)
    key: ApiKey | None  # None: the route is open to all
    bearer: str = field(repr=False)  # the text of the key; never kept
    commit: Commit
    """Run `work` as one transaction. On a POST with an Idempotency-Key, the answer is kept in that
    same transaction and given again to the same request, without doing the work twice."""
    once: Once
    """The same for an effect outside the database: done once at most. If it raises, it was not."""
    holder: AppCredential | None = None  # of the token, on a route of the app
    language: Language = Language.RU  # of texts for people, from `Accept-Language`
    last_event_id: str | None = None  # as the reader of a stream sent it
    range: str | None = None  # the header `Range`, as it was sent
    if_range: str | None = None


Handler = Callable[[Request[Any, Any]], Awaitable[Answer]]

EVERYONE: frozenset[KeyRole] = frozenset(KeyRole)


@dataclass(frozen=True, slots=True)
class PathParameter:
    """A part of the path. What does not match is answered like what does not exist."""

    name: str
    pattern: str
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the audit log keeps of a key whose role may not do this; of `{id}` in the path."""

    action: Action
    object_kind: str


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path."""

    name: str  # the operation's, e.g. ``open_session``; stable
    method: str
    path: str
    summary: str
    tag: Tag
    handler: Handler
    roles: frozenset[KeyRole] | None  # besides admin, who may all; None: no key is needed
    answers: type[BaseModel] | str | None  # a model; media types of something else; None: no body
    status: int = 200
    body: type[BaseModel] = NoBody
    query: type[BaseModel] = NoQuery
    parameters: tuple[PathParameter, ...] = ()
    missing: type[ApiError] | None = None  # the error of a path parameter that does not match
    errors: tuple[type[ApiError], ...] = ()  # its own, besides those that every route has
    description: str = ""
    location: str = ""  # of what a 201 made, from the fields of the answer
    unready: bool = False  # it also answers 503, with the same model
    app: bool = False  # for apps with their token, and for nobody else
    body_optional: bool = False  # no body is as good as an empty object
    refusal: Refusal | None = None  # None: who may not is told so, and that is all

    @property
    def has_body(self) -> bool:
        """Whether a body is expected."""
        return self.body is not NoBody

    def may(self, role: KeyRole) -> bool:
        """Whether a key of `role` may use the route."""
        if self.app:
            return False
        return self.roles is None or role is KeyRole.ADMIN or role in self.roles
