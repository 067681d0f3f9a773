"""What the API refuses, and why: one class a reason, each with the stable `error_id` of its answer.

An error's detail tells the caller what to do. It never holds a value that was sent in: values may
be phones or secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` reads like ``participants[0].phone``."""

    field: str
    detail: str


class ApiError(Exception):
    """Root of what the API answers with a problem document (RFC 9457)."""

    status: ClassVar[int] = 500
    error_id: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something failed on our side"
    advice: ClassVar[str] = "Try again. If it stays, give the request id to the operator."

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.advice)
        self.detail = detail or self.advice
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class MalformedRequest(ApiError):
    """The bytes are not HTTP as RFC 9112 has it."""

    status = 400
    error_id = "malformed_request"
    title = "The request is not valid HTTP"
    advice = "Send a well-formed HTTP/1.1 request."


class MalformedJson(ApiError):
    """The body is not JSON."""

    status = 400
    error_id = "malformed_json"
    title = "The body is not JSON"
    advice = "Send one JSON object, encoded in UTF-8."


class Unauthenticated(ApiError):
    """No key, or none that is known."""

    status = 401
    error_id = "unauthenticated"
    title = "No valid key"
    advice = "Send the header `Authorization: Bearer KEY` with a key that has not been revoked."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="maskline"'})


class Forbidden(ApiError):
    """The key is known, its role may not do this."""

    status = 403
    error_id = "forbidden"
    title = "The role of this key may not do this"
    advice = "Use a key of a role that may."


class PathNotFound(ApiError):
    """There is nothing at this path."""

    status = 404
    error_id = "path_not_found"
    title = "No such path"
    advice = "See /docs for the paths there are."


class NotFound(ApiError):
    """Root of: what is named does not exist."""

    status = 404
    error_id = "not_found"
    title = "Not found"
    advice = "Check the id."


class SessionNotFound(NotFound):
    """No session has this id."""

    error_id = "session_not_found"
    title = "No such session"


class WebhookNotFound(NotFound):
    """No webhook has this id."""

    error_id = "webhook_not_found"
    title = "No such webhook"


class DeliveryNotFound(NotFound):
    """The webhook has no delivery with this id."""

    error_id = "delivery_not_found"
    title = "No such delivery"


class ListingNumberNotFound(NotFound):
    """No listing number has this id."""

    error_id = "listing_number_not_found"
    title = "No such listing number"


class CallNotFound(NotFound):
    """No call has this id."""

    error_id = "call_not_found"
    title = "No such call"
    advice = (
        "Check the id. A call is listed here once it has ended, and under /v1/live-calls before."
    )


class LiveCallNotFound(NotFound):
    """No call with this id is up."""

    error_id = "live_call_not_found"
    title = "No such call is up"
    advice = "It has ended, or the id is wrong: see /v1/calls."


class TrunkNotFound(NotFound):
    """No trunk has this name."""

    error_id = "trunk_not_found"
    title = "No such trunk"
    advice = "Create the trunk first: POST /v1/trunks."


class PoolNotFound(NotFound):
    """No pool has this name."""

    error_id = "pool_not_found"
    title = "No such pool"
    advice = "Add numbers to the pool first (POST /v1/numbers), or PUT /v1/pools/{name}."


class NumberNotFound(NotFound):
    """We have no such proxy number."""

    error_id = "number_not_found"
    title = "No such proxy number"


class BlockNotFound(NotFound):
    """There is no such block."""

    error_id = "block_not_found"
    title = "No such block"


class KeyNotFound(NotFound):
    """No key has this id."""

    error_id = "key_not_found"
    title = "No such key"


class ParticipantNotFound(NotFound):
    """The session has no participant with this user id."""

    error_id = "participant_not_found"
    title = "No such participant"
    advice = "Take a `user_id` of the session's participants."


class CallerNumberNotFound(NotFound):
    """The session has no such caller number."""

    error_id = "caller_number_not_found"
    title = "No such caller number"
    advice = "It was used, or its time is over: list those that there are."


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405
    error_id = "method_not_allowed"
    title = "This path does not take this method"
    advice = "Use one of the methods in the header `Allow`."


class Conflict(ApiError):
    """Root of: the state of things forbids it."""

    status = 409
    error_id = "conflict"
    title = "The state of things forbids it"
    advice = "Read the present state and decide again."


class SessionClosed(Conflict):
    """A closed session cannot be extended."""

    error_id = "session_closed"
    title = "The session is closed"
    advice = "Create a new session: a closed one stays closed."


class SessionExpired(Conflict):
    """An expired session cannot be extended."""

    error_id = "session_expired"
    title = "The session has expired"
    advice = "Create a new session: the numbers of an expired one are cooling down."


class ListingNumberOver(Conflict):
    """What is over cannot be changed."""

    error_id = "listing_number_over"
    title = "The listing number has expired or was closed"
    advice = "Create a new one: its number may be shown by another listing by now."


class ConversationNamed(Conflict):
    """The conversation has its name already."""

    error_id = "conversation_named"
    title = "The conversation has a name, which stays"
    advice = "Only a conversation that is held (`conversation_held`) can be named, and once."


class BeyondHardExpiry(Conflict):
    """Nothing moves a session's end beyond its hard one."""

    error_id = "beyond_hard_expiry"
    title = "The session ends for good before that"
    advice = "Choose an end no later than `hard_expires_at`, or open a new session."


class NumberUnavailable(Conflict):
    """The number asked for is not given by the pool."""

    error_id = "number_unavailable"
    title = "The pool does not give that number"
    advice = "Ask for a number of the pool that is active or reserved, or for none."


class NumberHeld(Conflict):
    """The participant has the number asked for."""

    error_id = "number_held"
    title = "The participant holds that number already"
    advice = "Ask for another number or for none, or close the session that holds it."


class StickyUnavailable(Conflict):
    """The pool gives a pair its earlier numbers or none."""

    error_id = "sticky_unavailable"
    title = "The pair's earlier number is not free"
    advice = "Close the session that holds it, or set the pool's `numbers.sticky` to `prefer`."


class SessionLimit(Conflict):
    """The participant has as many live sessions as the pool allows one."""

    error_id = "session_limit"
    title = "A participant has as many live sessions as the pool allows"
    advice = "Close some of them, or raise the pool's `numbers.max_sessions`."


class TrunkExists(Conflict):
    """The name is taken."""

    error_id = "trunk_exists"
    title = "A trunk of this name exists"
    advice = "Choose another name, or change the trunk: PATCH /v1/trunks/{name}."


class TrunkInUse(Conflict):
    """Proxy numbers come through this trunk."""

    error_id = "trunk_in_use"
    title = "Proxy numbers come through this trunk"
    advice = "Delete its numbers first, or set `enabled` to false."


class NumberTaken(Conflict):
    """The number belongs to another pool or trunk."""

    error_id = "number_taken"
    title = "A number belongs to another pool or trunk"
    advice = "Delete it there first."


class NumberInUse(Conflict):
    """Leases hold the number."""

    error_id = "number_in_use"
    title = "The number is leased"
    advice = "Set its state to `draining` and delete it when its leases have run out."


class TooManyWebhooks(Conflict):
    """There may be no more."""

    error_id = "too_many_webhooks"
    title = "There are as many webhooks as there may be"
    advice = "Remove one that is not needed: DELETE /v1/webhooks/{id}."


class CallerNumberTaken(Conflict):
    """The phone means something else on the number."""

    error_id = "caller_number_taken"
    title = "That phone means something else on this number already"
    advice = "Let them call from another phone."


class NoNumberToCall(Conflict):
    """The participant has no proxy number."""

    error_id = "no_number_to_call"
    title = "The participant has no proxy number in the session"
    advice = "They are reachable in the app only: open a session with a phone of theirs."


class TooManyCallerNumbers(Conflict):
    """There may be no more at once."""

    error_id = "too_many_caller_numbers"
    title = "The participant has as many declared phones as there may be"
    advice = "Withdraw one first, or wait until one was used."


class LastAdminKey(Conflict):
    """Without it nobody could administer."""

    error_id = "last_admin_key"
    title = "This is the last admin key"
    advice = "Create another admin key first."


class IdempotencyInFlight(Conflict):
    """The first request with this key is still at work."""

    error_id = "idempotency_in_flight"
    title = "A request with this Idempotency-Key is at work"
    advice = "Wait a second and send the same request again."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class BodyTooLarge(ApiError):
    """The body is larger than we read."""

    status = 413
    error_id = "body_too_large"
    title = "The body is too large"


class UnsupportedMediaType(ApiError):
    """The body is not declared as JSON."""

    status = 415
    error_id = "unsupported_media_type"
    title = "The body must be JSON"
    advice = "Send the header `Content-Type: application/json`."


class ExpectationFailed(ApiError):
    """An `Expect` that nobody knows."""

    status = 417
    error_id = "expectation_failed"
    title = "Unknown expectation"
    advice = "Leave out the header `Expect`, or send `100-continue`."


class ValidationFailed(ApiError):
    """Some fields are wrong; each is named."""

    status = 422
    error_id = "validation_failed"
    title = "Some fields are wrong"
    advice = "Correct the fields named in `errors`."


class IdempotencyKeyReused(ApiError):
    """The same Idempotency-Key came with another request."""

    status = 422
    error_id = "idempotency_key_reused"
    title = "This Idempotency-Key was used for another request"
    advice = (
        "Use a new key for every new request; "
        "repeat a key only with the same method, path and body."
    )


class PoolExhausted(ApiError):
    """No number of the pool is free for a participant."""

    status = 503
    error_id = "pool_exhausted"
    title = "The pool has no free number for a participant"
    advice = (
        "Every number of the pool serves or cools down for one of the participants: "
        "add numbers to the pool, close sessions that are over, or shorten the cool-down."
    )


class Overloaded(ApiError):
    """More work is waiting than can be done in time. Nothing was done."""

    status = 503
    error_id = "overloaded"
    title = "Too much to do at the moment"
    advice = "Nothing was done. Try again after the seconds in `Retry-After`."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class TimedOut(ApiError):
    """The answer was not ready in time. Whether the effect took place is not known."""

    status = 503
    error_id = "timed_out"
    title = "It took too long"
    advice = (
        "It may or may not have been done: "
        "send the same request again with the same Idempotency-Key."
    )

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class StorageUnavailable(ApiError):
    """The database cannot be written or reached. Nothing was done."""

    status = 503
    error_id = "storage_unavailable"
    title = "The database cannot be used at the moment"
    advice = (
        "Nothing was done. Try again after the seconds in `Retry-After`; "
        "/readyz says what is missing."
    )

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class NodeUnavailable(ApiError):
    """The telephony node cannot be reached at the moment."""

    status = 503
    error_id = "node_unavailable"
    title = "The telephony node cannot be reached"
    advice = "Try again after the seconds in `Retry-After`; /readyz says what is missing."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "2"})


def every() -> tuple[type[ApiError], ...]:
    """All errors that are answered, by status and id."""
    found: set[type[ApiError]] = {ApiError}
    waiting: list[type[ApiError]] = [ApiError]
    while waiting:
        children = waiting.pop().__subclasses__()
        found.update(children)
        waiting += children
    return tuple(sorted(found, key=lambda error: (error.status, error.error_id)))
