"""What a first visit costs, and what a slow network leaves of it."""

from __future__ import annotations

import pytest

from tests.support.call_centre import AGENT, SUPERVISOR, CallCentre, Colleague

SCRIPT_BYTES = 150 * 1024
# Of a phone in a lift: 400 kbit/s, 400 ms there and back.
SLOW = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
READ_MS = 5_000
READY_MS = 10_000


@pytest.mark.parametrize(
    ("who", "address"),
    [(AGENT, "/console/calls"), (SUPERVISOR, "/console/board")],
    ids=["calls", "board"],
)
async def test_a_first_load_is_small_and_soon_there(
    centre: CallCentre, who: Colleague, address: str
) -> None:
    window = await centre.window(who)
    page = window.page
    wire = await window.context.new_cdp_session(page)
    await wire.send("Network.enable")
    await wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await wire.send("Network.emulateNetworkConditions", SLOW)

    await page.goto(window.base + address, wait_until="commit")
    await page.locator("main table tbody tr").first.wait_for(timeout=READ_MS)
    await page.wait_for_load_state("load", timeout=READY_MS)

    taken = await page.evaluate(
        """() => performance.getEntriesByType("resource").map((one) =>
          [one.name, one.decodedBodySize, new URL(one.name).host])"""
    )
    scripts = {name: size for name, size, _ in taken if ".js" in name}
    assert scripts, "there is script"
    assert sum(scripts.values()) <= SCRIPT_BYTES
    assert {host for _, _, host in taken} == {window.base.removeprefix("http://")}
    html = await page.evaluate("performance.getEntriesByType('navigation')[0].decodedBodySize")
    assert html < SCRIPT_BYTES
