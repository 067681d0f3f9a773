"""The node's folder, and what is rendered into it."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from telephony.app_config import media_address
from telephony.errors import DataFolderUnusable, PortTaken
from telephony.layout import Layout, NodeSettings, load_identity, make_folders
from telephony.ports import check_ports, tcp_port_is_free
from telephony.process import AsteriskProcess, append_node_start
from telephony.render import fingerprint, render_files, render_node


@dataclass(frozen=True)
class Version:
    major: int
    minor: int


@dataclass(frozen=True)
class Install:
    modules_dir: Path
    data_dir: Path
    version: Version = Version(22, 10)
    argv: tuple[str, ...] = ("/usr/sbin/asterisk",)


@pytest.fixture
def install(tmp_path: Path) -> Install:
    modules, data = tmp_path / "modules", tmp_path / "asterisk"
    modules.mkdir()
    (modules / "res_cdrel_custom.so").touch()
    for language in ("en", "ru"):
        (data / "sounds" / language).mkdir(parents=True)
        (data / "sounds" / language / "beep.gsm").touch()
    (data / "documentation").mkdir()
    return Install(modules, data)


@pytest.fixture
def settings(tmp_path: Path) -> NodeSettings:
    return NodeSettings(tmp_path / "data", "127.0.0.1", 5066, 30_000, 30_100)


def made(settings: NodeSettings) -> Layout:
    layout = Layout.of(settings.data_dir)
    make_folders(layout)
    return layout


def test_a_node_keeps_its_name_and_its_secrets(settings: NodeSettings) -> None:
    layout = made(settings)
    first = load_identity(layout, secrets.token_hex)
    assert load_identity(layout, secrets.token_hex) == first
    assert re.fullmatch(r"n[0-9a-f]{12}", first.name)
    assert first.ami.controller_secret not in repr(first)
    assert first.name not in repr(first)


@pytest.mark.parametrize(("file", "text"), [("name", "n1"), ("ami.json", "{"), ("ami.json", "{}")])
def test_damaged_files_are_named_not_replaced(settings: NodeSettings, file: str, text: str) -> None:
    layout = made(settings)
    load_identity(layout, secrets.token_hex)
    (layout.root / file).write_text(text)
    with pytest.raises(DataFolderUnusable, match=file):
        load_identity(layout, secrets.token_hex)


def test_folders_and_files_are_ours_alone(settings: NodeSettings, install: Install) -> None:
    layout = made(settings)
    render_node(settings, layout, load_identity(layout, secrets.token_hex), install)
    for path in layout.root.rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_socket_path_that_is_too_long_moves_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    deep = tmp_path / ("d" * 100)
    layout, again = Layout.of(deep), Layout.of(deep)
    assert layout.run == again.run
    assert layout.run.parent == tmp_path
    assert Layout.of(tmp_path / "other" / ("d" * 100)).run != layout.run


def test_every_placeholder_has_a_value_and_no_secret_is_shared(
    settings: NodeSettings, install: Install
) -> None:
    layout = made(settings)
    identity = load_identity(layout, secrets.token_hex)
    files = render_files(settings, layout, identity, install)
    assert {"asterisk.conf", "pjsip.conf", "maskline.conf", "manager.conf"} <= files.keys()
    for name, text in files.items():
        assert "%{" not in text, name
    assert f"systemname = {identity.name}" in files["asterisk.conf"]
    assert "bind = 127.0.0.1:5066" in files["pjsip.conf"]
    assert "ROUTE_TIMEOUT_S=3" in files["extensions.conf"]
    logins = re.findall(r"^secret = (.+)$", files["manager.conf"], re.MULTILINE)
    assert len(set(logins)) == 2


@pytest.mark.parametrize(
    ("version", "line"),
    [
        (Version(22, 10), "eventfilter(action(include),name(Hangup)) ="),
        (Version(20, 10), "eventfilter(action(include),name(Hangup)) ="),
        (Version(20, 6), "eventfilter = ^Event: Hangup"),
        (Version(21, 1), "eventfilter = ^Event: Hangup"),
    ],
)
def test_event_filters_are_of_the_kind_the_version_knows(
    settings: NodeSettings, install: Install, version: Version, line: str
) -> None:
    layout = made(settings)
    identity = load_identity(layout, secrets.token_hex)
    files = render_files(settings, layout, identity, replace(install, version=version))
    assert line in files["manager.conf"].splitlines()


def test_an_older_asterisk_writes_the_same_rows(settings: NodeSettings, install: Install) -> None:
    layout = made(settings)
    identity = load_identity(layout, secrets.token_hex)
    new = render_files(settings, layout, identity, install)
    (install.modules_dir / "res_cdrel_custom.so").unlink()
    old = render_files(settings, layout, identity, install)

    (fields,) = re.findall(r"^fields = (.+)$", new["cel_custom.conf"], re.MULTILINE)
    (template,) = re.findall(r"^events.jsonl => (.+)$", old["cel_custom.conf"], re.MULTILINE)
    assert list(json.loads(template)) == fields.split(",")
    assert "require = res_cdrel_custom.so" in new["modules.conf"]
    assert "require = res_cdrel_custom.so" not in old["modules.conf"]


def test_the_fingerprint_changes_with_what_asterisk_is_started_on(
    settings: NodeSettings, install: Install
) -> None:
    layout = made(settings)
    identity = load_identity(layout, secrets.token_hex)

    def of(settings: NodeSettings, install: Install) -> str:
        return fingerprint(render_files(settings, layout, identity, install), install)

    assert of(settings, install) == of(settings, install)
    assert of(settings, install) != of(replace(settings, route_timeout_s=2.0), install)
    assert of(settings, install) != of(settings, replace(install, argv=("/opt/asterisk",)))


def test_a_path_that_asterisk_would_misread_is_refused(
    settings: NodeSettings, install: Install, tmp_path: Path
) -> None:
    settings = replace(settings, data_dir=tmp_path / "a;b")
    layout = made(settings)
    with pytest.raises(DataFolderUnusable, match="Asterisk cannot read such a path"):
        render_node(settings, layout, load_identity(layout, secrets.token_hex), install)


def test_sounds_are_linked_and_announcements_put_beside_them(
    settings: NodeSettings, install: Install, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts"
    for language in ("en", "ru"):
        (prompts / language / "maskline").mkdir(parents=True)
        (prompts / language / "maskline" / "try-again.wav").touch()
    layout = made(settings)
    identity = load_identity(layout, secrets.token_hex)
    for _ in range(2):  # a second time changes nothing
        render_node(replace(settings, prompts_dir=prompts), layout, identity, install)
    for language in ("en", "ru"):
        folder = layout.share / "sounds" / language
        assert (folder / "beep.gsm").is_file()
        assert (folder / "maskline" / "try-again.wav").is_file()


@pytest.mark.parametrize(
    ("host", "named"), [("0.0.0.0", None), ("::", None), ("192.0.2.1", "192.0.2.1"), ("h", None)]
)
def test_sdp_names_an_address_only_where_there_is_one(
    settings: NodeSettings, host: str, named: str | None
) -> None:
    assert media_address(replace(settings, sip_host=host)) == named


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_taken_sip_port_is_noticed(settings: NodeSettings, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}: it is in use"):
            check_ports(replace(settings, sip_port=port))
        if kind == socket.SOCK_STREAM:
            assert not tcp_port_is_free("127.0.0.1", port)


@pytest.mark.parametrize(("first", "last"), [(30_100, 30_000), (80, 90), (60_000, 70_000)])
def test_an_rtp_range_that_is_none_is_refused(
    settings: NodeSettings, first: int, last: int
) -> None:
    with pytest.raises(PortTaken, match="the range must lie within"):
        check_ports(replace(settings, rtp_first=first, rtp_last=last))


def test_a_start_is_written_on_a_line_of_its_own(settings: NodeSettings) -> None:
    layout = made(settings)
    append_node_start(layout, "b1")
    with layout.events.open("a") as file:
        file.write('{"eventtime":"17')  # cut off by kill -9
    append_node_start(layout, "b2", 1_700_000_000.25)

    lines = layout.events.read_text().splitlines()
    assert [json.loads(lines[index])["userdeftype"] for index in (0, 2)] == [
        "NODE_START;boot=b1",
        "NODE_START;boot=b2;died=1700000000.250000",
    ]
    assert layout.events.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("pid", ["", "x", "999999999", "own"])
def test_a_process_that_is_not_ours_is_not_found(settings: NodeSettings, pid: str) -> None:
    layout = made(settings)
    layout.pid_file.write_text(str(os.getpid()) if pid == "own" else pid)
    assert AsteriskProcess.find(layout) is None
