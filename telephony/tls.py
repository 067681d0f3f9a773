"""SIP over TLS: the one transport of it, and whose certificates it believes. Text only.

Native apps and carriers come in by it where the operator opened a port (`sip_tls`). Without one it
is there for trunks to go out by: it has no certificate, so that nobody who connects to it gets as
far as SIP. Whoever is called by it has to prove by a certificate that he is the trunk's host.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

from masking.trunks import Transport, Trunk
from telephony.errors import AuthoritiesUnusable
from telephony.layout import NodeSettings, conf_path

__all__ = ["authorities", "listening", "outgoing", "wanted"]

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_USUAL = (
    *("/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"),
    *("/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"),
)


def listening(settings: NodeSettings) -> str:
    """The transport with a door; nothing where the operator opened none.

    Asked for at every start: raises AuthoritiesUnusable, needed or not, or DataFolderUnusable.
    """
    authorities(settings.sip_tls_ca)
    if settings.sip_tls is None or settings.tls_cert is None or settings.tls_key is None:
        return ""
    cert, key = (conf_path(file.absolute()) for file in (settings.tls_cert, settings.tls_key))
    return _transport(
        settings, *settings.sip_tls, (f"cert_file = {cert}\n", f"priv_key_file = {key}\n")
    )


def wanted(settings: NodeSettings, trunks: Iterable[Trunk]) -> bool:
    """Whether trunks need a transport to go out by, for there is none with a door."""
    over_tls = (one.enabled and one.transport is Transport.TLS for one in trunks)
    return settings.sip_tls is None and any(over_tls)


def outgoing(settings: NodeSettings, port: int) -> str:
    """The transport without a door. Asterisk listens all the same, at `port`: to no avail.

    Raises DataFolderUnusable.
    """
    return _transport(settings, settings.sip_host, port, ())


def _transport(settings: NodeSettings, host: str, port: int, own: Iterable[str]) -> str:
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = (
        f"[transport-tls]\ntype = transport\nprotocol = tls\nbind = {bind}\n",
        *own,
        "method = tlsv1_2\n",  # PJSIP's own default is 1.0
        # Of the certificates that carriers show, the name is looked at as well.
        "verify_server = yes\nallow_wildcard_certs = yes\n",
        *_believed(settings),
    )
    return "".join(("\n", *lines))


def _believed(settings: NodeSettings) -> Iterator[str]:
    """Without a line nobody is believed, and nobody called: the other trunks are."""
    found = None
    with contextlib.suppress(AuthoritiesUnusable):  # gone since the start
        found = authorities(settings.sip_tls_ca)
    if found is not None:
        kind = "path" if found.is_dir() else "file"
        yield f"ca_list_{kind} = {conf_path(found.absolute())}\n"


def authorities(given: Path | None) -> Path | None:
    """Who vouches for carriers: the operator's file or folder, else whom this machine trusts.

    A folder is asked for the one that is needed, a file is read whole for every connection: hence
    the machine's folder before its file. Raises AuthoritiesUnusable for what was given.
    """
    if given is not None:
        _must_serve(given)
        return given
    own = ssl.get_default_verify_paths()
    candidates = (Path(one) for one in (own.capath, own.cafile, *_USUAL) if one)
    return next((one for one in candidates if _serves(one)), None)


def _must_serve(given: Path) -> None:
    try:
        if given.is_dir():
            if not _is_hashed(given):
                raise AuthoritiesUnusable(given, "the folder has no names made by c_rehash")
        elif b"-----BEGIN" not in given.read_bytes():
            raise AuthoritiesUnusable(given, "it holds no certificate (PEM)")
    except OSError as error:
        raise AuthoritiesUnusable(given, error.strerror or str(error)) from error


def _serves(found: Path) -> bool:
    try:
        return _is_hashed(found) if found.is_dir() else found.is_file()
    except OSError:
        return False


def _is_hashed(folder: Path) -> bool:
    return any(_HASHED.fullmatch(one.name) for one in folder.iterdir())
