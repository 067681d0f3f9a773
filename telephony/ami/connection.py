"""One connection to Asterisk's manager: transport, framing, login, and how it dies.

It has one state and one setter for it, and dies through one function, which keeps the first cause
and fails every waiter at once. Bytes of an action are handed to the transport once and never
again. The reader works in short slices and never waits for anybody.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import assert_never, cast

from telephony.ami.codec import Action, Decoder, encode_action
from telephony.ami.errors import (
    AmiError,
    AuthenticationRefused,
    ClosedByUs,
    ConnectFailed,
    ConnectionLost,
    LoginRefused,
    LoginTimeout,
    TooBusy,
    describe,
)
from telephony.ami.frames import Event, Greeting, Rejected, Rejection, Response
from telephony.ami.heartbeat import Heartbeat
from telephony.ami.monitor import Monitor
from telephony.ami.settings import Limits, Login
from telephony.ami.waiters import Answer, ListWanted, Waiter, Waiters

__all__ = ["Connection", "ConnectionState", "open_connection"]


class ConnectionState(Enum):
    """The life of a connection, in order."""

    NEW = "new"
    GREETED = "greeted"
    UP = "up"
    CLOSED = "closed"


_SLICE_CHECK_EVERY = 32


class Connection(asyncio.Protocol):
    """See the module. Made by `open_connection`; `on_event` must neither raise nor take long."""

    def __init__(
        self,
        login: Login,
        *,
        on_event: Callable[[Event], None],
        monitor: Monitor,
        limits: Limits,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._login = login
        self._on_event = on_event
        self._monitor = monitor
        self._limits = limits
        self._wall_clock = wall_clock
        self._state = ConnectionState.NEW
        self._cause: BaseException | None = None
        self._closed: asyncio.Future[BaseException] = self._loop.create_future()
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._transport_gone: asyncio.Future[None] = self._loop.create_future()
        self._id_prefix = f"{secrets.token_hex(8)}-"
        self._next_id = 0
        self._waiters = Waiters(limits.waiting_actions)
        self._decoder = Decoder(
            systemname=login.systemname,
            action_id_prefix=self._id_prefix,
            max_frame_bytes=limits.frame_bytes,
        )
        self._reading_paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._heartbeat = Heartbeat(
            limits, ping=self._ping, behind=lambda: self._reading_paused, die=self._die
        )
        self._login_waiter: Waiter | None = None

    # -- life ---------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """Where in its life the connection is."""
        return self._state

    def _set_state(self, state: ConnectionState) -> None:
        self._state = state
        match state:
            case ConnectionState.NEW:
                pass
            case ConnectionState.GREETED:
                self._greeted.set_result(None)
            case ConnectionState.UP:
                self._monitor.counters.connections += 1
                self._heartbeat.start()
            case ConnectionState.CLOSED:
                self._heartbeat.stop()
            case _:
                assert_never(state)

    def _die(self, cause: BaseException) -> None:
        """End the connection. The first cause stays; everybody who waits learns it now."""
        if self._state is ConnectionState.CLOSED:
            return
        self._cause = cause
        self._set_state(ConnectionState.CLOSED)
        if self._transport is not None:
            self._transport.abort()
        self._waiters.fail_all(cause)
        self._closed.set_result(cause)
        self._greeted.cancel()
        self._writable.set()

    def close(self) -> None:
        """End the connection from this side, at once; what is not yet on the wire is dropped."""
        self._die(ClosedByUs())

    async def aclose(self) -> None:
        """End the connection and wait until the socket is gone."""
        self.close()
        await asyncio.wait((self._transport_gone,), timeout=self._limits.connect_s)

    @property
    def closed(self) -> asyncio.Future[BaseException]:
        """Done with the first cause once the connection is dead; not to be cancelled."""
        return self._closed

    async def wait_closed(self) -> BaseException:
        """Wait until the connection is dead and return the first cause."""
        return await asyncio.shield(self._closed)

    async def log_in(self) -> None:
        """Wait for the greeting and log in.

        By MD5 challenge: the secret then stands in no packet capture and no trace of system
        calls, for the price of one round trip. Raises `AuthenticationRefused`, `LoginRefused`,
        `LoginTimeout` or `ConnectionLost`; the connection is dead after any of them.
        """
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await asyncio.wait((self._greeted, self._closed), return_when="FIRST_COMPLETED")
                self._raise_if_closed()
                challenge = await self._ask(Action.of("Challenge", {"AuthType": "MD5"}))
                if not challenge.ok:
                    raise _login_error(challenge)
                proof = f"{challenge.get('Challenge') or ''}{self._login.secret}".encode()
                key = hashlib.md5(proof, usedforsecurity=False).hexdigest()
                answer = await self._ask(
                    Action(
                        "Login",
                        (
                            ("AuthType", "MD5"),
                            ("Username", self._login.username),
                            ("Key", key),
                            ("Events", self._login.event_mask),
                        ),
                    ),
                    is_login=True,
                )
        except TimeoutError:
            self._die(LoginTimeout(f"no login within {self._limits.connect_s:g} s"))
        except asyncio.CancelledError:
            self.close()
            raise
        except AmiError as error:
            self._die(error)
        else:
            if not answer.ok:
                self._die(_login_error(answer))
            elif self._state is ConnectionState.GREETED:
                self._set_state(ConnectionState.UP)
        cause = self._cause
        if isinstance(cause, AmiError):
            raise cause
        self._raise_if_closed()

    async def _ask(self, action: Action, *, is_login: bool = False) -> Response:
        (waiter,) = self.send((action,))
        if is_login:
            self._login_waiter = waiter
        return (await waiter.future).response

    def _raise_if_closed(self) -> None:
        if self._cause is not None:
            raise ConnectionLost(self._cause)

    # -- writing ------------------------------------------------------------------------------

    async def wait_writable(self) -> None:
        """Wait until Asterisk has read enough of what was written; needs the caller's deadline."""
        await self._writable.wait()
        self._raise_if_closed()

    def send(
        self,
        actions: Sequence[Action],
        *,
        wants: ListWanted | None = None,
        posted: bool = False,
    ) -> list[Waiter]:
        """Write actions in one segment, in order, once, and return who waits for the answers.

        With `wants`, lists are expected. With `posted`, nobody will await the answers.
        Raises `NotSendable`, `TooBusy` or `ConnectionLost`, all before anything is written.
        """
        self._raise_if_closed()
        if not self._writable.is_set():
            raise TooBusy("Asterisk does not read what was written")
        self._waiters.check_room(len(actions))
        return self._write(actions, wants, posted=posted)

    def _write(
        self, actions: Sequence[Action], wants: ListWanted | None = None, *, posted: bool = False
    ) -> list[Waiter]:
        segment: list[bytes] = []
        waiters: list[Waiter] = []
        for number, action in enumerate(actions, self._next_id):
            action_id = f"{self._id_prefix}{number}"
            segment.append(encode_action(action, action_id))
            waiters.append(
                Waiter(
                    action.name,
                    action_id,
                    self._loop.create_future(),
                    wants,
                    self._monitor.refused_unawaited if posted else None,
                )
            )
        self._next_id += len(waiters)
        for waiter in waiters:
            self._waiters.add(waiter)
        cast("asyncio.Transport", self._transport).write(b"".join(segment))
        return waiters

    def forget(self, waiter: Waiter) -> None:
        """Stop waiting for an answer."""
        self._waiters.forget(waiter)

    def pause_writing(self) -> None:
        """Called by the transport: its buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the transport: there is room again."""
        self._writable.set()

    # -- reading ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.write_buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._die(exc if exc is not None else ConnectionResetError("closed by Asterisk"))
        self._transport_gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._heartbeat.received()
        try:
            self._decoder.feed(data)
        except AmiError as error:
            self._die(error)
        else:
            self._read_slice()

    def _read_slice(self) -> None:
        """Take frames for a short while; what is left waits, unread bytes in the socket with it."""
        clock = self._loop.time
        until = clock() + self._limits.read_slice_s
        events = others = 0
        last: Event | None = None
        try:
            for frame in self._decoder.frames():
                if type(frame) is Event and frame.action_id is None:
                    last = frame
                    events += 1
                    self._on_event(frame)
                else:
                    others += 1
                    self._take(frame)
                    if self._state is ConnectionState.CLOSED:
                        break
                if (events + others) % _SLICE_CHECK_EVERY == 0 and clock() > until:
                    break
        except Exception as error:  # noqa: BLE001 - a broken reader must end the connection, not hang it
            self._die(error)
            return
        self._monitor.counters.events += events
        if last is not None and (written_s := last.timestamp_s) is not None:
            self._monitor.counters.lag_s = max(0.0, self._wall_clock() - written_s)
        if self._state is not ConnectionState.CLOSED:
            self._keep_reading(more=self._decoder.has_frames)

    def _keep_reading(self, *, more: bool) -> None:
        transport = cast("asyncio.Transport", self._transport)
        if more:
            if not self._reading_paused and not transport.is_closing():
                self._reading_paused = True
                transport.pause_reading()
            self._loop.call_soon(self._read_rest)
        elif self._reading_paused:
            self._reading_paused = False
            if not transport.is_closing():
                transport.resume_reading()

    def _read_rest(self) -> None:
        if self._state is not ConnectionState.CLOSED:
            self._read_slice()

    def _take(self, frame: Greeting | Event | Response | Rejected) -> None:
        match frame:
            case Response():
                login = self._login_waiter
                if login is not None and login.action_id == frame.action_id and frame.ok:
                    self._decoder.allow_boot_event()
                if not self._waiters.take_response(frame):
                    self._monitor.counters.unawaited += 1
            case Event():
                if not self._waiters.take_item(frame):
                    if frame.trailing_id:
                        self._monitor.rejected(Rejected(Rejection.FORGED, len(frame.raw)))
                    else:
                        self._monitor.counters.unawaited += 1
            case Rejected():
                self._monitor.rejected(frame)
            case Greeting():
                self._set_state(ConnectionState.GREETED)
            case _:
                assert_never(frame)

    def _ping(self) -> asyncio.Future[Answer] | None:
        if not self._writable.is_set():
            return None
        (waiter,) = self._write((Action("Ping"),))
        return waiter.future


def _login_error(answer: Response) -> AmiError:
    if answer.message == "Authentication failed":
        return AuthenticationRefused("Asterisk refused user name, secret or address")
    return LoginRefused("Asterisk refused the login for now")


async def open_connection(
    login: Login,
    *,
    on_event: Callable[[Event], None],
    monitor: Monitor,
    limits: Limits,
    wall_clock: Callable[[], float] = time.time,
) -> Connection:
    """Connect and log in. Raises `ConnectFailed` and what `Connection.log_in` raises."""

    def build() -> Connection:
        return Connection(
            login, on_event=on_event, monitor=monitor, limits=limits, wall_clock=wall_clock
        )

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.connect_s):
            _, connection = await loop.create_connection(build, login.host, login.port)
    except OSError as error:  # TimeoutError is one of them.
        raise ConnectFailed(f"cannot connect: {describe(error)}") from error
    await connection.log_in()
    return connection
