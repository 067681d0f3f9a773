"""Errors as problem documents (RFC 9457): the one place that gives them their HTTP status.

No text of a foreign error ever reaches the caller: only what `api.errors` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web
from pydantic_core import to_json

from api import errors
from api.errors import ApiError, FieldError
from masking import errors as domain
from masking.errors import MaskingError
from masking.live import LiveRefused
from storage.errors import StorageError

MEDIA_TYPE: Final = "application/problem+json"


def problem_response(error: ApiError, request_id: str) -> web.Response:
    """`error` as an answer."""
    document: dict[str, object] = {
        "type": "about:blank" if error.status == 500 else f"/docs#error-{error.error_id}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "error_id": error.error_id,
        "request_id": request_id,
    }
    if error.reason is not None:
        document["reason"] = error.reason
    if error.errors:
        document["errors"] = [{"field": one.field, "detail": one.detail} for one in error.errors]
    return web.Response(
        status=error.status, body=to_json(document), content_type=MEDIA_TYPE, headers=error.headers
    )


def api_error(error: Exception) -> ApiError | None:
    """What `error` means to the caller; None if it is nobody's but ours."""
    match error:
        case ApiError():
            return error
        case LiveRefused():
            return errors.CannotNow(reason=error.reason.value)
        case MaskingError():
            return _masking(error)
        case StorageError():
            made = _STORAGE.get(error.error_id)
            return made() if made is not None else None
        case TimeoutError():
            return errors.TimedOut()
        case web.HTTPException():
            return _http(error)
        case _:
            return None


def _masking(error: MaskingError) -> ApiError | None:
    """The domain's texts say what to do and hold no phone: they are passed on."""
    text = str(error)
    fields = [FieldError(error.field, text)] if error.field is not None else []
    match error:
        case domain.InvalidInput():
            return errors.ValidationFailed(errors=fields or [FieldError("(body)", text)])
        case _:
            made = _DOMAIN.get(error.error_id)
            return made(text, errors=fields) if made is not None else None


_DOMAIN: Final[dict[str, type[ApiError]]] = {
    domain.UnknownSession.error_id: errors.SessionNotFound,
    domain.UnknownNumber.error_id: errors.NumberNotFound,
    domain.UnknownPool.error_id: errors.PoolNotFound,
    domain.UnknownTrunk.error_id: errors.TrunkNotFound,
    domain.SessionClosed.error_id: errors.SessionClosed,
    domain.SessionExpired.error_id: errors.SessionExpired,
    domain.BeyondHardExpiry.error_id: errors.BeyondHardExpiry,
    domain.NumberUnavailable.error_id: errors.NumberUnavailable,
    domain.NumberHeld.error_id: errors.NumberHeld,
    domain.StickyUnavailable.error_id: errors.StickyUnavailable,
    domain.SessionLimit.error_id: errors.SessionLimit,
    domain.UnknownListingNumber.error_id: errors.ListingNumberNotFound,
    domain.ListingNumberOver.error_id: errors.ListingNumberOver,
    domain.ConversationNamed.error_id: errors.ConversationNamed,
    domain.NothingToShow.error_id: errors.PoolExhausted,
    domain.UnknownParticipant.error_id: errors.ParticipantNotFound,
    domain.CallerNumberTaken.error_id: errors.CallerNumberTaken,
    domain.NoNumberToCall.error_id: errors.NoNumberToCall,
    domain.TooManyCallerNumbers.error_id: errors.TooManyCallerNumbers,
    domain.TrunkExists.error_id: errors.TrunkExists,
    domain.TrunkInUse.error_id: errors.TrunkInUse,
    domain.NumberTaken.error_id: errors.NumberTaken,
    domain.ExtensionsInUse.error_id: errors.ExtensionsInUse,
    domain.PoolExhausted.error_id: errors.PoolExhausted,
}
_STORAGE: Final[dict[str, Callable[[], ApiError]]] = {
    "bad_cursor": lambda: errors.ValidationFailed(
        errors=[FieldError("cursor", "use the `next_cursor` of this same list, unchanged")]
    ),
    "database_overloaded": errors.Overloaded,
    "conflict_persists": errors.Overloaded,
    "constraint_violated": errors.Conflict,
    "database_locked": errors.Overloaded,
    "database_unavailable": errors.StorageUnavailable,
    "database_read_only": errors.StorageUnavailable,
    "database_full": errors.StorageUnavailable,
    "database_closed": errors.StorageUnavailable,
    "database_silent": errors.TimedOut,
}


def _http(error: web.HTTPException) -> ApiError | None:
    match error.status:
        case 404:
            return errors.PathNotFound()
        case 405:
            return errors.MethodNotAllowed(headers={"Allow": error.headers.get("Allow", "")})
        case 413:
            return errors.BodyTooLarge()
        case 400:
            return errors.MalformedRequest()
        case _:
            return None
