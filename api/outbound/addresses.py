"""Which addresses we send to: public ones, and what the operator allows. Guards against SSRF.

A name is resolved once for a connection, every address is checked, and the connection goes to an
address that was checked: a name that changes its mind in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import Executor
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from api.outbound.errors import AddressRefused, ReceiverUnreachable, UrlRefused

Allowed = tuple[IPv4Network | IPv6Network, ...]

LONGEST_URL: Final = 2048
_NAT64: Final = tuple(
    ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48")
)  # RFC 6052, RFC 8215
# Beyond what `ipaddress` calls not global in every version of Python we run on.
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # RFC 6598
        "192.0.0.0/24",  # RFC 6890
        "192.88.99.0/24",  # RFC 7526
        "198.18.0.0/15",  # RFC 2544
        "::/96",  # RFC 4291, 2.5.5.1
        "100::/64",  # RFC 6666
        "2001::/23",  # RFC 2928
        "2001:db8::/32",
        "3fff::/20",  # RFC 9637
        "5f00::/16",  # RFC 9602
        "fec0::/10",  # RFC 3879
    )
)


def allowed_networks(texts: Iterable[str]) -> Allowed:
    """Networks that may be sent to although they are not public. Raises ValueError."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def check_url(text: str, allowed: Allowed = ()) -> URL:
    """The URL in `text`. Raises UrlRefused, and AddressRefused if its host is a forbidden address.

    Plain http is only for addresses in `allowed`; of a name that is seen when it is resolved.
    """
    if len(text) > LONGEST_URL or not text.isascii() or not text.isprintable() or " " in text:
        raise UrlRefused(f"use at most {LONGEST_URL} printable characters of ASCII")
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        raise UrlRefused("this is not a URL") from None
    if url.scheme not in ("https", "http") or not host or not port:
        raise UrlRefused("give an absolute URL that begins with https://")
    if url.user is not None or url.password is not None or url.raw_fragment:
        raise UrlRefused("leave out user, password and fragment")
    if url.scheme == "http" and not allowed:
        raise UrlRefused("use https://")
    if _numeric(host):
        literal(host, allowed, encrypted=url.scheme == "https")
    return url


def literal(host: str, allowed: Allowed, *, encrypted: bool) -> None:
    """Check the numeric address `host`. Raises UrlRefused if it is none, AddressRefused."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise UrlRefused("write the address in its usual form, or a name") from None
    if not is_open(address, allowed, encrypted=encrypted):
        raise AddressRefused


@lru_cache(maxsize=4096)
def is_open(address: IPv4Address | IPv6Address, allowed: Allowed, *, encrypted: bool) -> bool:
    """Whether `address` may be connected to; without encryption only if it is in `allowed`."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        inner = _embedded(address)
        if inner is not None:
            return all(is_open(one, allowed, encrypted=encrypted) for one in inner)
    if any(address in network for network in allowed):
        return True
    if not encrypted:
        return False
    special = address.is_multicast or address.is_reserved or not address.is_global
    return not special and not any(address in network for network in _NEVER)


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...] | None:
    """The IPv4 addresses to which `address` leads in truth; None: it is one of its own."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if any(address in network for network in _NAT64):
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return None


def _numeric(host: str) -> bool:
    """Whether `host` can be nothing but an address, in whatever spelling."""
    return ":" in host or host.replace(".", "").isdigit()


class GuardedResolver(AbstractResolver):
    """Resolves names to addresses that may be connected to, or to none at all."""

    def __init__(self, allowed: Allowed, executor: Executor, *, encrypted: bool) -> None:
        self._allowed = allowed
        self._executor = executor
        self._encrypted = encrypted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of `host`. Raises ReceiverUnreachable, AddressRefused if one is closed."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._executor, _look_up, host, port, family)
        except (OSError, UnicodeError):
            raise ReceiverUnreachable("the host has no address") from None
        for one in found:
            literal(one["host"], self._allowed, encrypted=self._encrypted)
        return found

    async def close(self) -> None:
        """Nothing is held."""


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=int(address[1]),
            family=kind,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, proto, _, address in found
    ]
