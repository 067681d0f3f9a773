"""A phone made of pjsua2: an independent SIP stack, RTP and RFC 4733 sender for one call.

It runs in a process of its own and is told what to do line by line; what it hears it records, and
the recording is listened to from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from maskline.demo.g711 import FRAME_SAMPLES
from maskline.demo.sounds import Ear, Sound
from maskline.demo.spec import PATIENCE_S
from maskline.demo.tones import dominant_hz
from tests.support.pjsua2_probe import pjsua2_env

_WAV_HEADER = 44  # bytes
_SCRIPT = """
import select
import sys

import pjsua2 as pj

host, port, sender, uri, recording = sys.argv[1:]


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def onCallState(self, _):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            audio = self.getAudioMedia(-1)
            audio.startTransmit(recorder)
            tone.startTransmit(audio)
        say("state", info.stateText, info.lastStatusCode)


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = config.logConfig.consoleLevel = 0
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
config.medConfig.noVad = True
config.medConfig.ecTailLen = 0
endpoint.libInit(config)
endpoint.audDevManager().setNullDev()
transport = pj.TransportConfig()
transport.boundAddress, transport.port = host, int(port)
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
for codec in endpoint.codecEnum2():
    endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMA") else 0)
recorder = pj.AudioMediaRecorder()
recorder.createRecorder(recording)
tone = pj.ToneGenerator()
tone.createToneGenerator(8000, 1)
desc = pj.ToneDesc()
desc.freq1, desc.freq2, desc.on_msec, desc.off_msec = 450, 0, 1000, 0
tones = pj.ToneDescVector()
tones.append(desc)
tone.play(tones, True)
account = pj.Account()
identity = pj.AccountConfig()
identity.idUri = f"<sip:{sender}@{host}>"
identity.mediaConfig.transportConfig.boundAddress = host
account.create(identity)
call = Call(account)
options = pj.CallOpParam(True)
options.opt.videoCount = options.opt.textCount = 0
call.makeCall(uri, options)
while True:
    endpoint.libHandleEvents(20)
    if not select.select([sys.stdin], [], [], 0)[0]:
        continue
    what, _, rest = sys.stdin.readline().strip().partition(" ")
    if what == "press":
        call.dialDtmf(rest)
    elif what == "hangup":
        call.hangup(pj.CallOpParam())
    else:
        break
del call, account, recorder, tone
endpoint.libDestroy()
"""


@dataclass
class Pjsua2Phone:
    """One call; `async with await Pjsua2Phone.dial(…) as phone:`"""

    process: asyncio.subprocess.Process
    recording: Path
    said: list[str]
    _reader: asyncio.Task[None] | None = None
    _read: int = 0  # bytes of the recording

    @classmethod
    async def dial(cls, at: tuple[str, int], sender: str, uri: str, folder: Path) -> Self:
        """Call `uri` from the address `at`, as `sender`."""
        recording = folder / "heard.wav"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _SCRIPT, at[0], str(at[1]), sender, uri, str(recording)),
            env=pjsua2_env(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        phone = cls(process, recording, [])
        phone._reader = asyncio.create_task(phone._listen(), name="pjsua2-phone")
        return phone

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._tell("end")
        try:
            async with asyncio.timeout(5):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        if self._reader is not None:
            await self._reader

    def press(self, keys: str) -> None:
        """Press `keys`, by RFC 4733 at pjsua2's own pace."""
        self._tell(f"press {keys}")

    async def hang_up(self) -> None:
        """End the call."""
        self._tell("hangup")
        await self.until("state DISCONNECTED")

    async def until(self, words: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until it says a line that begins with `words`."""
        await self._wait(
            lambda: any(line.startswith(words) for line in self.said), words, timeout_s
        )

    async def hear_sound(self, sound: Sound, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the whole of `sound` is in the recording."""
        ear = Ear()

        def heard() -> bool:
            ear.add(self._samples())
            return ear.find(sound) is not None

        await self._wait(heard, sound.name, timeout_s)

    async def hear(self, hz: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait until 200 ms of the tone `hz` are in the recording, in one stretch."""
        rest: list[int] = []
        row = 0

        def heard() -> bool:
            nonlocal rest, row
            rest += self._samples()
            while len(rest) >= FRAME_SAMPLES and row < 10:
                frame, rest = rest[:FRAME_SAMPLES], rest[FRAME_SAMPLES:]
                row = row + 1 if dominant_hz(frame, hz) == hz else 0
            return row >= 10

        await self._wait(heard, f"{hz} Hz", timeout_s)

    async def _wait(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s} s: {what}; said {self.said}") from None

    def _samples(self) -> array[int]:
        """What was recorded since the last time."""
        if not self.recording.exists():
            return array("h")
        with self.recording.open("rb") as opened:
            opened.seek(_WAV_HEADER + self._read)
            data = opened.read()
        data = data[: len(data) // 2 * 2]
        self._read += len(data)
        return array("h", data)

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(f"{line}\n".encode())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said.append(line.decode().strip())
