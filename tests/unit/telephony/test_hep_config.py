"""What the node's configuration says of HEP, and the port that is kept for it."""

from __future__ import annotations

import configparser
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from telephony.layout import (
    Doors,
    Layout,
    NodeSettings,
    kept_udp_port,
    load_identity,
    make_folders,
    read_doors,
    save_doors,
)
from telephony.render import TEMPLATES, render_files, write_hep
from tests.unit.telephony.test_layout import Install


def laid_out(settings: NodeSettings) -> Layout:
    layout = Layout.of(settings.data_dir)
    make_folders(layout)
    return layout


@pytest.fixture
def settings(tmp_path: Path) -> NodeSettings:
    return NodeSettings(tmp_path / "data", "127.0.0.1", 5066, 20_000, 32_000, sip_ladder=True)


def test_asterisk_says_nothing_where_nobody_wants_it(
    settings: NodeSettings, tmp_path: Path
) -> None:
    install = Install(tmp_path / "modules", tmp_path / "share")
    layout = laid_out(settings)
    identity = load_identity(layout, secrets.token_hex)
    for wanted in (True, False):
        chosen = replace(settings, sip_ladder=wanted)
        modules = render_files(chosen, layout, identity, install)["modules.conf"]
        assert ("load = res_hep_pjsip.so" in modules) is wanted
        assert "%{" not in modules
    assert "%{hep_modules}" in (TEMPLATES / "modules.conf").read_text()


def test_it_is_said_to_the_kept_port_with_the_secret_and_nobody_reads_that(
    settings: NodeSettings,
) -> None:
    layout = laid_out(settings)
    identity = load_identity(layout, secrets.token_hex)
    doors = replace(identity.doors, hep_port=6_001)
    write_hep(settings, layout, replace(identity, doors=doors))

    config = configparser.ConfigParser()
    config.read(layout.hep_conf)
    said = config["general"]
    assert said["capture_address"] == "127.0.0.1:6001"
    assert said["capture_password"] == doors.hep_secret
    assert said["uuid_type"] == "call-id"
    assert layout.hep_conf.stat().st_mode & 0o777 == 0o600
    assert doors.lookup_secret not in layout.hep_conf.read_text()
    assert Doors(1, 2, "other").hep_secret != doors.hep_secret


def test_a_folder_from_before_there_was_hep_is_read(settings: NodeSettings) -> None:
    layout = laid_out(settings)
    old = {"ws_port": 21_001, "lookup_port": 21_002, "lookup_secret": "5ecret"}
    (layout.root / "doors.json").write_text(json.dumps(old))
    assert load_identity(layout, secrets.token_hex).doors.hep_port == 0
    save_doors(layout, replace(Doors(**old), hep_port=6_002))  # type: ignore[arg-type]
    assert (found := read_doors(layout)) is not None
    assert found.hep_port == 6_002


def test_the_port_is_none_that_media_may_take(settings: NodeSettings) -> None:
    def chance(of: int) -> Callable[[int], str]:
        return lambda size: of.to_bytes(size, "big").hex()

    for seed in (0, 1, 12_345, 2**32 - 1):
        port = kept_udp_port(settings, chance(seed))
        assert not settings.rtp_first <= port <= settings.rtp_last
        assert port != settings.sip_port
        assert 6_000 <= port < 32_768
