"""Asterisk's configuration of a node, rendered from the templates of `asterisk-config/`.

A template is the file itself with %{name} where a value goes; nothing else is interpreted, and a
name without a value is an error. Never starts or reloads Asterisk.
"""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import ClassVar

from telephony.errors import DataFolderUnusable
from telephony.install import AsteriskInstall
from telephony.layout import Identity, Layout, NodeSettings, write_private

__all__ = [
    "AGENT_USER",
    "CONTROL_USER",
    "EVENTS_USER",
    "HEARD_EVENTS",
    "media_address",
    "render_node",
]

EVENTS_USER = "maskline-events"
CONTROL_USER = "maskline-control"
AGENT_USER = "maskline-agent"

HEARD_EVENTS = ("FullyBooted", "UserEvent", "DialState", "DialEnd", "Hangup")
"""All that the event login hears."""

_DISABLED_EVENTS = (
    *("Newchannel", "Newexten", "NewConnectedLine", "NewCallerid", "NewAccountCode", "Newstate"),
    *("DialBegin", "BridgeCreate", "BridgeDestroy", "BridgeEnter", "BridgeLeave", "BridgeMerge"),
    *("DeviceStateChange", "RTCPSent", "RTCPReceived", "MusicOnHoldStart", "MusicOnHoldStop"),
    *("HangupRequest", "SoftHangupRequest", "HangupHandlerPush", "HangupHandlerRun", "TestEvent"),
    *("VarSet", "Hold", "Unhold", "DTMFBegin", "DTMFEnd", "ContactStatusDetail"),
)

_ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = _ROOT / "asterisk-config"
DIALPLAN = _ROOT / "dialplans" / "maskline.conf"

_EVENT_FIELDS = ("eventtime", "eventenum", "userdeftype", "uniqueid", "linkedid", "channame")


class _ConfTemplate(Template):
    delimiter = "%"
    braceidpattern: ClassVar[str] = r"[a-z_]+"
    # Only %{name}: a bare %T belongs to Asterisk.
    pattern = r"""
        %(?:(?P<escaped>%(?=\{)) | (?P<named>(?!)) | \{(?P<braced>[a-z_]+)\} | (?P<invalid>(?!)))
    """


def render_node(
    settings: NodeSettings,
    layout: Layout,
    identity: Identity,
    install: AsteriskInstall,
) -> None:
    """Write DIR/node/conf (but for the trunks) and the links of DIR/node/share.

    Raises DataFolderUnusable.
    """
    values = _values(settings, layout, identity, install)
    try:
        for template in sorted(TEMPLATES.glob("*.conf")):
            text = _ConfTemplate(template.read_text()).substitute(values)
            write_private(layout.conf / template.name, text)
        write_private(layout.conf / DIALPLAN.name, DIALPLAN.read_text())
        trunks = layout.conf / "pjsip_trunks.conf"
        if not trunks.exists():
            write_private(trunks, "")
        _link_share(settings, layout, install)
    except OSError as error:
        raise DataFolderUnusable(layout.root, error.strerror or str(error)) from error


def media_address(settings: NodeSettings) -> str | None:
    """The address that SDP names: the one the node listens on, None where it listens on all."""
    try:
        address = ipaddress.ip_address(settings.sip_host)
    except ValueError:
        return None
    return None if address.is_unspecified else str(address)


def _values(
    settings: NodeSettings, layout: Layout, identity: Identity, install: AsteriskInstall
) -> Mapping[str, str]:
    advanced = (install.modules_dir / "res_cdrel_custom.so").exists()
    host = f"[{settings.sip_host}]" if ":" in settings.sip_host else settings.sip_host
    ami = identity.ami
    return {
        "etc_dir": str(layout.conf),
        "modules_dir": str(install.modules_dir),
        "var_dir": str(layout.var),
        "share_dir": str(layout.share),
        "spool_dir": str(layout.spool),
        "run_dir": str(layout.run),
        "log_dir": str(layout.log),
        "node": identity.name,
        "max_calls": str(settings.max_calls),
        "cdrel_module": "require = res_cdrel_custom.so" if advanced else "; built into cel_custom",
        "sip_bind": f"{host}:{settings.sip_port}",
        "rtp_first": str(settings.rtp_first),
        "rtp_last": str(settings.rtp_last),
        "ami_port": str(ami.port),
        "events_user": EVENTS_USER,
        "events_secret": ami.events_secret,
        "control_user": CONTROL_USER,
        "control_secret": ami.control_secret,
        "agent_user": AGENT_USER,
        "agent_secret": ami.agent_secret,
        "disabled_events": ",".join(_DISABLED_EVENTS),
        "event_filters": "\n".join(f"eventfilter = ^Event: {name}" for name in HEARD_EVENTS),
        "cel_mapping": _advanced_mapping() if advanced else _legacy_mapping(),
        "route_timeout_s": f"{settings.route_timeout_s:g}",
        "language": settings.language,
    }


def _advanced_mapping() -> str:
    return f"[events.jsonl]\nformat = json\nfields = {','.join(_EVENT_FIELDS)}"


def _legacy_mapping() -> str:
    """The same rows for Asterisk without res_cdrel_custom (before 22.8 and 20.18)."""
    where = {
        "uniqueid": "CHANNEL(uniqueid)",
        "linkedid": "CHANNEL(linkedid)",
        "channame": "CHANNEL(channame)",
    }
    pairs = ",".join(f'"{name}":"${{{where.get(name, name)}}}"' for name in _EVENT_FIELDS)
    return f"[mappings]\nevents.jsonl => {{{pairs}}}"


def _link_share(settings: NodeSettings, layout: Layout, install: AsteriskInstall) -> None:
    """Asterisk's own documentation and core sounds, and beside them our announcements."""
    _link(layout.share / "documentation", install.data_dir / "documentation")
    core = install.data_dir / "sounds"
    sounds = layout.share / "sounds"
    for language in ("en", "ru"):
        folder = sounds / language
        folder.mkdir(mode=0o700, exist_ok=True)
        source = core / language
        if source.is_dir():
            for item in source.iterdir():
                if item.name != "maskline":
                    _link(folder / item.name, item)
        if settings.prompts_dir is not None:
            prompts = settings.prompts_dir / language / "maskline"
            if prompts.is_dir() and prompts != folder / "maskline":
                _link(folder / "maskline", prompts)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink():
        if link.readlink() == target:
            return
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    link.symlink_to(target)
