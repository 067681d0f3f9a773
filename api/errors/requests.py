"""What is wrong with a request itself, and what we cannot do just now."""

from __future__ import annotations

from api.errors.base import ApiError


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


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405
    error_id = "method_not_allowed"
    title = "This path does not take this method"
    advice = "Use one of the methods in the header `Allow`."


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


class RateLimited(ApiError):
    """The holder of this token asks too often."""

    status = 429
    error_id = "rate_limited"
    title = "Too many requests"
    advice = "Nothing was done. Try again after the seconds in `Retry-After`."

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_s)})


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
