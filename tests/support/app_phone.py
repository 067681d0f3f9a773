"""A native app: pjsua2 in a process of its own, registered with an app's credentials.

    async with AppPhone.open(credentials, maskline.sip_address, host="127.0.0.60") as app:
        await app.register()
        call = await app.call(session_id)            # or: call = await app.incoming()
        await call.until_up()
        await call.hear(700)                         # what the other side plays
        await call.hang_up()

- `credentials`: what the API answered, or `Credentials(username, password)`; the credential's
  `transport` must be `sip` (`{"transport": "sip"}` in the request).
- `on_ring` is what it does when it rings: 180 ring on (default), 200 answer, 603 decline, 486 busy,
  0 nothing at all; `app.on_ring(603)` changes it; `await call.answer()`, `call.decline()` by hand.
- It plays `tone_hz` into every call, by default `HZ`; `app.play(0)` is silence.
- `app.lose_network()`: answers nothing, sends nothing, until `regain_network()`; `app.vanish()`:
  killed, its sockets with it, no word to anybody.
- `call.invite` is the INVITE that it received: `call.card` the card in it.
- `app.everything()` is every byte that it received and sent by SIP: search it for what others must
  not learn. `call.heard()` are the samples that it heard, 8 kHz.

pjsua2 has no WebSocket: `raw_app.py` registers over one, the browser tests talk over one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
import tempfile
from array import array
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskline.demo.g711 import FRAME_SAMPLES
from maskline.demo.sip import Message
from maskline.demo.spec import PATIENCE_S
from maskline.demo.tones import dominant_hz
from tests.support.pjsua2_probe import pjsua2_env
from tests.support.raw_app import Credentials

CLIENT = Path(__file__).with_name("app_phone_client.py")
HZ = 600
RING, ANSWER, BUSY, DECLINE, SILENT = 180, 200, 486, 603, 0
_WAV_HEADER = 44  # bytes
_TONE_FRAMES = 10  # of 20 ms in a row are a tone


@dataclass
class AppCall:
    """One call of an app."""

    app: AppPhone
    number: int
    invite: Message | None = None  # None: it called itself
    states: list[dict[str, Any]] = field(default_factory=list)
    keys: str = ""  # that the other side pressed
    _read: int = 0  # samples that were listened to

    @property
    def state(self) -> str:
        """As pjsua2 calls it: calling, early, connecting, confirmed, disconnctd."""
        return str(self.states[-1]["state"]) if self.states else "null"

    @property
    def status(self) -> int:
        """The last SIP status."""
        return int(self.states[-1]["status"]) if self.states else 0

    @property
    def card(self) -> dict[str, Any] | None:
        """The structured card of the INVITE."""
        text = self.invite.header("x-maskline-card") if self.invite is not None else ""
        if not text:
            return None
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        card: dict[str, Any] = json.loads(decoded)
        return card

    def answer(self) -> None:
        """Answer it."""
        self.app.tell(f"respond {self.number} {ANSWER}")

    def decline(self, status: int = DECLINE) -> None:
        """Refuse it."""
        self.app.tell(f"respond {self.number} {status}")

    def press(self, keys: str) -> None:
        """Press keys (RFC 4733), at pjsua2's own pace."""
        self.app.tell(f"press {self.number} {keys}")

    def hold(self) -> None:
        """Put it on hold."""
        self.app.tell(f"hold {self.number}")

    def resume(self) -> None:
        """Take it from hold."""
        self.app.tell(f"resume {self.number}")

    async def hang_up(self) -> None:
        """End it."""
        self.app.tell(f"hang-up {self.number}")
        await self.until_over()

    async def until_ringing(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until it rings, here or there."""
        await self.app.until(
            lambda: any(one["status"] in (180, 183) or _up(one) for one in self.states),
            f"call {self.number} rings",
            timeout_s,
        )

    async def until_up(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until it is answered."""
        await self.app.until(
            lambda: any(_up(one) for one in self.states), f"call {self.number} is up", timeout_s
        )

    async def until_over(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait until it has ended; the last SIP status."""
        await self.app.until(
            lambda: self.state.startswith("disconn"), f"call {self.number} is over", timeout_s
        )
        return self.status

    async def until_pressed(self, keys: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the other side has pressed these."""
        await self.app.until(lambda: keys in self.keys, f"keys {keys}", timeout_s)

    def heard(self) -> array[int]:
        """All that it heard so far: 8,000 samples a second."""
        file = self.app.folder / f"heard-{self.number}.wav"
        if not file.exists():
            return array("h")
        data = file.read_bytes()[_WAV_HEADER:]
        return array("h", data[: len(data) // 2 * 2])

    async def hear(self, hz: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait until 200 ms of the tone `hz` are heard in one stretch, from now on."""
        rest: list[int] = []
        row = 0

        def heard() -> bool:
            nonlocal rest, row
            samples = self.heard()
            rest += samples[self._read :]
            self._read = len(samples)
            while len(rest) >= FRAME_SAMPLES and row < _TONE_FRAMES:
                frame, rest = rest[:FRAME_SAMPLES], rest[FRAME_SAMPLES:]
                row = row + 1 if dominant_hz(frame, hz) == hz else 0
            return row >= _TONE_FRAMES

        await self.app.until(heard, f"{hz} Hz", timeout_s)

    def longest_gap_ms(self, hz: int, since_sample: int = 0) -> int:
        """The longest stretch without the tone `hz`, of what was heard since a sample, in ms."""
        samples = self.heard()[since_sample:]
        longest = row = 0
        for begin in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            frame = samples[begin : begin + FRAME_SAMPLES]
            row = 0 if dominant_hz(frame, hz) == hz else row + 1
            longest = max(longest, row)
        return longest * 20


@dataclass
class AppPhone:
    """See the module; made by `open`."""

    credentials: Credentials
    sip: tuple[str, int]
    host: str
    transport: str
    folder: Path
    process: asyncio.subprocess.Process
    calls: list[AppCall] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    registered: bool = False
    last_status: int = 0  # of the last REGISTER
    _registrations: int = 0
    _taken: int = 0  # incoming calls that a test has asked for

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        credentials: Credentials | Mapping[str, Any],
        sip: tuple[str, int],
        *,
        host: str = "127.0.0.1",
        transport: str = "udp",
        codecs: tuple[str, ...] = ("opus", "pcma"),
        on_ring: int = RING,
        tone_hz: int = HZ,
        expires_s: int = 300,
        domain: str = "maskline",
        user_agent: str = "app-phone",
    ) -> AsyncIterator[AppPhone]:
        """Start it at an address of `host`; `transport`: udp, tcp or tls."""
        if not isinstance(credentials, Credentials):
            credentials = Credentials(credentials["username"], credentials["password"])
        parameter = "" if transport == "udp" else f";transport={transport}"
        with tempfile.TemporaryDirectory(prefix="app-phone-") as folder:
            wanted = {
                "username": credentials.username,
                "password": credentials.password,
                "domain": domain,
                "registrar": f"sip:{sip[0]}:{sip[1]}{parameter}",
                "host": host,
                "transport": transport,
                "codecs": [codec.lower() for codec in codecs],
                "on_ring": on_ring,
                "tone_hz": tone_hz,
                "expires_s": expires_s,
                "user_agent": user_agent,
                "folder": folder,
            }
            with (Path(folder) / "errors").open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, str(CLIENT), json.dumps(wanted)),
                    env=pjsua2_env(),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                    limit=1 << 20,
                )
            phone = cls(credentials, sip, host, transport, Path(folder), process)
            reader = asyncio.create_task(phone._listen(), name="app-phone")
            try:
                await phone.until(lambda: "ready {}" in phone.said, "the app is ready")
                yield phone
            finally:
                await phone._close()
                await reader

    # -- what it does ----------------------------------------------------------------------------

    async def register(self, timeout_s: float = PATIENCE_S) -> int:
        """Register; the final status, 200 where it went well."""
        before = self._registrations
        self.tell("register")
        await self.until(lambda: self._registrations > before, "an answer to REGISTER", timeout_s)
        return self.last_status

    async def unregister(self, timeout_s: float = PATIENCE_S) -> None:
        """Say that it is gone."""
        before = self._registrations
        self.tell("unregister")
        await self.until(lambda: self._registrations > before, "an answer to REGISTER", timeout_s)

    async def call(self, user: str) -> AppCall:
        """Call ``sip:USER@`` the node."""
        parameter = "" if self.transport == "udp" else f";transport={self.transport}"
        before = len(self.calls)
        self.tell(f"call sip:{user}@{self.sip[0]}:{self.sip[1]}{parameter}")
        await self.until(lambda: len(self.calls) > before, "a call")
        return self.calls[before]

    async def incoming(self, timeout_s: float = PATIENCE_S) -> AppCall:
        """The next call that comes, each once."""

        def came() -> list[AppCall]:
            return [call for call in self.calls if call.invite is not None][self._taken :]

        await self.until(lambda: bool(came()), "an incoming call", timeout_s)
        call = came()[0]
        self._taken += 1
        return call

    def on_ring(self, status: int) -> None:
        """What it does with the next call that comes."""
        self.tell(f"on-ring {status}")

    def play(self, hz: int) -> None:
        """The tone that it plays from now on; 0: silence."""
        self.tell(f"play {hz}")

    def lose_network(self) -> None:
        """It neither hears nor says anything any more."""
        self.process.send_signal(signal.SIGSTOP)

    def regain_network(self) -> None:
        """It goes on where it was."""
        self.process.send_signal(signal.SIGCONT)

    async def vanish(self) -> None:
        """Gone without a word, sockets and all."""
        self.process.kill()
        await self.process.wait()

    def everything(self) -> bytes:
        """Every byte of SIP that it received and sent, and what it noted of media."""
        file = self.folder / "sip.log"
        return file.read_bytes() if file.exists() else b""

    async def until(
        self, true: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until it is true."""
        try:
            async with asyncio.timeout(timeout_s):
                while not true():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            tail = [line[:200] for line in self.said[-10:]]
            raise AssertionError(f"not within {timeout_s} s: {what}; it said {tail}") from None

    # -- its process -----------------------------------------------------------------------------

    def tell(self, order: str) -> None:
        """One order, as `app_phone_client.py` reads it."""
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(f"{order}\n".encode())

    def end(self) -> None:
        """Begin to end it, which takes it a second: leaving `open` waits for that."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
            self.tell("end")

    async def _close(self) -> None:
        self.end()
        try:
            async with asyncio.timeout(5):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if not line.startswith(b"@"):
                continue  # pjsua2's own
            text = line.decode().strip().removeprefix("@")
            self.said.append(text)
            word, _, more = text.partition(" ")
            self._heard(word, json.loads(more or "{}"))

    def _heard(self, word: str, more: dict[str, Any]) -> None:
        match word:
            case "registered":
                self.registered, self.last_status = more["active"], more["status"]
                self._registrations += 1
            case "incoming":
                call = self._call(more["call"])
                call.invite = Message(base64.b64decode(more["invite"]))
            case "state":
                self._call(more["call"]).states.append(more)
            case "key":
                self._call(more["call"]).keys += more["key"]
            case _:
                pass

    def _call(self, number: int) -> AppCall:
        while len(self.calls) < number:
            self.calls.append(AppCall(self, len(self.calls) + 1))
        return self.calls[number - 1]


def _up(state: dict[str, Any]) -> bool:
    return str(state["state"]) == "confirmed"
