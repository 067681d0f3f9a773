"""The simulated carrier: one SIP address with phones behind it.

SIPp processes do the signalling, one a call (or one for many calls where audio does not matter);
the wire in front of them gives them one address and keeps every byte. It never leaves loopback
unless it is told an address elsewhere.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from maskline.demo import phones, sip
from maskline.demo.behaviour import Answer, Behaviour, Manual, Reject, Ring, Silence
from maskline.demo.call import Call
from maskline.demo.errors import DemoError, NotReached, SippFailed
from maskline.demo.g711 import Codec
from maskline.demo.media import MediaEndpoint, Sink
from maskline.demo.processes import Process, Processes, callee_words, caller_words
from maskline.demo.sip import Message
from maskline.demo.sipp import SippJob, free_port, literal, unveil
from maskline.demo.spec import PATIENCE_S, CallSpec
from maskline.demo.wire import Address, Wire

SHARED_CALLS = 5000  # most calls of one shared SIPp process
NOT_FOUND = Reject(404, "Not Found")


class Carrier:
    """A carrier at `host`:`port` that calls, and is called by, the SIP address `toward`.

    `async with Carrier("127.0.0.40", 5080, toward=("127.0.0.1", 5060)) as carrier:`
    """

    def __init__(
        self,
        host: str,
        port: int = 5080,
        *,
        toward: Address,
        sipp: Sequence[str] = ("sipp",),
        name: str = "carrier",
    ) -> None:
        self.host, self.port, self.name = host, port, name
        self.toward = toward
        self.calls: list[Call] = []  # every call there ever was, both directions
        self.strays: list[Message] = []  # datagrams of no call: OPTIONS, REGISTER, rubbish
        self._sipp = tuple(sipp)
        self._behaviours: list[tuple[str | None, Behaviour]] = []
        self._incoming: asyncio.Queue[Call] = asyncio.Queue()
        self._by_call_id: dict[str, Call] = {}
        self._backlog: dict[str, list[bytes]] = {}  # what came in while SIPp was starting
        self._shared: dict[Codec, asyncio.Future[Process]] = {}
        self._counter = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []
        self._wire: Wire | None = None
        self._sink_port = 0
        self._sink: asyncio.DatagramTransport | None = None
        self._folder: Path | None = None
        self._processes: Processes | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._wire = await Wire.open(
            (self.host, self.port), from_outside=self._from_outside, from_sipp=self._from_sipp
        )
        if self.port == 0:
            raise ValueError("a carrier needs a port of its own")
        self._folder = Path(tempfile.mkdtemp(prefix="maskline-carrier-"))
        self._processes = Processes(self._sipp, self._folder, self._own)
        self._sink, _ = await loop.create_datagram_endpoint(Sink, local_addr=(self.host, 0))
        self._sink_port = self._sink.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._processes is not None:
            await self._processes.end()
        for call in self.calls:
            if call.media is not None:
                await call.media.close()
        if self._wire is not None:
            self._wire.close()
        if self._sink is not None:
            self._sink.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._errors and kind is None:
            raise self._errors[0]

    # -- being called ----------------------------------------------------------------------------

    def on_invite(self, behaviour: Behaviour, *, number: str | None = None) -> None:
        """What the phone `number` (as dialled) does from now on; without a number, all others."""
        self._behaviours.insert(0, (number, behaviour))

    async def incoming(self, timeout_s: float = PATIENCE_S) -> Call:
        """The next call that came in and that nobody took yet. Raises NotReached."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._incoming.get()
        except TimeoutError:
            raise NotReached(f"no call came in at {self.name}") from None

    @property
    def incoming_waiting(self) -> int:
        """How many calls came in that nobody took yet."""
        return self._incoming.qsize()

    # -- calling ---------------------------------------------------------------------------------

    async def call(
        self,
        number: str,
        *,
        from_: str | None = None,
        tone_hz: int | None = None,
        headers: tuple[str, ...] = (),
    ) -> Call:
        """Dial `number`; returns as soon as the INVITE is on the wire. For all else see `dial`."""
        return await self.dial(
            CallSpec(number=number, from_=from_, tone_hz=tone_hz, headers=headers)
        )

    async def dial(self, spec: CallSpec) -> Call:
        """Dial as `spec` says; returns as soon as the INVITE is on the wire."""
        media = await MediaEndpoint.open(self.host)
        media.tone_hz = spec.tone_hz
        media.codec = spec.codecs[0]
        tag = f"caller{next(self._counter)}"

        def make(call_id: str) -> Call:
            return Call(
                call_id,
                is_caller=True,
                exchange=self,
                media=media,
                rewrite=spec.rewrite,
                proves_itself=spec.auth is not None,
            )

        if spec.event_type is not None:
            media.event_type = spec.event_type
        body = spec.sdp or sip.sdp(self.host, media.port, spec.codecs, event_type=spec.event_type)
        words = {word: literal(text) for word, text in self._words(spec, tag, body).items()}
        job = SippJob(
            "caller", words, (self.host, free_port(self.host)), self._inner,
            limit_s=spec.limit_s, call_id=spec.call_id,
        )  # fmt: skip
        process = await self._running.start(job, make)
        return (await process.begun(1))[0]

    async def bulk(
        self, rows: Sequence[tuple[str, str]], *, rate: float = 20.0, limit_s: int = 180
    ) -> list[Call]:
        """Dial many: `rows` are (number, from); returns when all INVITEs are on the wire.

        One SIPp process, no audio kept. Each call can be waited for and hung up like any other.
        """
        spec = CallSpec(number="[field0]", from_="[field1]")
        tag = f"bulk{next(self._counter)}"

        def make(call_id: str) -> Call:
            return Call(call_id, is_caller=True, exchange=self)

        words = self._words(spec, tag, sip.sdp(self.host, self._sink_port, spec.codecs))
        job = SippJob(
            "caller", words, (self.host, free_port(self.host)), self._inner, calls=len(rows),
            rate=rate, limit_s=limit_s, fields=rows, call_id=f"%u-{tag}-%p@%s",
        )  # fmt: skip
        process = await self._running.start(job, make)
        return await process.begun(len(rows), 10 + len(rows) / rate)

    def received_bytes(self) -> bytes:
        """Every SIP byte that ever reached this carrier."""
        strays = b"\r\n".join(message.raw for message in self.strays)
        return b"\r\n".join([strays, *(call.received_bytes for call in self.calls)])

    # -- Exchange --------------------------------------------------------------------------------

    def tell_sipp(self, call: Call, data: bytes) -> None:
        """See `Exchange`."""
        process = self._running.of_call(call)
        if process is None or self._wire is None:
            raise SippFailed(call.story())
        self._wire.to_sipp(data, process.sipp.job.local)

    def send_raw(self, call: Call, data: bytes) -> None:
        """See `Exchange`."""
        self._send(call, data)

    # -- the wire --------------------------------------------------------------------------------

    @property
    def _inner(self) -> Address:
        if self._wire is None:
            raise DemoError("the carrier is not open")
        return self._wire.inner_address

    @property
    def _running(self) -> Processes:
        if self._processes is None:
            raise DemoError("the carrier is not open")
        return self._processes

    def _from_sipp(self, data: bytes, addr: Address) -> None:
        data = unveil(data)
        message = Message(data)
        call = self._by_call_id.get(message.call_id)
        if call is None:
            process = self._running.of_port(addr[1])
            if process is None or process.make is None:
                return
            call = process.make(message.call_id)
            self._keep(call)
            self._running.give(process, call)
        self._send(call, call.dress(data))

    def _send(self, call: Call, data: bytes) -> None:
        assert self._wire is not None
        self._wire.to_outside(data, call.peer or self.toward)
        call.on_sent(Message(data), asyncio.get_running_loop().time())

    def _from_outside(self, data: bytes, addr: Address) -> None:
        message = Message(data)
        call = self._by_call_id.get(message.call_id)
        now = asyncio.get_running_loop().time()
        assert self._wire is not None
        if call is None:
            if (
                message.method == "INVITE"
                and message.is_request
                and ";tag=" not in message.header("to")
            ):
                self._own(self._take(message, addr))
                return
            self.strays.append(message)
            if message.is_request and message.method != "ACK":
                known = message.method in ("OPTIONS", "REGISTER")
                self._wire.to_outside(self._to_stray(message, known=known), addr)
            return
        call.peer = addr
        call.on_received(message, now)
        mine = not message.is_request and "z9hG4bK-wire-" in message.header("via")
        process = self._running.of_call(call)
        if process is not None and not mine:
            self._wire.to_sipp(data, process.sipp.job.local)
        elif (backlog := self._backlog.get(call.id)) is not None:
            backlog.append(data)

    def _to_stray(self, message: Message, *, known: bool) -> bytes:
        if not known:
            return sip.answer_to(message, "481 Call/Transaction Does Not Exist")
        lines = ["Accept: application/sdp"]
        if message.method == "REGISTER":
            lines = [f"Contact: {message.header('contact')};expires=300", "Expires: 300"]
        return sip.answer_to(message, "200 OK", lines)

    # -- acting ----------------------------------------------------------------------------------

    async def _take(self, invite: Message, addr: Address) -> None:
        """A new call came in: find out what the phone does, and do it."""
        behaviour = self._behaviour_for(invite.user())
        call = Call(invite.call_id, is_caller=False, exchange=self, peer=addr)
        self._keep(call)
        loop = asyncio.get_running_loop()
        call.on_received(invite, loop.time())
        if isinstance(behaviour, Silence):
            self._incoming.put_nowait(call)
            return
        backlog = self._backlog[call.id] = [invite.raw]
        try:
            process = await self._callee_process(call, behaviour, invite)
        except (SippFailed, TimeoutError) as error:
            call.give_up(str(error), loop.time())
            raise
        self._running.give(process, call)
        assert self._wire is not None
        for data in backlog:
            self._wire.to_sipp(data, process.sipp.job.local)
        del self._backlog[call.id]
        self._incoming.put_nowait(call)
        await phones.act(call, behaviour)

    def _behaviour_for(self, number: str) -> Behaviour:
        exact = (what for who, what in self._behaviours if who == number)
        general = (what for who, what in self._behaviours if who is None)
        return next(exact, None) or next(general, NOT_FOUND)

    # -- processes -------------------------------------------------------------------------------

    async def _callee_process(self, call: Call, behaviour: Behaviour, invite: Message) -> Process:
        stream = sip.stream_of(invite.body)
        codec = stream.codecs[0] if stream else Codec.ALAW
        if isinstance(behaviour, Answer | Ring) and behaviour.shared:
            call.extra = behaviour.headers
            return await self._shared_process(codec)
        media = await MediaEndpoint.open(self.host)
        media.codec = codec
        match behaviour:
            case Answer() | Manual():
                media.tone_hz = behaviour.tone_hz
                call.extra = behaviour.headers
            case Reject() | Ring():
                call.extra = behaviour.headers
            case _:
                pass
        call.media = media
        if stream is not None and stream.event_type is not None:
            media.event_type = stream.event_type
        job = self._callee_job(media.port, codec, media.event_type)
        process = await self._running.start(job)
        await process.sipp.listening()
        return process

    async def _shared_process(self, codec: Codec) -> Process:
        future = self._shared.get(codec)
        if future is None:
            future = self._shared[codec] = asyncio.get_running_loop().create_future()
            job = replace(self._callee_job(self._sink_port, codec), calls=SHARED_CALLS, limit_s=600)
            process = await self._running.start(job)
            await process.sipp.listening()
            future.set_result(process)
        return await future

    def _callee_job(
        self, media_port: int, codec: Codec, event_type: int = sip.EVENT_TYPE
    ) -> SippJob:
        media = sip.Stream(self.host, media_port, (codec,), event_type)
        words = callee_words((self.host, self.port), f"callee{next(self._counter)}", media)
        return SippJob("callee", words, (self.host, free_port(self.host)), self._inner)

    def _words(self, spec: CallSpec, tag: str, body: str) -> dict[str, str]:
        ours = (self.host, self.port)
        return caller_words(spec, body, name=self.name, tag=tag, ours=ours, toward=self.toward)

    def _keep(self, call: Call) -> None:
        self.calls.append(call)
        self._by_call_id[call.id] = call

    def _own(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(error)
