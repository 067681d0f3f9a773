"""The SIPp processes of one carrier: which is whose, how one begins, what its end means.

It knows calls by their ids and processes by their ports; what a call is about is none of its
business.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maskline.demo import sip
from maskline.demo.call import Call
from maskline.demo.errors import SippFailed
from maskline.demo.sipp import Sipp, SippJob
from maskline.demo.spec import PATIENCE_S, CallSpec
from maskline.demo.wire import Address


@dataclass(eq=False, slots=True)
class Process:
    """A SIPp process and the calls it has."""

    sipp: Sipp
    make: Callable[[str], Call] | None = None  # of a caller: the call that begins with this Call-ID
    calls: list[Call] = field(default_factory=list)

    async def begun(self, count: int, timeout_s: float = PATIENCE_S) -> list[Call]:
        """Its calls, once there are `count`. Raises SippFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.calls) < count:
                    if self.sipp.process.returncode is not None:
                        raise SippFailed(self.sipp.complaint())
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise SippFailed(
                f"{len(self.calls)} of {count} calls begun. {self.sipp.complaint()}"
            ) from None
        return list(self.calls)


class Processes:
    """All of them. `own` takes each one's keeper, a coroutine that somebody has to await."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        own: Callable[[Coroutine[object, object, None]], None],
    ) -> None:
        self._command = tuple(command)
        self._folder = folder
        self._own = own
        self._by_port: dict[int, Process] = {}
        self._by_call: dict[str, Process] = {}
        self._counter = itertools.count(1)

    async def start(self, job: SippJob, make: Callable[[str], Call] | None = None) -> Process:
        """One more."""
        folder = self._folder / f"{job.scenario}-{next(self._counter)}"
        process = Process(await Sipp.start(self._command, job, folder), make)
        self._by_port[job.local[1]] = process
        self._own(self._reap(process))
        return process

    def of_port(self, port: int) -> Process | None:
        """The one that sends from `port`."""
        return self._by_port.get(port)

    def of_call(self, call: Call) -> Process | None:
        """The one that does the signalling of `call`, as long as it runs."""
        return self._by_call.get(call.id)

    def give(self, process: Process, call: Call) -> None:
        """`call` is its from now on."""
        process.calls.append(call)
        self._by_call[call.id] = process

    async def end(self) -> None:
        """End them all."""
        await asyncio.gather(*(process.sipp.end() for process in self._by_port.values()))

    async def _reap(self, process: Process) -> None:
        """When SIPp is gone, its calls are over, whatever they were."""
        code = await process.sipp.process.wait()
        self._by_port.pop(process.sipp.job.local[1], None)
        why = f"SIPp ended with {code}. {process.sipp.complaint()}" if code else ""
        now = asyncio.get_running_loop().time()
        for call in process.calls:
            self._by_call.pop(call.id, None)
            call.give_up(why, now)


def caller_words(
    spec: CallSpec, body: str, *, name: str, tag: str, ours: Address, toward: Address
) -> dict[str, str]:
    """What the scenario of a caller has to be told; `name` is the carrier's."""
    user = spec.from_ if spec.from_ is not None else "anonymous"
    host = ours[0] if spec.from_ is not None else "anonymous.invalid"
    from_header = spec.from_header or f"{spec.display} <sip:{user}@{host}>".strip()
    names = {line.partition(":")[0].strip().lower() for line in spec.headers}
    usual = [("max-forwards", "Max-Forwards: 70"), ("user-agent", f"User-Agent: {name}")]
    lines = [line for key, line in usual if key not in names]
    username, password = spec.auth or ("", "")
    return {
        "uri": spec.uri or f"sip:{spec.number}@{toward[0]}:{toward[1]}",
        "host": ours[0],
        "port": str(ours[1]),
        "from": from_header,
        "tag": tag,
        "contact": spec.contact or f"<sip:{user}@{ours[0]}:{ours[1]}>",
        "headers": "\n".join([*lines, *spec.headers]),
        "username": username,
        "password": password,
        "sdp": body,
    }


def callee_words(ours: Address, tag: str, media: sip.Stream) -> dict[str, str]:
    """What the scenario of a callee has to be told; `media` is where it listens."""
    return {
        "host": ours[0],
        "port": str(ours[1]),
        "tag": tag,
        "contact": f"<sip:phone@{ours[0]}:{ours[1]}>",
        "sdp": sip.sdp(media.host, media.port, media.codecs, event_type=media.event_type),
    }
