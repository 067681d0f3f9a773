"""A response whose body is written for as long as it takes, after the guard has let it go.

The guard's deadline is for making an answer; a stream has deadlines of its own for every piece.
"""

from __future__ import annotations

from aiohttp import web

from api.routing import Answer


class Streaming(web.StreamResponse):
    """`answer`, with what its stream pours after the head."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status=answer.status, headers=dict(answer.headers))
        self.headers["Content-Type"] = answer.content_type
        self.headers["X-Accel-Buffering"] = "no"  # of proxies before us
        self._pour = answer.stream

    async def write_eof(self, data: bytes = b"") -> None:
        """Pour, then end. Called by the server once the head has gone out."""
        pour, self._pour = self._pour, None
        if pour is not None:
            await pour(self.write)
        await super().write_eof(data)
