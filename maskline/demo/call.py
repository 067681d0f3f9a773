"""One call as one party of the simulated carrier has it: said, heard, and what to do next.

A call follows what passes on the wire. It believes nothing that it did not see there, and SIPp does
nothing of weight that it was not told to here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from maskline.demo import sip
from maskline.demo.dtmf import Pace
from maskline.demo.errors import DemoError, NotReached
from maskline.demo.media import Heard, MediaEndpoint
from maskline.demo.sip import Message, Stream
from maskline.demo.sounds import Sound
from maskline.demo.spec import PATIENCE_S, CallState


class Exchange(Protocol):
    """What a call needs of its carrier."""

    def tell_sipp(self, call: Call, data: bytes) -> None:
        """Hand `data` to the SIPp process of `call`."""
        ...

    def send_raw(self, call: Call, data: bytes) -> None:
        """Send `data` to the other side past SIPp; kept in `call.sent`."""
        ...


@dataclass(eq=False, slots=True)
class Call:
    """A call at one party. `received` and `sent` are all its SIP datagrams, in order."""

    id: str  # Call-ID
    is_caller: bool
    exchange: Exchange = field(repr=False)
    media: MediaEndpoint | None = field(default=None, repr=False)
    extra: tuple[str, ...] = ()  # header lines put into our responses
    rewrite: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    proves_itself: bool = False  # answers a first digest challenge
    rejection: str = ""  # code and phrase of the final response that `reject` gives
    state: CallState = CallState.DIALLING
    rang: bool = False  # a 180 or 183 was seen
    status: int = 0  # final status of the INVITE
    phrase: str = ""
    cancelled: bool = False
    ended_by_us: bool = False
    up_at: float | None = None  # loop time, seconds
    ended_at: float | None = None
    peer: tuple[str, int] | None = None  # where the other side sends from
    stream: Stream | None = None  # where the other side wants our audio
    has_sound: bool = False  # an SDP answer has passed, early or with the 200
    received: list[Message] = field(default_factory=list, repr=False)
    sent: list[Message] = field(default_factory=list, repr=False)
    failure: str = ""  # what SIPp complained about
    _changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _cseq: int = 100

    @property
    def invite(self) -> Message:
        """The first INVITE, of whichever direction."""
        messages = self.sent if self.is_caller else self.received
        return next(message for message in messages if message.method == "INVITE")

    @property
    def dialled(self) -> str:
        """User part of the INVITE's request URI."""
        return self.invite.user()

    @property
    def seen_caller(self) -> str:
        """User part of From: what the callee's phone shows."""
        return self.invite.user("from")

    @property
    def received_bytes(self) -> bytes:
        """Every SIP byte that reached this party."""
        return b"\r\n".join(message.raw for message in self.received)

    @property
    def answered(self) -> bool:
        """Whether the call was ever up."""
        return self.up_at is not None

    def heard(self, *, since: float = 0.0) -> Heard:
        """What this party heard so far (since loop time `since`)."""
        return self.media.heard(since=since) if self.media else Heard()

    # -- waiting ---------------------------------------------------------------------------------

    async def until(self, condition: Callable[[Call], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until `condition` holds. Raises NotReached with the story of the call."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise NotReached(self.story()) from None

    async def wait_ringing(self, timeout_s: float = PATIENCE_S) -> None:
        """Until it rings (or more). Raises NotReached when it ends first."""
        await self.until(lambda call: call.rang or call.state >= CallState.UP, timeout_s)
        if self.state is CallState.ENDED and not self.rang:
            raise NotReached(self.story())

    async def wait_up(self, timeout_s: float = PATIENCE_S) -> None:
        """Until it is answered. Raises NotReached when it ends instead."""
        await self.until(lambda call: call.state >= CallState.UP, timeout_s)
        if self.state is CallState.ENDED:
            raise NotReached(self.story())

    async def wait_ended(self, timeout_s: float = PATIENCE_S) -> None:
        """Until it is over."""
        await self.until(lambda call: call.state is CallState.ENDED, timeout_s)

    async def hear(self, hz: int, ms: int = 300, timeout_s: float = PATIENCE_S) -> None:
        """Until `ms` of the tone `hz` in one stretch were heard. Raises NotReached."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.media is None or not self.media.heard_enough(hz, ms):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise NotReached(f"{self.story()}\nheard {self.heard()}") from None

    async def hear_sound(self, sound: Sound, timeout_s: float = PATIENCE_S) -> int:
        """Until the whole of `sound` was heard; returns at which ms of the audio it began.

        Raises NotReached.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self.media is None or (at := self.media.find(sound)) is None:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise NotReached(f"{self.story()}\nnot {sound.name}, but {self.heard()}") from None
        return at

    # -- doing -----------------------------------------------------------------------------------

    async def press(self, keys: str, pace: Pace = Pace(), *, in_band: bool = False) -> None:  # noqa: B008  (frozen)
        """Press `keys`, by RFC 4733 or as sound; returns when the last was let go.

        Raises NotReached without sound, DemoError where the other side takes no events.
        """
        await self.until(lambda call: call.has_sound and call.stream is not None)
        assert self.media is not None
        if not in_band and (self.stream is None or self.stream.event_type is None):
            raise DemoError("the other side takes no telephone-events")
        await self.media.press(keys, pace, in_band=in_band)

    async def ring(self) -> None:
        """Callee: 180."""
        await self.until(lambda call: call.state >= CallState.TRYING)
        self._tell("XRING")
        await self.until(lambda call: call.rang or call.state is CallState.ENDED)

    async def progress(self) -> None:
        """Callee: 183 with SDP; our tone flows as early media."""
        await self.until(lambda call: call.state >= CallState.TRYING)
        self._tell("XPROGRESS")
        await self.until(lambda call: call.rang or call.state is CallState.ENDED)

    async def answer(self, timeout_s: float = PATIENCE_S) -> None:
        """Callee: 200; returns when the ACK is in."""
        await self.until(lambda call: call.state >= CallState.TRYING)
        self._tell("XANSWER")
        await self.wait_up(timeout_s)

    async def reject(
        self, status: int, phrase: str = "Rejected", timeout_s: float = PATIENCE_S
    ) -> None:
        """Callee: a final response from 300 up."""
        await self.until(lambda call: call.state >= CallState.TRYING)
        self.rejection = f"{status} {phrase}"
        self._tell("XREJECT")
        await self.wait_ended(timeout_s)

    async def cancel(self, timeout_s: float = PATIENCE_S) -> None:
        """Caller: CANCEL; returns when the call is over."""
        await self.until(lambda call: call.state >= CallState.TRYING)
        self._tell("XCANCEL")
        await self.wait_ended(timeout_s)

    async def hang_up(self, timeout_s: float = PATIENCE_S) -> None:
        """BYE; returns when it was answered. Nothing when the call is over already."""
        if self.state is CallState.ENDED:
            return
        await self.wait_up()
        self._tell("XHANGUP")
        await self.wait_ended(timeout_s)

    async def request(
        self, method: str, headers: tuple[str, ...] = (), body: str = "", timeout_s: float = 5.0
    ) -> Message:
        """Send a request of our own in the dialog, past SIPp; returns the final response.

        A Content-Type belongs into `headers`. An INVITE that succeeds is acknowledged.
        """
        self._cseq += 1
        cseq = self._cseq
        target, local, remote = self._dialog()
        branch = f"z9hG4bK-wire-{cseq}"
        invite_contact = self._our_contact()

        def build(name: str, way: str) -> bytes:
            lines = [
                f"Via: {way}",
                "Max-Forwards: 70",
                f"From: {local}",
                f"To: {remote}",
                f"Call-ID: {self.id}",
                f"CSeq: {cseq} {name}",
                f"Contact: {invite_contact}",
            ]
            mine = lines if name == "ACK" else [*lines, *headers]
            return sip.join(f"{name} {target} SIP/2.0", mine, "" if name == "ACK" else body)

        via = self._our_via(branch)
        self.exchange.send_raw(self, build(method, via))
        wanted = f"{cseq} {method}"

        def final(call: Call) -> Message | None:
            hits = (
                one for one in call.received if one.status >= 200 and one.header("cseq") == wanted
            )
            return next(hits, None)

        await self.until(lambda call: final(call) is not None, timeout_s)
        response = final(self)
        assert response is not None
        if method == "INVITE" and response.status < 300:
            self.exchange.send_raw(self, build("ACK", self._our_via(branch + "-ack")))
        return response

    # -- what the wire tells ---------------------------------------------------------------------

    def dress(self, data: bytes) -> bytes:
        """A datagram of SIPp's as this call wants it on the wire."""
        message = Message(data)
        if message.method == "INVITE" and message.status > 100:
            if message.status == 486 and self.rejection:
                data = data.replace(
                    b"SIP/2.0 486 Busy Here", f"SIP/2.0 {self.rejection}".encode("latin-1"), 1
                )
            if self.extra:
                data = sip.with_headers(data, self.extra)
        return self.rewrite(data) if self.rewrite is not None else data

    def on_sent(self, message: Message, now: float) -> None:
        """A datagram of ours went out."""
        self.sent.append(message)
        self._follow(message, now, ours=True)

    def on_received(self, message: Message, now: float) -> None:
        """A datagram came in."""
        self.received.append(message)
        self._follow(message, now, ours=False)

    def give_up(self, why: str, now: float) -> None:
        """SIPp is gone: whatever the call was, it is over."""
        self.failure = why
        self._to(CallState.ENDED, now)

    def story(self) -> str:
        """First lines of all messages in short, without numbers: for a test's failure."""
        way = "out" if self.is_caller else "in"
        lines = [f"call {way}: {self.state.name} {self.status} {self.phrase}"]
        lines += [f"  sent {_short(message)}" for message in self.sent]
        lines += [f"  received {_short(message)}" for message in self.received]
        if self.failure:
            lines.append(f"  sipp: {self.failure}")
        return "\n".join(lines)

    def _follow(self, message: Message, now: float, *, ours: bool) -> None:
        method = message.method
        ours_to_answer = (
            ours is not self.is_caller
        )  # the response to the first INVITE comes from here
        if message.is_request:
            if method == "BYE":
                if ours:
                    self.ended_by_us = True
                else:
                    self._to(CallState.ENDED, now)
            elif method == "CANCEL":
                self.cancelled = True
            elif method == "ACK" and ours is self.is_caller and 200 <= self.status < 300:
                self._to(CallState.UP, now)
            elif method == "ACK" and self.status >= 300:
                self._to(CallState.ENDED, now)
        elif method == "INVITE" and ours_to_answer and self.state < CallState.UP:
            self._respond(message, now)
        elif method == "BYE":
            self._to(CallState.ENDED, now)
        if message.body:
            self._sound(message, ours=ours)
        self._changed.set()

    def _respond(self, message: Message, now: float) -> None:
        first = message.header("cseq").startswith("1 ")
        if message.status in (401, 407) and self.proves_itself and first:
            return
        if message.status >= 200:
            self.status, self.phrase = message.status, message.reason_phrase
        elif message.status > 100:
            self.rang = True
            self._to(CallState.RINGING, now)
        else:
            self._to(CallState.TRYING, now)

    def _to(self, state: CallState, now: float) -> None:
        if state <= self.state:
            return
        self.state = state
        if state is CallState.UP:
            self.up_at = now
        elif state is CallState.ENDED:
            self.ended_at = now
            if self.media is not None:
                self.media.hold()
        self._changed.set()

    def _sound(self, message: Message, *, ours: bool) -> None:
        """Remember where the other side's SDP wants our audio; send it once the call has sound."""
        if not ours:
            self.stream = sip.stream_of(message.body) or self.stream
        self.has_sound = self.has_sound or (message.method == "INVITE" and message.status > 100)
        self.aim()

    def aim(self) -> None:
        """Let our audio flow, if it may by now and we know where to."""
        stream = self.stream
        if self.media is None or stream is None or not stream.port or not self.has_sound:
            return
        if self.state is not CallState.ENDED:
            ours = self.media.codec
            codec = ours if ours in stream.codecs else stream.codecs[0]
            self.media.send_to(stream.host, stream.port, codec, stream.event_type)

    def _tell(self, method: str) -> None:
        """Tell SIPp by a copy of the headers it saw last, with a method of our own."""
        model = self.received[0] if not self.is_caller else self.sent[0]
        headers = [f"Via: {via}" for via in model.all("via")]
        headers += [f"Record-Route: {value}" for value in model.all("record-route")]
        headers += [f"{name}: {model.header(name)}" for name in ("From", "To", "Call-ID", "CSeq")]
        self.exchange.tell_sipp(self, sip.join(f"{method} {model.uri} SIP/2.0", headers))

    def _dialog(self) -> tuple[str, str, str]:
        """Remote target, our name-addr and theirs, with tags (RFC 3261, 12.1)."""
        answers = self.received if self.is_caller else self.sent
        answer = next(
            one
            for one in answers
            if one.method == "INVITE" and one.status and ";tag=" in one.header("to")
        )
        mine, theirs = answer.header("from"), answer.header("to")
        if self.is_caller:
            return sip.uri_of(answer.header("contact")), mine, theirs
        return sip.uri_of(self.invite.header("contact")), theirs, mine

    def _our_contact(self) -> str:
        source = [one for one in self.sent if one.header("contact")]
        return source[-1].header("contact")

    def _our_via(self, branch: str) -> str:
        host = sip.uri_of(self._our_contact()).rpartition("@")[2] or "127.0.0.1"
        return f"SIP/2.0/UDP {host};rport;branch={branch}"


def _short(message: Message) -> str:
    if message.is_request:
        return message.method
    return f"{message.status} {message.reason_phrase} ({message.header('cseq')})"
