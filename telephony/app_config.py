"""What a node's configuration says of apps: where they come in, whom to ask, what they see of it.

Values for the templates of `asterisk-config/`; `app_rows.py` says how each app is served.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import socket
import struct
from collections.abc import Iterator, Mapping

from telephony import tls
from telephony.app_rows import REALM, AppServing, Family
from telephony.layout import Doors, NodeSettings, conf_path

__all__ = [
    "AOR_CACHE",
    "AUTH_CACHE",
    "CACHES",
    "STRANGER",
    "app_serving",
    "app_values",
    "lookups_conf",
    "media_address",
    "ws_address",
]

AUTH_CACHE = "res_pjsip/auth"
AOR_CACHE = "res_pjsip/aor"
CACHES = ("res_pjsip/endpoint", AUTH_CACHE, AOR_CACHE)
"""Asterisk's names for what it keeps of apps it has asked for."""

_KEPT_S = 3600
"""How long it may do so untold: a bound for credentials that end while no controller runs."""
_MOST_KEPT = 200_000
_MOST_SOCKETS = 20_000
_SIOCGIFADDR = 0x8915
_KNOWS_REQUEST_URI = (22, 0)
STRANGER = "un_known"
"""The endpoint of everybody who is nobody; no trunk can have such a name."""


def media_address(settings: NodeSettings) -> str | None:
    """The address that SDP names: the one the node listens on, None where it listens on all."""
    try:
        address = ipaddress.ip_address(settings.sip_host)
    except ValueError:
        return None
    return None if address.is_unspecified else str(address)


def ws_address(settings: NodeSettings, doors: Doors) -> tuple[str, int]:
    """Where WebSockets are served."""
    return settings.ws_host, settings.ws_port or doors.ws_port


def app_serving(settings: NodeSettings) -> AppServing:
    """How the apps of the node are served."""
    return AppServing(
        domain=settings.app_domain or settings.sip_host,
        media_address=media_address(settings),
        srtp=settings.sip_tls is not None,
    )


def lookups_conf(port: int, secret: str) -> str:
    """Return extconfig.conf: whom Asterisk asks for apps."""
    url = f"http://127.0.0.1:{port}/{secret}"
    lines = (f"{family.value} => curl,{url}/{family.value}\n" for family in Family)
    return f"; Whom Asterisk asks for apps: Maskline's own process.\n[settings]\n{''.join(lines)}"


def app_values(
    settings: NodeSettings,
    doors: Doors,
    version: tuple[int, int],
) -> Mapping[str, str]:
    """What the templates' names about apps stand for. Raises what `tls.listening` does."""
    host, port = ws_address(settings, doors)
    certificate = _certificate(settings)
    if certificate is None:
        listen = f"enabled = yes\nbindaddr = {host}\nbindport = {port}"
    else:
        listen = (
            "enabled = no\ntlsenable = yes\n"
            f"tlsbindaddr = {_joined(host, port)}\n"
            f"tlscertfile = {certificate[0]}\ntlsprivatekey = {certificate[1]}"
        )
    return {
        "app_cache": f"object_lifetime_maximum={_KEPT_S},maximum_objects={_MOST_KEPT}",
        "ws_most": str(_MOST_SOCKETS),
        "ws_listen": listen,
        "ws_protocol": "ws" if certificate is None else "wss",
        "sip_tls": tls.listening(settings),
        "ice_addresses": "\n".join(_ice_addresses(media_address(settings))),
        "stranger": _stranger(doors) if version >= _KNOWS_REQUEST_URI else "",
    }


def _stranger(doors: Doors) -> str:
    """Everybody who is nobody: challenged as apps are, by credentials that nobody can have.

    Without it (Asterisk before 22) each name in a From is looked up, in vain.
    """
    hashed = hashlib.blake2b(doors.lookup_secret.encode(), digest_size=16).hexdigest()
    endpoint = (
        f"[{STRANGER}]\ntype = endpoint\ncontext = no-calls\nauth = {STRANGER}\n"
        "identify_by = request_uri\ndisallow = all\nallow = ulaw\n"
    )
    auth = (
        f"[{STRANGER}]\ntype = auth\nauth_type = md5\nusername = {STRANGER}\n"
        f"realm = {REALM}\nmd5_cred = {hashed}\n"
    )
    identify = f"[{STRANGER}]\ntype = identify\nendpoint = {STRANGER}\nmatch_request_uri = /./\n"
    return f"{endpoint}\n{auth}\n{identify}"


def _certificate(settings: NodeSettings) -> tuple[str, str] | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return conf_path(settings.tls_cert.absolute()), conf_path(settings.tls_key.absolute())


def _ice_addresses(address: str | None) -> Iterator[str]:
    """The candidates that apps are given: the address that media comes from, and no other.

    Asterisk offers every address of the machine, whatever it listens on, but never one of loopback:
    where it listens there, another one is made to stand for it.
    """
    if address is None:
        return
    yield "; The address it listens on, and no other of this machine."
    if ":" in address:
        yield "ice_deny = ::/0"
        yield f"ice_permit = {address}/128"
        return
    yield "ice_deny = 0.0.0.0/0.0.0.0"
    yield f"ice_permit = {address}/255.255.255.255"
    if ipaddress.ip_address(address).is_loopback and (other := _outward_address()) is not None:
        yield "[ice_host_candidates]"
        yield f"{other} => {address}"


def _outward_address() -> str | None:
    """An IPv4 address of this machine that is none of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            asked = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, asked)
            except OSError:
                continue
            address = socket.inet_ntoa(answer[20:24])
            if not address.startswith("127."):
                return address
    return None


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
