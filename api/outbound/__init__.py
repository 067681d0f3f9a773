"""Requests that we send to the platform: signed, guarded, bounded."""

from api.outbound.addresses import Allowed, allowed_networks, check_url
from api.outbound.client import OutboundClient, Reply, post_signed
from api.outbound.errors import (
    AddressRefused,
    OutboundError,
    ReceiverSilent,
    ReceiverUnreachable,
    TlsRefused,
    UrlRefused,
)
from api.outbound.signing import new_secret, sign, signature_headers

__all__ = [
    "AddressRefused",
    "Allowed",
    "OutboundClient",
    "OutboundError",
    "ReceiverSilent",
    "ReceiverUnreachable",
    "Reply",
    "TlsRefused",
    "UrlRefused",
    "allowed_networks",
    "check_url",
    "new_secret",
    "post_signed",
    "sign",
    "signature_headers",
]
