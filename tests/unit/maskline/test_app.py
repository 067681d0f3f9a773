"""What is done before callers wait for this process, and what after."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from api.app import create_runner
from maskline import app, http_part
from maskline.app import Role, run_app
from maskline.node_part import NoNode, Own
from maskline.settings import Address, Settings

ROLES = frozenset({Role.API, Role.CONTROLLER})


class _Node(NoNode):
    """A node whose calls wait from the moment it is started."""

    def __init__(self, settings: Settings, on_start: Callable[[], Awaitable[None]]) -> None:
        super().__init__(settings)
        self._on_start = on_start

    async def start(self, own: Own) -> None:
        assert callable(own)
        await self._on_start()

    async def drain(self, within_s: float, hurry: asyncio.Event) -> None:
        assert (within_s, hurry.is_set()) == (0, False)  # as it is unless the operator says so

    async def stop(self) -> None:
        pass

    def let_go(self) -> None:
        pass


def _run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, on_start: Callable[[], Awaitable[None]]
) -> list[str]:
    """Run a Maskline that is told to stop when it is ready; what it did, in order."""
    order: list[str] = []

    def created(*services: object) -> object:
        order.append("built")
        return create_runner(*services)  # type: ignore[arg-type]

    async def started() -> None:
        order.append("calls come")
        await on_start()

    def said(line: str) -> None:
        order.append(line.split(maxsplit=1)[0])
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(app, "_tune_interpreter", lambda: None)  # of the tests' own process
    monkeypatch.setattr(app, "NodePart", lambda settings, *_: _Node(settings, started))
    monkeypatch.setattr(http_part, "create_runner", created)
    settings = Settings(data=tmp_path / "data", http=Address("127.0.0.1", 0))
    assert run_app(settings, ROLES, said) == 0
    return order


def test_what_takes_the_loop_for_long_is_done_before_calls_can_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that waited for this controller is not to wait for the building of the API."""
    order = _run(tmp_path, monkeypatch, on_start=lambda: asyncio.sleep(0))
    assert order == ["built", "calls come", "ready"]


def test_stopped_before_it_serves_it_ends_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop() -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()  # whoever is told to stop does not wait for the start

    assert _run(tmp_path, monkeypatch, on_start=stop) == ["built", "calls come"]
