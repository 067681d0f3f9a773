"""The transport of SIP over TLS, and who vouches for those who are called by it."""

from __future__ import annotations

import configparser
import ssl
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from masking.trunks import Transport, Trunk
from telephony import tls
from telephony.errors import AuthoritiesUnusable, DataFolderUnusable
from telephony.layout import NodeSettings

PEM = "-----BEGIN CERTIFICATE-----\n"
OVER_TLS = Trunk("carrier-a", "192.0.2.1", 5061, Transport.TLS)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_text(PEM)
    return file


@pytest.fixture
def settings(ca: Path) -> NodeSettings:
    return NodeSettings(Path("data"), sip_host="192.0.2.9", sip_tls_ca=ca)


def read(text: str) -> dict[str, str]:
    found = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    found.read_string(text)
    assert found.sections() == ["transport-tls"]
    return dict(found["transport-tls"])


def doored(settings: NodeSettings) -> NodeSettings:
    door = ("192.0.2.9", 5061)
    return replace(settings, sip_tls=door, tls_cert=Path("/c.pem"), tls_key=Path("/k.pem"))


def test_carriers_are_never_believed_without_a_certificate(settings: NodeSettings) -> None:
    for text in (tls.outgoing(settings, 21_003), tls.listening(doored(settings))):
        transport = read(text)
        assert transport["verify_server"] == "yes"
        assert transport["allow_wildcard_certs"] == "yes"
        assert transport["ca_list_file"] == str(settings.sip_tls_ca)
        assert transport["method"] == "tlsv1_2"


def test_who_only_goes_out_has_no_certificate_to_come_in_by(settings: NodeSettings) -> None:
    transport = read(tls.outgoing(settings, 21_003))
    assert transport["bind"] == "192.0.2.9:21003"
    assert not {"cert_file", "priv_key_file"} & set(transport)
    assert read(tls.outgoing(replace(settings, sip_host="::"), 21_003))["bind"] == "[::]:21003"


def test_with_a_door_it_is_the_only_one(settings: NodeSettings) -> None:
    transport = read(tls.listening(doored(settings)))
    assert (transport["bind"], transport["cert_file"]) == ("192.0.2.9:5061", "/c.pem")
    assert tls.listening(settings) == ""
    assert not tls.wanted(doored(settings), [OVER_TLS])


def test_it_is_there_for_trunks_that_use_it_alone(settings: NodeSettings) -> None:
    assert tls.wanted(settings, [replace(OVER_TLS, transport=Transport.TCP), OVER_TLS])
    assert not tls.wanted(settings, [replace(OVER_TLS, enabled=False)])
    assert not tls.wanted(settings, [replace(OVER_TLS, transport=Transport.UDP)])


def hashed(folder: Path) -> Path:
    folder.mkdir()
    (folder / "4f316efb.0").write_text(PEM)
    return folder


def test_a_folder_is_given_as_one(settings: NodeSettings, tmp_path: Path) -> None:
    folder = hashed(tmp_path / "certs")
    transport = read(tls.outgoing(replace(settings, sip_tls_ca=folder), 21_003))
    assert transport["ca_list_path"] == str(folder)
    assert "ca_list_file" not in transport


def test_without_a_setting_those_of_the_machine_vouch(
    ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, bare = hashed(tmp_path / "hashed"), tmp_path / "bare"
    bare.mkdir()

    def found(capath: Path | None, cafile: Path | None) -> Path | None:
        own = SimpleNamespace(cafile=cafile, capath=capath)
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: own)
        return tls.authorities(None)

    assert found(folder, ca) == folder
    assert found(bare, ca) == ca
    monkeypatch.setattr(tls, "_USUAL", (str(folder),))
    assert found(None, None) == folder
    monkeypatch.setattr(tls, "_USUAL", (str(tmp_path / "nowhere"),))
    assert found(None, None) is None


def test_where_nobody_vouches_nobody_is_called(
    settings: NodeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "authorities", lambda _given: None)
    transport = read(tls.outgoing(settings, 21_003))
    assert transport["verify_server"] == "yes"
    assert not {"ca_list_file", "ca_list_path"} & set(transport)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: None, "No such file"),
        (lambda path: path.mkdir(), "c_rehash"),
        (lambda path: path.write_text("no certificate"), "no certificate"),
    ],
    ids=["absent", "unhashed", "empty"],
)
def test_who_cannot_vouch_is_refused_at_the_start_and_believed_by_nobody(
    settings: NodeSettings, tmp_path: Path, make: object, why: str
) -> None:
    path = tmp_path / "given"
    assert callable(make)
    make(path)
    given = replace(settings, sip_tls_ca=path)
    with pytest.raises(AuthoritiesUnusable, match=f"sip_tls_ca {path}: .*{why}"):
        tls.listening(given)
    transport = read(tls.outgoing(given, 21_003))
    assert transport["verify_server"] == "yes"
    assert not {"ca_list_file", "ca_list_path"} & set(transport)


def test_a_path_that_asterisk_would_misread_is_refused(
    settings: NodeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "a;b.pem"
    path.write_text(PEM)
    with pytest.raises(DataFolderUnusable):
        tls.outgoing(replace(settings, sip_tls_ca=path), 21_003)
