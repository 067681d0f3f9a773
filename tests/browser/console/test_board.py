"""The live board while things go wrong: real calls fail, and who watches is told, and told again.

One node of its own, whose thresholds are an operator's who wants to know at once: in a house that
others share as well something would always be wrong. All goes wrong at the same time, and is mended
at the same time: what the test waits for is the slowest of it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from maskline.demo import Answer, Carrier, Reject
from maskline.toolbox import ToolboxSettings
from maskline.toolbox.web import CONSOLE, ensure_modules, ensure_web
from tests.browser.console.conftest import SCREENS
from tests.support.call_centre import OWN_PASSWORD
from tests.support.console_window import Staffroom, StaffWindow, staffroom
from tests.support.maskline import Maskline, Session, carrier_host, phones, sipp_command
from tests.support.platform import Platform
from tests.support.verdict import has_failed

TRUNK, LOW = "carrier", "small"
CALLS = 12  # of which the last ten count
AT_ONCE = ",".join(
    (
        *("trunk_failing.raise_after_s=1", "trunk_failing.clear_after_s=2"),
        *("pool_low.raise_after_s=1", "pool_low.clear_after_s=1"),
        *("delivery_lag.raise_at=3", "delivery_lag.clear_at=1"),
        *("delivery_lag.raise_after_s=0", "delivery_lag.clear_after_s=1"),
    )
)
FAILING, POOL, LATE = f"trunk_failing {TRUNK}", f"pool_low {LOW}", "delivery_lag "
# Keeps every change of which alarms stand on the page, from now on.
_WATCH = """
window.alarms = [];
const shown = () => [...document.querySelectorAll("[data-alarm]")].map((one) => one.dataset.alarm);
let before = new Set(shown());
new MutationObserver(() => {
  const now = new Set(shown());
  for (const one of now) if (!before.has(one)) window.alarms.push(["raised", one]);
  for (const one of before) if (!now.has(one)) window.alarms.push(["over", one]);
  before = now;
}).observe(document.getElementById("board-alarms"), { childList: true, subtree: true });
"""


@dataclass
class Night:
    """A node, its carrier, whom it tells, and the operator who watches."""

    maskline: Maskline
    carrier: Carrier
    platform: Platform
    room: Staffroom
    board: StaffWindow
    axe: str
    pairs: list[Session]

    async def call(self, how: Answer | Reject) -> None:
        """Everybody calls; the carrier does that with all of them."""
        self.carrier.on_invite(how)
        rows = [(one.buyer_dials, one.buyer) for one in self.pairs]
        calls = await self.carrier.bulk(rows, rate=6)
        if isinstance(how, Answer):
            await asyncio.gather(*(one.wait_up() for one in calls))
            await asyncio.gather(*(one.hang_up() for one in calls))
        await asyncio.gather(*(one.wait_ended() for one in calls))

    async def shows(self, alarm: str) -> str:
        """Wait for the alarm; what it says."""
        line = self.board.page.locator(f'[data-alarm="{alarm}"] .alarm-text')
        await line.wait_for()
        return await line.inner_text()

    async def is_over(self, alarm: str) -> None:
        """Wait until it stands there no more."""
        await self.board.page.locator(f'[data-alarm="{alarm}"]').wait_for(state="detached")


@pytest_asyncio.fixture(loop_scope="session")
async def night(
    tmp_path: Any,  # noqa: ANN401 (pytest's)
    request: pytest.FixtureRequest,
) -> AsyncIterator[Night]:
    """All well, and the board is open."""
    settings = ToolboxSettings.from_env(os.environ)
    ensure_web(settings, part=CONSOLE)
    axe = (ensure_modules(settings) / "axe-core" / "axe.min.js").read_text()
    options = {"outbound_allow": "127.0.0.0/8", "upkeep_s": "2", "alarms": AT_ONCE}
    maskline = Maskline(tmp_path / "data", options=options)
    await maskline.start()
    try:
        async with (
            Platform() as platform,
            Carrier(
                carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command()
            ) as carrier,
            staffroom(f"http://{maskline.http}") as room,
        ):
            await maskline.add_trunk(TRUNK, carrier.host, carrier.port, max_cps=100)
            numbers = [f"+7495200{n:04d}" for n in range(6)]
            await maskline.add_numbers(TRUNK, *numbers[:3])
            await maskline.ask("PUT", f"/v1/pools/{LOW}", {"language": "en"})
            await maskline.add_numbers(TRUNK, *numbers[3:5], pool=LOW)
            people = phones()
            pairs = [await maskline.open_session(next(people), next(people)) for _ in range(CALLS)]
            window = await _operator(maskline, room)
            await window.go("/console/board")
            await window.page.locator("#board-link[data-state=live]").wait_for()
            await window.page.evaluate(_WATCH)
            yield Night(maskline, carrier, platform, room, window, axe, pairs)
            if has_failed(request):
                await window.keep(SCREENS.parent / "browser" / "console", request.node.name)
            await room.close()
            assert [line for one in room.windows for line in one.errors] == []
            assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


async def _operator(maskline: Maskline, room: Staffroom) -> StaffWindow:
    code, out, err = await maskline.run(
        "staff", "add", "night", "--name", "Nina", "--role", "operator", "--language", "en"
    )
    assert code == 0, err
    window = await room.open()
    await window.go("/console")
    await window.enter("night", out.strip())
    await window.page.locator("input[name=again]").wait_for()
    await window.own_password(OWN_PASSWORD)
    await window.page.wait_for_url(lambda url: "sign-in" not in url)
    return window


async def test_who_watches_is_told_what_goes_wrong_and_when_it_is_well_again(night: Night) -> None:
    maskline, platform, page = night.maskline, night.platform, night.board.page
    told = {"url": platform.events_url, "events": ["alarm.raised", "alarm.cleared"]}
    platform.secrets.append((await maskline.ask("POST", "/v1/webhooks", told))["secret"])
    dead = {"url": f"{platform.events_url}-gone", "events": ["call.ended"]}
    nobody = await maskline.ask("POST", "/v1/webhooks", dead)
    people = phones()
    seller = next(people)
    assert "No alarms." in await night.board.text()

    # The carrier answers 503 to everything, a receiver is gone, a seller has the pool for himself.
    for _ in range(2):
        await maskline.open_session(next(people), seller, pool=LOW)
    failing = asyncio.create_task(night.call(Reject(503, "Service Unavailable")))
    words = await asyncio.gather(*(night.shows(one) for one in (FAILING, POOL, LATE)))
    await failing
    assert re.fullmatch(
        rf"Trunk {TRUNK} fails: of its last (\d+) calls \1 came to nothing\.", words[0]
    )
    assert words[1] == f"Pool {LOW}: whoever holds most of it has 0 of 2 numbers left."
    assert re.fullmatch(r"The oldest webhook notice has waited for \d+\ss; \d+ wait\.", words[2])
    raised = await platform.event("alarm.raised", lambda one: _is_of(one, "trunk_failing"))
    assert raised["data"]["subject"] == TRUNK
    assert raised["data"]["text"]["en"].startswith(f"Trunk {TRUNK} fails")
    assert await page.locator("#board-told").inner_text() != ""  # a screen reader says it

    # Somebody takes one upon himself, in a page of its own: the board says so, to all who watch.
    state = await night.board.context.storage_state()
    taking = await night.room.open(storage_state=state)
    link = page.locator(f'[data-alarm="{FAILING}"] a')
    await taking.go(str(await link.get_attribute("href")))
    assert f"Trunk {TRUNK} fails" in await taking.text()
    assert await taking.barriers(night.axe) == []
    assert await taking.pictures(SCREENS, "board-alarm-en") == []
    await taking.page.get_by_role("button", name="Take it").click()
    await taking.page.wait_for_url("**/console/board")
    await page.locator(f'[data-alarm="{FAILING}"]', has_text="Nina takes care of it").wait_for()
    await taking.page.locator(f'[data-alarm="{FAILING}"]').wait_for()
    assert await taking.barriers(night.axe) == []
    assert await taking.pictures(SCREENS, "board-alarms-en") == []
    await taking.leave()

    # All of it is mended.
    await maskline.add_numbers(TRUNK, "+74952000009", "+74952000010", "+74952000011", pool=LOW)
    await maskline.ask("DELETE", f"/v1/webhooks/{nobody['id']}")
    await night.call(Answer(ring_ms=0, shared=True))
    await asyncio.gather(*(night.is_over(one) for one in (FAILING, POOL, LATE)))
    cleared = await platform.event("alarm.cleared", lambda one: _is_of(one, "trunk_failing"))
    assert cleared["data"]["alarm_id"] == raised["data"]["alarm_id"]

    # Nothing flapped, and nobody has loaded the page again.
    changes = await page.evaluate("window.alarms")
    for one in (FAILING, POOL, LATE):
        assert [what for what, which in changes if which == one] == ["raised", "over"]
    assert len(platform.events("alarm.raised")) == len(platform.events("alarm.cleared")) == 3

    # What was, can be read afterwards.
    await page.get_by_text("Past alarms").click()
    for one in (FAILING, POOL, LATE):
        past = page.locator(f'[data-past="{one}"]')
        await past.wait_for()
        assert await past.count() == 1
    assert f"Trunk {TRUNK} fails" in await night.board.text()


def _is_of(event: Any, condition: str) -> bool:  # noqa: ANN401 (JSON)
    return bool(event["data"]["condition"] == condition)
