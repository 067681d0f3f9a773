"""Our client for Asterisk's manager interface (AMI), Asterisk 20 and newer.

    link = NodeLink(events=Login(...), actions=Login(..., event_mask="off"), on_connected=stock)
    offers = link.subscribe(["UserEvent"], name="offers")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run())
        tasks.create_task(offers.run(on_offer))
        await link.wait_up(deadline_s=10)
        answers = await link.actions(
            [Action.of("Setvar", {...}), Action.of("Redirect", {...})], deadline_s=2
        )

`connect` gives one plain connection. An action is never sent twice; every wait has a deadline.
Asterisk's side: `timestampevents=yes` and `debug=no` (manager.conf), and a secret random
`systemname` (asterisk.conf), which tells Asterisk's events from those a caller forges.
"""

from telephony.ami.client import ActionPort, Client, connect
from telephony.ami.codec import Action, Decoder, Headers, encode_action
from telephony.ami.connection import Connection, ConnectionState
from telephony.ami.errors import (
    ActionRefused,
    ActionTimeout,
    AmiError,
    AuthenticationRefused,
    ClosedByUs,
    ConnectFailed,
    ConnectionLost,
    FrameTooLong,
    ListCancelled,
    ListIncomplete,
    ListTooLong,
    LoginRefused,
    LoginTimeout,
    NotAmi,
    NotConnected,
    NotSendable,
    PermanentAmiError,
    PingTimeout,
    TooBusy,
)
from telephony.ami.frames import Event, Greeting, Rejected, Rejection, Response
from telephony.ami.link import NodeLink, NodeSession
from telephony.ami.monitor import Counters, Monitor, Report, Trouble, TroubleKind
from telephony.ami.reconnect import Backoff, LinkState, Reconnector
from telephony.ami.settings import Limits, Login
from telephony.ami.subscriptions import EventHub, Subscription

__all__ = [
    "Action",
    "ActionPort",
    "ActionRefused",
    "ActionTimeout",
    "AmiError",
    "AuthenticationRefused",
    "Backoff",
    "Client",
    "ClosedByUs",
    "ConnectFailed",
    "Connection",
    "ConnectionLost",
    "ConnectionState",
    "Counters",
    "Decoder",
    "Event",
    "EventHub",
    "FrameTooLong",
    "Greeting",
    "Headers",
    "Limits",
    "LinkState",
    "ListCancelled",
    "ListIncomplete",
    "ListTooLong",
    "Login",
    "LoginRefused",
    "LoginTimeout",
    "Monitor",
    "NodeLink",
    "NodeSession",
    "NotAmi",
    "NotConnected",
    "NotSendable",
    "PermanentAmiError",
    "PingTimeout",
    "Reconnector",
    "Rejected",
    "Rejection",
    "Report",
    "Response",
    "Subscription",
    "TooBusy",
    "Trouble",
    "TroubleKind",
    "connect",
    "encode_action",
]
