"""What an error means to whoever asked, and the one line that is logged of it."""

from __future__ import annotations

import logging

from api.errors import ApiError
from api.metrics import ApiMetrics
from api.problems import api_error

_log = logging.getLogger("maskline.api")


def judge(error: Exception, request_id: str, metrics: ApiMetrics) -> ApiError:
    """`error` as it may be answered; counted, and logged where it is ours."""
    known = api_error(error)
    if known is None:
        # Neither text nor traceback of a foreign error: both may quote what was sent.
        _log.error("request %s failed: %s at %s", request_id, type(error).__name__, where(error))
        known = ApiError()
    elif known.status >= 500:
        _log.warning(
            "request %s refused: %s (%s)", request_id, known.error_id, type(error).__name__
        )
    metrics.refusals.add(known.error_id)
    return known


def where(error: BaseException) -> str:
    """The places an error passed through, innermost last, without any of its values."""
    places = []
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}")
        frame = frame.tb_next
    return " ".join(places[-12:])
