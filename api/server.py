"""aiohttp's server with our manners: what is not HTTP gets a problem document, and is not logged.

aiohttp itself answers in plain text and logs a traceback, both quoting the bad bytes.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from api.errors import ApiError, MalformedRequest
from api.guard import finish, new_request_id
from api.problems import problem_response
from api.services import Services

KEEP_ALIVE_S: Final = 75.0
_MALFORMED: Final = 400

_log = logging.getLogger("maskline.api")


class Runner(web.AppRunner):
    """Runs the application; put sites on it as on any `web.AppRunner`."""

    __slots__ = ("_services",)

    def __init__(self, app: web.Application, services: Services) -> None:
        super().__init__(
            app,
            access_log=None,  # our own is written by the guard
            keepalive_timeout=KEEP_ALIVE_S,
            auto_decompress=False,  # a small body must not become a large one
            lingering_time=2.0,
            shutdown_timeout=services.settings.request_timeout_s,
        )
        self._services = services

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made, self._services)


class _Server(web.Server):
    """Makes a `_Connection` for each connection."""

    def __init__(self, made: web.Server, services: Services) -> None:
        super().__init__(made.request_handler, request_factory=made.request_factory, **made._kwargs)  # noqa: SLF001 (no other way to its settings)
        self._services = services

    def __call__(self) -> RequestHandler:
        return _Connection(self, services=self._services, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """One connection."""

    __slots__ = ("_services",)

    def __init__(self, manager: web.Server, *, services: Services, **kwargs: Any) -> None:  # noqa: ANN401 (aiohttp's settings)
        super().__init__(manager, **kwargs)
        self._services = services

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called for what never became a request, and for what broke outside the guard."""
        if isinstance(exc, ApiError):
            error = exc
        else:
            error = MalformedRequest() if status == _MALFORMED else ApiError()
        request_id = new_request_id(self._services)
        _log.warning("request %s refused: %s (%s)", request_id, error.error_id, type(exc).__name__)
        response = problem_response(error, request_id)
        finish(response, request_id)
        response.force_close()
        return response

    def log_exception(self, *args: object, **kwargs: object) -> None:
        """Only that it happened: the arguments hold the error, which may quote the request."""
        _log.error("a connection failed: %s", type(kwargs.get("exc_info")).__name__)

    def log_debug(self, *args: object, **kwargs: object) -> None:
        """Nothing: as above."""
