"""Call set-up from app to app through Maskline beside the same Asterisk with a bare `Dial`.

`python -m bench.app_calls`

Both sides are native apps (credentials with transport `sip`: UDP, digest, plain RTP; a browser
would add ICE and a DTLS handshake, the same on both sides). Every app is registered; an app calls
the URI of its session, is challenged, answers the challenge, and the other app rings at once and
answers after a tenth of a second. The bare Asterisk is the same program with Maskline's settings
and modules, but no controller, AMI, event file or ladder, with the same endpoints in its file, and
dials the registered contact.

In alternating rounds at 25 set-ups a second: Asterisk's CPU a call, Maskline's own (until the last
record is written), post-dial delay (first INVITE to 180).

Fails if Asterisk's CPU a call is over 1.4 times the bare one's, or one call fails.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bare_asterisk import Apps, Bare, bare_asterisk
from bench.calls import CALLEES, CALLERS, Bench, Round, table
from bench.registrations import Phones, register_all, registered, sections
from bench.sipp_load import callees
from maskline.demo.sipp import is_bound
from maskline.toolbox import ToolboxSettings, find_asterisk
from tests.support.maskline import Maskline, eventually, free_sip_port, sipp_command, user_id
from tests.support.raw_app import Credentials

CARRIER = ("127.0.0.126", 5080)  # nobody: calls do not get so far
PAIRS = 60
ROUNDS = 3
RATE, SECONDS, WARM_UP_S = 25.0, 12.0, 3.0
MOST = (1.4, None, None)  # Asterisk's CPU; Maskline's own and the delay are shown
DIALPLAN = """
[from-app]
exten => _app_.,1,Dial(PJSIP/${EXTEN},25)
 same => n,Hangup()
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two apps with a session between them."""

    session_id: str
    caller: Credentials
    callee: Credentials


async def provision(maskline: Maskline, count: int) -> list[Pair]:
    """Apps with sessions, whose phones are never rung."""
    limits: dict[str, Any] = {"max_channels": 10_000, "max_cps": 1_000}
    await maskline.add_trunk("carrier", *CARRIER, outbound=True, **limits)
    await maskline.add_numbers("carrier", *(f"+7495{n:07d}" for n in range(10)))
    pairs: list[Pair] = []
    for n in range(count):
        phones = f"+7916{n:07d}", f"+7926{n:07d}"
        session = await maskline.open_session(*phones, channel_policy="app_then_gsm")
        pairs.append(Pair(session.id, *[await app_of(maskline, phone) for phone in phones]))
    return pairs


async def app_of(maskline: Maskline, phone: str) -> Credentials:
    """A native app of the user with this phone."""
    path = f"/v1/users/{user_id(phone)}/app-credentials"
    given = await maskline.ask("POST", path, {"transport": "sip"})
    return Credentials(given["username"], given["password"])


def in_a_file(devices: Iterable[Credentials]) -> str:
    """The endpoints of `devices` for the bare one; the variables are for Maskline's dialplan."""
    return re.sub(r"(?m)^set_var.*\n", "", sections(devices))


async def register(pairs: list[Pair], sip: tuple[str, int]) -> None:
    """Every app, from where SIPp will play it."""
    for at, devices in (
        (CALLERS, [one.caller for one in pairs]),
        (CALLEES, [one.callee for one in pairs]),
    ):
        phones = await Phones.open(sip, at)
        await register_all(phones, devices)
        phones.close()
        async with asyncio.timeout(5):
            while is_bound(*at):
                await asyncio.sleep(0.01)


def row(dialled: str, caller: Credentials) -> tuple[str, ...]:
    """One call of `caller`, for SIPp."""
    word = f"[authentication username={caller.username} password={caller.password}]"
    return dialled, caller.username, word


async def main() -> int:
    """Run all and print the table; 1 if the bound is broken."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as text:
        folder = Path(text)
        maskline = Maskline(folder / "data", rtp="20000-29999", options={"max_calls": "5000"})
        await maskline.start()
        try:
            pairs = await provision(maskline, PAIRS)
            known = Apps(
                in_a_file(app for one in pairs for app in (one.caller, one.callee)), DIALPLAN
            )
            install = find_asterisk(ToolboxSettings.from_env(os.environ))
            like, sip = maskline.data.absolute() / "node", ("127.0.0.1", free_sip_port())
            async with bare_asterisk(
                install, like, folder / "bare", sip, (40_000, 49_999), apps=known
            ) as pid:
                for node in (sip, maskline.sip_address):
                    await register(pairs, node)
                await eventually(lambda: registered(maskline), lambda here: here == 2 * PAIRS)
                bench = Bench(maskline, {Bare.TUNED: (pid, sip)}, "app_caller")
                bench.bare_rows = [row(one.callee.username, one.caller) for one in pairs]
                bench.masked_rows = [row(one.session_id, one.caller) for one in pairs]
                async with callees(sipp_command(), *CALLEES, folder / "callees"):
                    return await measure(bench)
        finally:
            await maskline.stop()
            await maskline.kill()


async def measure(bench: Bench) -> int:
    """Alternating rounds, and 1 if the bound is broken."""
    bare: list[Round] = []
    masked: list[Round] = []
    for seconds in (WARM_UP_S, *[SECONDS] * ROUNDS):
        bare.append(await bench.bare(RATE, seconds))
        masked.append(await bench.masked(RATE, seconds))
    failed = sum(one.outcome.failed for one in (*bare, *masked))
    for rounds in (bare, masked):
        del rounds[0]  # the warm-up
    print(f"app to app over UDP, {2 * PAIRS} apps registered; {RATE:.0f} set-ups/s,")
    print(f"{ROUNDS} rounds of {SECONDS:.0f} s, medians; {failed} failed")
    within = table("static", bare, masked, MOST)
    return int(bool(failed) or not within)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
