"""A client of Maskline's own HTTP API, for the commands that change a running system.

Never opens the database or the node: what a command may do, any holder of a key may do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from maskline import instance
from maskline.errors import CommandRefused, NotRunning


class ApiClient:
    """`async with ApiClient.of(data_folder) as api:` opens one."""

    def __init__(self, url: str, key: str, data: Path | None = None) -> None:
        self.url = url
        self._key = key
        self._data = data or Path()
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def of(cls, data: Path) -> Self:
        """A client of the Maskline that runs on `data`, as admin. Raises NotRunning."""
        return cls(instance.find(data).url, instance.admin_key(data), data)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self.url,
            headers={"Authorization": f"Bearer {self._key}"},
            timeout=aiohttp.ClientTimeout(total=30),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 (JSON)
        """The JSON answer; None for 204. Raises CommandRefused with the problem's own words."""
        if self._session is None:
            raise NotRunning(self._data)
        try:
            async with self._session.request(
                method, path, json=body, params=query, headers=headers
            ) as response:
                if response.status == 204:
                    return None
                answer = await response.json(content_type=None)
                if response.status >= 400:
                    raise CommandRefused(_complaint(response.status, answer))
                return answer
        except (aiohttp.ClientConnectionError, TimeoutError):
            raise NotRunning(self._data) from None
        except ValueError:
            raise CommandRefused("the answer is not Maskline's: is another server there?") from None

    async def every(self, path: str) -> AsyncIterator[Any]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page = await self.ask("GET", path, query=query)
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return


def _complaint(status: int, problem: Any) -> str:  # noqa: ANN401 (JSON)
    if not isinstance(problem, dict):
        return f"refused with status {status}"
    fields = "; ".join(f"{one['field']}: {one['detail']}" for one in problem.get("errors", []))
    what = fields or problem.get("detail") or problem.get("title") or f"status {status}"
    return f"{problem.get('error_id', status)}: {what}"
