"""What the API refuses, and why: one class a reason, each with the stable `error_id` of its answer.

An error's detail tells the caller what to do. It never holds a value that was sent in: values may
be phones or secrets.
"""

from __future__ import annotations

from api.errors.base import (
    ApiError,
    FieldError,
)
from api.errors.conflicts import (
    BeyondHardExpiry,
    CallerNumberTaken,
    Conflict,
    ConversationNamed,
    IdempotencyInFlight,
    LastAdminKey,
    ListingNumberOver,
    NoNumberToCall,
    NumberHeld,
    NumberInUse,
    NumberTaken,
    NumberUnavailable,
    SessionClosed,
    SessionExpired,
    SessionLimit,
    StickyUnavailable,
    TooManyCallerNumbers,
    TooManyWebhooks,
    TrunkExists,
    TrunkInUse,
)
from api.errors.not_found import (
    BlockNotFound,
    CallerNumberNotFound,
    CallNotFound,
    DeliveryNotFound,
    KeyNotFound,
    ListingNumberNotFound,
    LiveCallNotFound,
    NotFound,
    NumberNotFound,
    ParticipantNotFound,
    PoolNotFound,
    SessionNotFound,
    TrunkNotFound,
    WebhookNotFound,
)
from api.errors.requests import (
    BodyTooLarge,
    ExpectationFailed,
    Forbidden,
    IdempotencyKeyReused,
    MalformedJson,
    MalformedRequest,
    MethodNotAllowed,
    NodeUnavailable,
    Overloaded,
    PathNotFound,
    PoolExhausted,
    StorageUnavailable,
    TimedOut,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)

__all__ = [
    "ApiError",
    "BeyondHardExpiry",
    "BlockNotFound",
    "BodyTooLarge",
    "CallNotFound",
    "CallerNumberNotFound",
    "CallerNumberTaken",
    "Conflict",
    "ConversationNamed",
    "DeliveryNotFound",
    "ExpectationFailed",
    "FieldError",
    "Forbidden",
    "IdempotencyInFlight",
    "IdempotencyKeyReused",
    "KeyNotFound",
    "LastAdminKey",
    "ListingNumberNotFound",
    "ListingNumberOver",
    "LiveCallNotFound",
    "MalformedJson",
    "MalformedRequest",
    "MethodNotAllowed",
    "NoNumberToCall",
    "NodeUnavailable",
    "NotFound",
    "NumberHeld",
    "NumberInUse",
    "NumberNotFound",
    "NumberTaken",
    "NumberUnavailable",
    "Overloaded",
    "ParticipantNotFound",
    "PathNotFound",
    "PoolExhausted",
    "PoolNotFound",
    "SessionClosed",
    "SessionExpired",
    "SessionLimit",
    "SessionNotFound",
    "StickyUnavailable",
    "StorageUnavailable",
    "TimedOut",
    "TooManyCallerNumbers",
    "TooManyWebhooks",
    "TrunkExists",
    "TrunkInUse",
    "TrunkNotFound",
    "Unauthenticated",
    "UnsupportedMediaType",
    "ValidationFailed",
    "WebhookNotFound",
    "every",
]


def every() -> tuple[type[ApiError], ...]:
    """All errors that are answered, by status and id."""
    found: set[type[ApiError]] = {ApiError}
    waiting: list[type[ApiError]] = [ApiError]
    while waiting:
        children = waiting.pop().__subclasses__()
        found.update(children)
        waiting += children
    return tuple(sorted(found, key=lambda error: (error.status, error.error_id)))
