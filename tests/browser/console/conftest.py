"""A call centre: a morning's calls, staff of every role, and a browser for all of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from maskline.demo import Carrier
from maskline.toolbox import ToolboxSettings
from maskline.toolbox.web import CONSOLE, ensure_modules, ensure_web
from tests.support.call_centre import STAFF, CallCentre
from tests.support.console_scene import console_scene
from tests.support.console_window import staffroom
from tests.support.leaks import WATCH
from tests.support.maskline import Maskline, carrier_host, free_tcp_port, sipp_command
from tests.support.oidc_provider import BACK, CLIENT_ID, CLIENT_SECRET, SCOPES, oidc_provider
from tests.support.platform import Platform
from tests.support.scene import Scene
from tests.support.verdict import has_failed

SCREENS = Path(__file__).parents[3] / "build" / "screens"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house_of_calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CallCentre]:
    """The same for all tests of a run; at its end no phone stands in anything that was served."""
    settings = ToolboxSettings.from_env(os.environ)
    ensure_web(settings, part=CONSOLE)
    axe = (ensure_modules(settings) / "axe-core" / "axe.min.js").read_text()
    maskline = Maskline(tmp_path_factory.mktemp("console") / "data")
    provider_port = free_tcp_port()
    maskline.options |= {
        "outbound_allow": "127.0.0.0/8",
        "upkeep_s": "2",
        "oidc_issuer": f"http://127.0.0.1:{provider_port}",
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_scopes": ",".join(SCOPES),
        "oidc_roles": "support=agent,leads=supervisor",
        "oidc_name": "Acme",
    }
    back = f"http://{maskline.http}{BACK}"
    await maskline.start()
    try:
        async with (
            oidc_provider(tmp_path_factory.mktemp("provider"), provider_port, back),
            Platform() as platform,
            Carrier(
                carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command()
            ) as carrier,
            Carrier(
                carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command(), name="far"
            ) as far,
            staffroom(f"http://{maskline.http}") as room,
        ):
            scene = await console_scene(Scene(maskline, carrier, platform), far)
            centre = CallCentre(scene, room, SCREENS, axe)
            # Before the calls: each is a process that starts, and calls have deadlines.
            await asyncio.gather(*(centre.hire(one) for one in STAFF))
            await scene.play()
            yield centre
            await room.close()
            centre.search()
            assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()
    assert WATCH.found == [], f"{len(WATCH.found)} places hold a phone"


@pytest_asyncio.fixture(loop_scope="session")
async def centre(
    house_of_calls: CallCentre, request: pytest.FixtureRequest
) -> AsyncIterator[CallCentre]:
    """The same for one test: its windows are closed, and nothing failed in them."""
    begun = len(house_of_calls.room.windows)
    yield house_of_calls
    windows = house_of_calls.room.windows[begun:]
    left = SCREENS.parent / "browser" / "console"
    for number, window in enumerate(windows):
        if has_failed(request):
            await window.keep(left, f"{request.node.name}-{number}")
        await window.leave()
    assert [line for window in windows for line in window.errors] == []
