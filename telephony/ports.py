"""Asks the kernel whether the node's ports are free, so that a taken one is one clear line."""

from __future__ import annotations

import errno
import os
import socket

from telephony.app_config import ws_address
from telephony.errors import PortTaken
from telephony.layout import Doors, NodeSettings

__all__ = ["check_app_ports", "check_ports", "tcp_port_is_free"]


def check_ports(settings: NodeSettings) -> None:
    """Raise PortTaken where Asterisk could not listen for SIP, or the RTP range is not to be had.

    Single RTP ports in use by others are passed over by Asterisk; the first and the last stand for
    the range here.
    """
    host, port = settings.sip_host, settings.sip_port
    _probe("SIP/UDP", socket.SOCK_DGRAM, host, port)
    _probe("SIP/TCP", socket.SOCK_STREAM, host, port)
    if not 1024 <= settings.rtp_first < settings.rtp_last < 65_536:
        raise PortTaken("RTP", host, settings.rtp_first, "the range must lie within 1024-65535")
    _probe("RTP", socket.SOCK_DGRAM, host, settings.rtp_first)
    _probe("RTP", socket.SOCK_DGRAM, host, settings.rtp_last)


def check_app_ports(settings: NodeSettings, doors: Doors) -> None:
    """Raise PortTaken where Asterisk could not listen for apps."""
    if settings.sip_tls is not None:
        _probe("SIP/TLS", socket.SOCK_STREAM, *settings.sip_tls)
    _probe("WebSocket", socket.SOCK_STREAM, *ws_address(settings, doors))


def tcp_port_is_free(host: str, port: int) -> bool:
    """Whether nobody listens there."""
    try:
        _probe("TCP", socket.SOCK_STREAM, host, port)
    except PortTaken:
        return False
    return True


def _probe(what: str, kind: socket.SocketKind, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # As Asterisk does it: connections of the Asterisk before are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            if kind == socket.SOCK_STREAM:
                probe.listen(1)
        except OSError as error:
            reason = (
                "it is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
            )
            raise PortTaken(what, host, port, reason) from error
        except OverflowError as error:
            raise PortTaken(what, host, port, "no such port") from error
