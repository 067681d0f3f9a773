"""Where to log in, and the bounds of a connection. Holds values only."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Limits", "Login"]


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as whom to log in.

    `systemname` is the node's secret `systemname` (asterisk.conf): without it a caller can forge
    events. `event_mask` is the Events header: "on", "off" or classes ("system,call,user").
    """

    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    systemname: str | None = field(repr=False)
    event_mask: str = "on"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one connection."""

    connect_s: float = 5.0
    """TCP connection, greeting and login, each. A refused login takes Asterisk 1 s."""
    booted_s: float = 30.0
    """How long a node link waits for an Asterisk that is still booting."""
    ping_every_s: float = 1.0
    pong_within_s: float = 5.0
    read_slice_s: float = 0.0005
    """How long the reader may work before it lets others in."""
    write_buffer_bytes: int = 1 << 18
    """More than this unread by Asterisk, and nothing further is written."""
    waiting_actions: int = 10_000
    frame_bytes: int = 1 << 20
