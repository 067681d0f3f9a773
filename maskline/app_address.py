"""Where apps reach a node, as they are told it."""

from __future__ import annotations

from api.services import AppTransports, Turn
from maskline.settings import Address, Settings
from telephony.layout import Layout, read_doors

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 (compared, never bound)


def app_transports(settings: Settings, ws: tuple[str, int] | None) -> AppTransports:
    """What is given out with credentials; `ws` is where WebSockets are served."""
    scheme = "ws" if settings.tls_cert is None else "wss"
    sip = _named(settings, settings.sip.host, settings.sip.port)
    return AppTransports(
        ws_url=settings.ws_url
        or (None if ws is None else f"{scheme}://{_named(settings, *ws)}/ws"),
        udp=sip,
        tcp=sip,
        tls=_named(settings, *settings.sip_tls) if settings.sip_tls is not None else None,
        stun=settings.stun_urls,
        turn=Turn(settings.turn_urls, settings.turn_secret) if settings.turn_secret else None,
    )


def known_ws(settings: Settings) -> tuple[str, int] | None:
    """Where a node of this data folder serves WebSockets, as far as another process can know."""
    if settings.ws is not None:
        return settings.ws
    doors = read_doors(Layout.of(settings.data))
    return None if doors is None else (settings.http.host, doors.ws_port)


def _named(settings: Settings, host: str, port: int) -> str:
    """HOST:PORT as others know it: the public name, where the address is one for all."""
    public = settings.public_host or (settings.app_host if host in _ANYWHERE else host)
    return str(Address(public, port))
