"""Two people with phones and web apps around one Maskline, and a platform between them."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import pytest_asyncio

from maskline.demo import Carrier
from maskline.toolbox import ToolboxSettings
from maskline.toolbox.web import ensure_web
from tests.support.app_scene import AppScene
from tests.support.maskline import Maskline, carrier_host, sipp_command
from tests.support.platform import Platform
from tests.support.turn_server import TurnServer, turnserver
from tests.support.verdict import has_failed
from tests.support.web_app import WebApps, chromium

FOLDER = Path(__file__).parent
ARTEFACTS = FOLDER.parents[1] / "build" / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all of them, for they share browsers; none of them without a browser."""
    skip = pytest.mark.skip(reason="the package chromium is not installed")
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if chromium() is None:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def turn(tmp_path_factory: pytest.TempPathFactory) -> TurnServer | None:
    """A TURN server that is not started yet; None where coturn is not installed."""
    if turnserver() is None:
        return None
    folder = tmp_path_factory.mktemp("turn")
    return TurnServer(folder, secrets.token_urlsafe(24), allowed="127.0.0.1")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def web_apps(
    tmp_path_factory: pytest.TempPathFactory, turn: TurnServer | None
) -> AsyncIterator[WebApps]:
    """Browsers, and the softphone as its sources are now.

    They trust the TURN server from the beginning, whichever test is the first to open one.
    """
    ensure_web(ToolboxSettings.from_env(os.environ))
    pins = () if turn is None else (turn.pin,)
    async with WebApps(tmp_path_factory.mktemp("tones"), ARTEFACTS, pins) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(
    tmp_path_factory: pytest.TempPathFactory, web_apps: WebApps, turn: TurnServer | None
) -> AsyncIterator[AppScene]:
    """A Maskline whose apps are pages, with a carrier, a platform and a TURN server beside it."""
    folder = tmp_path_factory.mktemp("browser")
    options = {
        "outbound_allow": "127.0.0.0/8",
        "app_origins": web_apps.origin,
        "log_level": "debug",
        "upkeep_s": "2",
    }
    maskline = Maskline(folder / "data", options=options)
    if turn is not None:
        options |= {"turn_urls": ",".join(turn.urls), "turn_secret": turn.secret}
    await maskline.start()
    try:
        async with (
            turn or nullcontext(),
            Platform() as platform,
            Carrier(
                carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command()
            ) as carrier,
        ):
            scene = AppScene(maskline, carrier, platform, web_apps, turn)
            await scene.make_ready()
            yield scene
            assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(house: AppScene, request: pytest.FixtureRequest) -> AsyncIterator[AppScene]:
    """The same for one test: two new people; afterwards nobody was given away to the other."""
    house.begin()
    try:
        yield house
        await house.check()
    finally:
        await house.end(failed=request.node.name if has_failed(request) else None)
