"""One POST to the platform: to a checked address, within a deadline, its answer bounded.

Follows no redirect, keeps no cookie, uses no proxy, unpacks nothing.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address
from ssl import SSLContext
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import AddrInfoType, DummyCookieJar

from api.outbound.addresses import Allowed, GuardedResolver, check_url, is_open
from api.outbound.errors import (
    OutboundError,
    ReceiverSilent,
    ReceiverUnreachable,
    TlsRefused,
    UrlRefused,
)
from api.outbound.signing import signature_headers

LARGEST_REPLY: Final = 64 * 1024
AGENT: Final = "Maskline-Webhooks/1"
_DNS_TTL_S: Final = 30
_IDLE_S: Final = 30.0
_LONGEST_RETRY_AFTER_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answered."""

    status: int
    body: bytes = field(repr=False)  # at most LARGEST_REPLY; empty where it was longer
    whole: bool  # False: it was longer, and was not read
    retry_after_s: int | None = None  # as the receiver asked, up to an hour


class OutboundClient:
    """Sends to any number of hosts, over at most `connections` at once. Belongs to one loop."""

    def __init__(
        self,
        allowed: Allowed = (),
        *,
        connections: int = 16,
        tls: SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        # Threads of its own: a name server that does not answer holds up nobody else.
        self._names = ThreadPoolExecutor(2, thread_name_prefix="outbound-names")
        self._sealed = _session(allowed, self._names, connections, tls, encrypted=True)
        self._plain = _session(allowed, self._names, connections, tls, encrypted=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._sealed.close()
        await self._plain.close()
        self._names.shutdown(wait=False, cancel_futures=True)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], deadline_s: float
    ) -> Reply:
        """POST `body`, which is JSON. Raises OutboundError; never follows a redirect."""
        checked = check_url(url, self._allowed)
        session = self._sealed if checked.scheme == "https" else self._plain
        try:
            async with asyncio.timeout(deadline_s):
                try:
                    return await _post(session, str(checked), body, headers)
                except aiohttp.ServerDisconnectedError:
                    # A connection that was kept open may be closed by the receiver at any moment.
                    return await _post(session, str(checked), body, headers)
        except TimeoutError:
            raise ReceiverSilent from None
        except OutboundError:
            raise
        except aiohttp.InvalidURL:
            raise UrlRefused from None
        except aiohttp.ClientSSLError:
            raise TlsRefused from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise ReceiverUnreachable("the connection failed") from None


async def post_signed(
    client: OutboundClient,
    url: str,
    secrets: Sequence[str],
    message_id: str,
    body: bytes,
    deadline_s: float,
    *,
    clock: Callable[[], float] = time.time,
) -> Reply:
    """POST `body` (JSON) with the headers of Standard Webhooks, signed by each of `secrets`.

    `message_id` is the same whenever the same message is sent again. Raises OutboundError: every
    reason why there is no answer; an answer of any status is a Reply.
    """
    headers = signature_headers(secrets, message_id, int(clock()), body)
    return await client.post(url, body, headers, deadline_s)


def _session(
    allowed: Allowed,
    names: ThreadPoolExecutor,
    connections: int,
    tls: SSLContext | None,
    *,
    encrypted: bool,
) -> aiohttp.ClientSession:
    def guarded_socket(info: AddrInfoType) -> socket.socket:
        """The last look before a connection is made, however its address was come by."""
        family, kind, proto, _, address = info
        if not is_open(ip_address(str(address[0])), allowed, encrypted=encrypted):
            raise PermissionError("closed address")
        return socket.socket(family, kind, proto)

    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed, names, encrypted=encrypted),
        ttl_dns_cache=_DNS_TTL_S,
        limit=connections,
        keepalive_timeout=_IDLE_S,
        socket_factory=guarded_socket,
        ssl=True if tls is None else tls,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # the caller's deadline holds for all of it
        headers={"User-Agent": AGENT, "Content-Type": "application/json"},
        skip_auto_headers=("Accept-Encoding",),
        auto_decompress=False,
        trust_env=False,
    )


async def _post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> Reply:
    async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
        retry_after_s = _seconds(answer.headers.get("Retry-After", ""))
        text = bytearray()
        async for chunk in answer.content.iter_chunked(16_384):
            text += chunk
            if len(text) > LARGEST_REPLY:
                answer.close()
                return Reply(answer.status, b"", whole=False, retry_after_s=retry_after_s)
        return Reply(answer.status, bytes(text), whole=True, retry_after_s=retry_after_s)


def _seconds(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 6:
        return min(int(text), _LONGEST_RETRY_AFTER_S)
    return None
