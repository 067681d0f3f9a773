"""404: what the request names is not there."""

from __future__ import annotations

from api.errors.base import ApiError


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
    advice = (
        "Add numbers to the pool first (POST /v1/numbers), or PUT /v1/pools/{name}; "
        "a name is 1 to 32 of a-z, 0-9 and -."
    )


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


class CredentialNotFound(NotFound):
    """The user has no live credential of this name."""

    error_id = "credential_not_found"
    title = "No such credential"
    advice = "It has expired or was revoked, or the user is another one."


class ErasureNotFound(NotFound):
    """No erasure with this id."""

    error_id = "erasure_not_found"
    title = "There is no such erasure"
    advice = "Check the id: it was in the answer that began the erasure."
