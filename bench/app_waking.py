"""From an app's registration to the INVITE that it was woken for, beside a plain AMI script.

`python -m bench.app_waking`

An app calls an app that is asleep: Maskline has it woken through the platform's push hook, which
acknowledges at once; some time later, as a phone does, the device registers. Measured at the
device: from the later of acknowledgement and the REGISTER's 200 to the INVITE. Beside it, in
alternating rounds, the same Asterisk with its endpoints in a file and the least that can do it: a
dialplan that waits and a script that redirects the call on ContactStatus. Ten calls a second, each
to a device that was never registered before.

Fails if the 99th percentile is 100 ms or more over the bare one's, or if a call does not get there.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.app_calls import Pair, in_a_file, provision
from bench.bare_asterisk import Apps, bare_asterisk
from bench.registrations import Phones
from maskline.demo.g711 import Codec
from maskline.demo.sip import Message, answer_to, sdp
from maskline.toolbox import ToolboxSettings, find_asterisk
from tests.support.maskline import Maskline, free_sip_port, free_tcp_port
from tests.support.platform import SECRET, Platform
from tests.support.raw_app import RawApp, ha1

WAKES = 250  # of each of the two
WARM_UP = 10
ROUNDS = 4
A_SECOND = 10.0
WAKES_IN_S = (0.05, 0.4)  # a device registers so long after the push
MOST_OVER_MS = 100.0
CALLER_HOST = "127.0.0.123"
DECLINE = "603 Decline"
DIALPLAN = """
[from-app]
exten => _app_.,1,Ringing()
 same => n,UserEvent(Asleep,Who: ${EXTEN})
 same => n,Wait(10)
 same => n,Hangup()
[awake]
exten => _app_.,1,Dial(PJSIP/${EXTEN},25)
 same => n,Hangup()
"""
MANAGER = """[general]
enabled = yes
bindaddr = 127.0.0.1
port = {port}
[script]
secret = script
read = system,user
write = call
"""


@dataclass
class Side:
    """One of the two: where its node is, what is dialled, and what its devices saw."""

    name: str
    sip: tuple[str, int]
    dialled: Callable[[Pair], str]
    phones: Phones | None = None
    ready_s: dict[str, float] = field(default_factory=dict)  # by user name
    invited_s: dict[str, float] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    async def open(self) -> None:
        """The socket of its devices."""
        self.phones = await Phones.open(self.sip, on_request=self.asked)

    def asked(self, data: bytes) -> None:
        """An INVITE for one of the devices: it declines, which ends the call."""
        now_s = asyncio.get_running_loop().time()
        message = Message(data)
        if message.method == "INVITE":
            self.invited_s.setdefault(message.user(), now_s)
            assert self.phones is not None
            assert self.phones.out is not None
            self.phones.out.sendto(answer_to(message, DECLINE))

    def pushed(self, pair: Pair) -> None:
        """Its device is told, and registers a little later."""
        self.ready_s[pair.callee.username] = asyncio.get_running_loop().time()
        task = asyncio.create_task(self._register(pair))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _register(self, pair: Pair) -> None:
        await asyncio.sleep(random.uniform(*WAKES_IN_S))
        name = pair.callee.username
        hashed = ha1(name, pair.callee.password)
        assert self.phones is not None
        await self.phones.register(pair.callee, hashed)
        self.ready_s[name] = asyncio.get_running_loop().time()

    async def call(self, pair: Pair) -> None:
        """One call, until the callee has declined it."""
        uri = f"sip:{self.dialled(pair)}@{self.sip[0]}:{self.sip[1]}"
        async with RawApp.over_udp(pair.caller, self.sip, CALLER_HOST) as app:
            try:
                answer = await app.ask(
                    "INVITE",
                    uri,
                    to=f"<{uri}>",
                    from_=f"<sip:{pair.caller.username}@maskline>",
                    headers=(f"Contact: <{app.contact}>", "Content-Type: application/sdp"),
                    body=sdp(CALLER_HOST, 9, (Codec.ALAW,)),
                )
            except TimeoutError:
                self.failed.append("no final answer")
            else:
                if pair.callee.username not in self.invited_s:
                    self.failed.append(answer.start_line)

    def took_ms(self) -> list[float]:
        """Of every call that reached its device."""
        both = self.invited_s.keys() & self.ready_s.keys()
        return [1000 * (self.invited_s[name] - self.ready_s[name]) for name in both]


class Script:
    """What somebody writes who has only Asterisk: an AMI client of a page."""

    def __init__(self, asleep: Callable[[str], None]) -> None:
        """`asleep`: a call for this user name waits."""
        self._asleep = asleep
        self._waiting: dict[str, str] = {}  # user name -> channel

    async def run(self, port: int) -> None:
        """Until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"Action: Login\r\nUsername: script\r\nSecret: script\r\n\r\n")
            await reader.readline()
            while True:
                frame = (await reader.readuntil(b"\r\n\r\n")).decode()
                event = dict(re.findall(r"(?m)^(\w+): (.*?)\r$", frame))
                match event.get("Event"):
                    case "UserEvent":
                        self._waiting[event["Who"]] = event["Channel"]
                        self._asleep(event["Who"])
                    case "ContactStatus" if event["AOR"] in self._waiting:
                        channel = self._waiting.pop(event["AOR"])
                        writer.write(
                            f"Action: Redirect\r\nChannel: {channel}\r\nContext: awake\r\n"
                            f"Exten: {event['AOR']}\r\nPriority: 1\r\n\r\n".encode()
                        )
        finally:
            writer.close()


async def calls(side: Side, pairs: list[Pair]) -> None:
    """Call them all, at the fixed rate."""
    async with asyncio.TaskGroup() as tasks:
        for pair in pairs:
            tasks.create_task(side.call(pair))
            await asyncio.sleep(1 / A_SECOND)
    if side.tasks:
        await asyncio.wait(tuple(side.tasks), timeout=20)


@asynccontextmanager
async def script(port: int, asleep: Callable[[str], None]) -> AsyncIterator[None]:
    """The script, for as long as the context lasts."""
    task = asyncio.create_task(Script(asleep).run(port))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def main() -> int:
    """Run all and print the figures; 1 if the bound is broken."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as text:
        folder = Path(text)
        maskline = Maskline(folder / "data", options={"outbound_allow": "127.0.0.0/8"})
        await maskline.start()
        try:
            async with Platform() as platform:
                push = {"url": platform.hook_url, "secret": SECRET, "wake_s": 10}
                await maskline.ask("PUT", "/v1/pools/default", {"push": push})
                pairs = await provision(maskline, WARM_UP + WAKES)
                install = find_asterisk(ToolboxSettings.from_env(os.environ))
                like, port = maskline.data.absolute() / "node", free_tcp_port()
                known = Apps(
                    in_a_file(app for one in pairs for app in (one.caller, one.callee)),
                    DIALPLAN,
                    MANAGER.format(port=port),
                )
                sip = ("127.0.0.1", free_sip_port())
                bare = Side("bare", sip, lambda pair: pair.callee.username)
                masked = Side("Maskline", maskline.sip_address, lambda pair: pair.session_id)
                of_session = {one.session_id: one for one in pairs}
                of_callee = {one.callee.username: one for one in pairs}

                def acknowledged(asked: dict[str, str]) -> dict[str, str]:
                    masked.pushed(of_session[asked["session_id"]])
                    return {}

                platform.answer = acknowledged
                node = bare_asterisk(
                    install, like, folder / "bare", sip, (40_000, 44_999), apps=known
                )
                async with node, script(port, lambda who: bare.pushed(of_callee[who])):
                    return await measure((bare, masked), pairs)
        finally:
            await maskline.stop()
            await maskline.kill()


async def measure(sides: tuple[Side, Side], pairs: list[Pair]) -> int:
    """Alternating rounds, and 1 if the bound is broken."""
    for side in sides:
        await side.open()
        await calls(side, pairs[:WARM_UP])
        side.ready_s.clear()
        side.invited_s.clear()
    a_round = -(-WAKES // ROUNDS)
    for begin in range(WARM_UP, len(pairs), a_round):
        for side in sides:
            await calls(side, pairs[begin : begin + a_round])
    print(f"woken, from registration to INVITE, ms; {WAKES} calls each, {A_SECOND:.0f} a second")
    print(f"{'':10}{'median':>10}{'p99':>10}{'most':>10}{'arrived':>10}")
    late: list[float] = []
    good = True
    for side in sides:
        took = sorted(side.took_ms()) or [math.inf]
        good &= len(took) == WAKES and not side.failed
        late.append(took[int(len(took) * 0.99)])
        median = took[len(took) // 2]
        print(f"{side.name:10}{median:10.2f}{late[-1]:10.2f}{took[-1]:10.2f}{len(took):10}")
        for why in sorted(set(side.failed)):
            print(f"  failed: {side.failed.count(why)} of {why}")
        assert side.phones is not None
        side.phones.close()
    over = late[1] - late[0]
    print(f"p99 over bare {over:.2f} ms, bound {MOST_OVER_MS:.0f}")
    return int(not good or over >= MOST_OVER_MS)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
