"""Why a request of ours got no answer. Texts hold no URL: a URL may hold a token."""

from __future__ import annotations

from typing import ClassVar


class OutboundError(Exception):
    """A request to the platform has failed."""

    error_id: ClassVar[str] = "outbound"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or type(self).__doc__)


class UrlRefused(OutboundError):
    """The URL cannot be sent to."""

    error_id = "url_refused"


class AddressRefused(OutboundError):
    """The host has an address that is not public and not allowed in the configuration."""

    error_id = "address_refused"


class ReceiverUnreachable(OutboundError):
    """The host has no address, or the connection failed."""

    error_id = "unreachable"


class ReceiverSilent(OutboundError):
    """There was no whole answer before the deadline."""

    error_id = "timed_out"


class TlsRefused(OutboundError):
    """The receiver's certificate is not valid for its name."""

    error_id = "tls_refused"
