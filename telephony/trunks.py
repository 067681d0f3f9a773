"""Trunks as Asterisk's PJSIP objects: endpoint, aor, identify or auth, registration.

A trunk's endpoint is named as the trunk; channels are then PJSIP/<trunk>-<8 hex>. What is written
here keeps one leg's numbers, names and addresses from the other (see docs/architecture.md).
Never reads or writes a file.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from masking.trunks import AuthType, MediaEncryption, Transport, Trunk
from telephony.discreet import DISCREET
from telephony.errors import BadTrunk

__all__ = ["called_over", "check", "render", "unasked"]

CODECS = frozenset({"alaw", "ulaw", "g722", "gsm", "opus", "g729"})
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9_.+@-]{1,64}")
# A ; or # begins a comment, quotes and brackets have a meaning; what is left is still plenty.
_SECRET = re.compile(r"[A-Za-z0-9_.+@:/=!~*,^%&()-]{1,128}")

_HEAD = "; Written by Maskline whenever trunks change. Do not edit.\n"


def render(trunks: Iterable[Trunk], *, media_address: str | None = None, tls: str = "") -> str:
    """Return pjsip_trunks.conf for the enabled trunks, the same text for the same trunks.

    `media_address` is what SDP names, where the node listens on one address only; `tls` the
    transport of trunks over TLS, where it does not stand in pjsip.conf.
    Raises BadTrunk for a value that Asterisk would read as something else.
    """
    parts = [_HEAD, *([tls] if tls else [])]
    enabled = []
    for trunk in sorted(trunks, key=lambda trunk: trunk.name):
        check(trunk)
        if trunk.enabled:
            enabled.append(trunk)
    homes = Counter(one.host for one in enabled if one.inbound and not challenges(one))
    for trunk in enabled:
        parts.extend(_sections(trunk, media_address, alone=homes[trunk.host] == 1))
    return "\n".join(parts)


def unasked(trunk: str) -> str:
    """The name of a trunk's second aor, which is asked no OPTIONS; no trunk's holds a `_`."""
    return f"{trunk}_unasked"


def called_over(trunk: str, number: str, *, last: bool) -> str:
    """Return what Dial and Originate are given behind `PJSIP/` to reach a number over a trunk.

    Asterisk sends nothing to a contact that left an OPTIONS unanswered, which is quick where
    another trunk is left. Over the last one the call is tried all the same: a carrier need not
    answer OPTIONS, and may have come back since.
    """
    return f"{number}@{trunk}/{unasked(trunk)}" if last else f"{number}@{trunk}"


def check(trunk: Trunk) -> None:
    """Raise BadTrunk where a value cannot stand in Asterisk's configuration."""
    auth = trunk.auth

    def need(*, fine: object, field: str, rule: str) -> None:
        if not fine:
            raise BadTrunk(trunk.name if _NAME.fullmatch(trunk.name) else "?", field, rule)

    need(fine=_NAME.fullmatch(trunk.name), field="name", rule="must be [a-z0-9-], at most 32 long")
    need(
        fine=_is_address(trunk.host) or _HOST.fullmatch(trunk.host),
        field="host",
        rule="must be an address or a DNS name",
    )
    need(fine=0 < trunk.port < 65_536, field="port", rule="must be 1 to 65535")
    need(fine=trunk.codecs, field="codecs", rule="must not be empty")
    need(
        fine=CODECS.issuperset(trunk.codecs),
        field="codecs",
        rule=f"must be of {', '.join(sorted(CODECS))}",
    )
    if auth.type is AuthType.DIGEST:
        need(
            fine=auth.username and _WORD.fullmatch(auth.username),
            field="auth.username",
            rule="must be 1 to 64 of A-Z a-z 0-9 _ . + @ -",
        )
        need(
            fine=auth.password and _SECRET.fullmatch(auth.password),
            field="auth.password",
            rule="must be 1 to 128 characters without blanks, quotes, brackets, ; and #",
        )
    else:
        need(fine=not auth.register, field="auth.register", rule="needs digest")
    sealed = trunk.media_encryption is MediaEncryption.SDES
    need(
        fine=not sealed or trunk.transport is Transport.TLS,
        field="media_encryption",
        rule="sdes needs transport tls",
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _sections(trunk: Trunk, media_address: str | None, *, alone: bool) -> Iterator[str]:
    """`alone`: no other trunk is known by this one's host."""
    yield _section(trunk.name, "endpoint", _endpoint(trunk, media_address))
    yield _section(trunk.name, "aor", _aor(trunk))
    yield _section(unasked(trunk.name), "aor", [("contact", _uri(trunk))])
    if trunk.auth.type is AuthType.DIGEST:
        yield _section(
            f"{trunk.name}-auth",
            "auth",
            [
                ("auth_type", "userpass"),
                ("username", trunk.auth.username or ""),
                ("password", trunk.auth.password or ""),
            ],
        )
    if trunk.inbound:
        yield _section(f"{trunk.name}-identify", "identify", _identify(trunk, alone=alone))
    if trunk.auth.register:
        yield _section(f"{trunk.name}-registration", "registration", _registration(trunk))


def _section(name: str, kind: str, options: Iterable[tuple[str, str]]) -> str:
    lines = (f"{option} = {value}\n" for option, value in options)
    return f"[{name}]\ntype = {kind}\n{''.join(lines)}"


def challenges(trunk: Trunk) -> bool:
    """Whether the carrier has to prove itself by digest.

    A carrier with which we register is known by its address: it gave the credentials to us.
    """
    return trunk.auth.type is AuthType.DIGEST and not trunk.auth.register


def _endpoint(trunk: Trunk, media_address: str | None) -> Iterator[tuple[str, str]]:
    yield "aors", trunk.name
    yield "context", "from-trunk" if trunk.inbound else "no-calls"
    yield "transport", f"transport-{trunk.transport}"
    if trunk.media_encryption is MediaEncryption.SDES:
        # Not "optimistic": plain RTP is neither offered nor taken.
        yield "media_encryption", "sdes"
    yield "disallow", "all"
    yield "allow", ",".join(trunk.codecs)
    if trunk.auth.type is AuthType.DIGEST:
        yield "outbound_auth", f"{trunk.name}-auth"
        if challenges(trunk):
            yield "auth", f"{trunk.name}-auth"
    # Known by its `identify` section alone, never by a name that somebody writes into a header.
    yield "identify_by", "ip,header" if challenges(trunk) else "ip"
    yield from DISCREET
    # From and P-Asserted-Identity of an outgoing leg: both the callee's proxy number.
    yield "send_pai", "yes"
    yield "send_rpid", "no"
    yield "send_aoc", "no"
    yield "rtp_symmetric", "no"
    yield "rewrite_contact", "no"
    # RFC 4733 where the carrier offers it, else tones: a PIN can be typed on any phone.
    yield "dtmf_mode", "auto"
    yield "inband_progress", "no"
    yield "from_domain", trunk.host
    yield "language", "en"
    # Silence for this long is a call that nobody is in any more.
    yield "rtp_timeout", "120"
    yield "rtp_timeout_hold", "600"
    if media_address is not None:
        yield "media_address", media_address
        yield "bind_rtp_to_media_address", "yes"
    yield "set_var", f"MASKLINE_TRUNK={trunk.name}"
    yield "set_var", f"MASKLINE_TRUSTED={'yes' if trunk.trusted else 'no'}"


def _aor(trunk: Trunk) -> Iterator[tuple[str, str]]:
    yield "contact", _uri(trunk)
    yield "qualify_frequency", str(trunk.options_interval_s)
    yield "qualify_timeout", "2.0"


def _uri(trunk: Trunk) -> str:
    host = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
    # UDP is what a URI without it means.
    plain = trunk.transport is Transport.UDP
    parameters = "" if plain else rf"\;transport={trunk.transport.value}"
    return f"sip:{host}:{trunk.port}{parameters}"


def _identify(trunk: Trunk, *, alone: bool) -> Iterator[tuple[str, str]]:
    yield "endpoint", trunk.name
    if challenges(trunk):
        # The challenge goes to everyone; only this name in the answer leads to this trunk.
        name = re.escape(trunk.auth.username or "").replace("@", "[@]")
        yield "match_header", f'Authorization: /[Uu]sername="{name}"/'
        return
    # SRV names are another host's business; the port is named.
    yield "srv_lookups", "no"
    # A connection comes from a port of the moment. So do calls of a carrier simulated on this
    # machine, with an address for itself; 127.0.0.1 is everybody's, apps come from there.
    if trunk.transport is not Transport.UDP or (alone and _is_simulated(trunk.host)):
        yield "match", trunk.host
    else:
        host = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
        yield "match", f"{host}:{trunk.port}"


def _is_simulated(host: str) -> bool:
    if not _is_address(host):
        return False
    address = ipaddress.ip_address(host)
    return address.is_loopback and host not in ("127.0.0.1", "::1")


def _registration(trunk: Trunk) -> Iterator[tuple[str, str]]:
    uri = _uri(trunk)
    yield "transport", f"transport-{trunk.transport}"
    yield "outbound_auth", f"{trunk.name}-auth"
    yield "server_uri", uri
    yield "client_uri", uri.replace("sip:", f"sip:{quote(trunk.auth.username or '', safe='')}@", 1)
    yield "contact_user", "maskline"
    yield "expiration", "300"
    yield "retry_interval", "20"
    yield "forbidden_retry_interval", "300"
    yield "fatal_retry_interval", "300"
    yield "max_retries", "1000000"
    yield "auth_rejection_permanent", "no"
