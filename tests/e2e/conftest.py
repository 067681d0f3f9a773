"""A shared Maskline with two carriers for the tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from maskline.demo import Carrier
from tests.support.leaks import WATCH
from tests.support.maskline import Maskline, carrier_host, phones, sipp_command
from tests.support.platform import Platform
from tests.support.quiet import make_quiet
from tests.support.scene import Scene
from tests.support.verdict import has_failed

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all of them: they share carriers, and processes."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", autouse=True)
def nobody_given_away() -> Iterator[None]:
    """At the end of the run no phone of anybody stands in anything that a Maskline wrote or said.

    Each is searched when it is gone, this being asked after them all: `tests.support.leaks`.
    """
    yield
    WATCH.search_heard()
    assert WATCH.found == [], f"{len(WATCH.found)} places hold a phone"
    assert WATCH.files or not WATCH.phones, "something was searched"


@pytest.fixture(scope="session")
def phone() -> Iterator[str]:
    """`next(phone)`: a mobile number that no other test has."""
    return phones()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Maskline]:
    """A running Maskline."""
    maskline = Maskline(tmp_path_factory.mktemp("shared") / "data")
    await maskline.start()
    try:
        yield maskline
        assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def carrier_a(shared: Maskline) -> AsyncIterator[Carrier]:
    """Carrier A: owns +7 495 111 …; its phones are everybody's."""
    async with Carrier(
        carrier_host(), 5080, toward=shared.sip_address, sipp=sipp_command(), name="carrier-a"
    ) as opened:
        await shared.add_trunk("carrier-a", opened.host, opened.port, max_cps=200)
        await shared.add_numbers("carrier-a", "+74951110001", "+74951110002", "+74951110003")
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def carrier(shared: Maskline, carrier_a: Carrier) -> AsyncIterator[Carrier]:
    """The same for one test, which leaves no calls behind."""
    yield carrier_a
    await make_quiet(shared, carrier_a)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def theatre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A Maskline of this file's own that logs all it can, a carrier, and a platform beside it."""
    options = {"log_level": "debug", "outbound_allow": "127.0.0.0/8", "upkeep_s": "2"}
    maskline = Maskline(tmp_path_factory.mktemp("scene") / "data", options=options)
    await maskline.start()
    try:
        async with (
            Platform() as platform,
            Carrier(
                carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command()
            ) as carrier,
        ):
            scene = Scene(maskline, carrier, platform)
            await maskline.add_trunk(scene.trunk, carrier.host, carrier.port, max_cps=200)
            await scene.subscribe()
            yield scene
            await scene.check_written()
            assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(theatre: Scene, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """The same, from curtain to curtain: afterwards it is quiet, and nobody was given away."""
    theatre.begin()
    yield theatre
    await theatre.end(failed=has_failed(request))


@pytest_asyncio.fixture(loop_scope="session")
async def own(tmp_path: Path) -> AsyncIterator[Maskline]:
    """A Maskline of this test's own, not started yet."""
    maskline = Maskline(tmp_path / "data")
    try:
        yield maskline
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def make_carrier() -> AsyncIterator[Any]:
    """`await make_carrier(maskline)`: one more carrier, closed at the test's end."""
    opened: list[Carrier] = []

    async def make(maskline: Maskline, name: str = "carrier", port: int = 5080) -> Carrier:
        carrier = Carrier(
            carrier_host(port), port, toward=maskline.sip_address, sipp=sipp_command(), name=name
        )
        await carrier.__aenter__()
        opened.append(carrier)
        return carrier

    yield make
    for one in reversed(opened):
        await one.__aexit__(None, None, None)
