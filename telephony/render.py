"""Asterisk's configuration of a node, rendered from the templates of `asterisk-config/`.

A template is the file itself with %{name} where a value goes; nothing else is interpreted, and a
name without a value is an error. Never starts or reloads Asterisk.
"""

from __future__ import annotations

import hashlib
import re
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path

from telephony.app_config import app_values, lookups_conf
from telephony.errors import DataFolderUnusable
from telephony.install import AsteriskInstall
from telephony.layout import Identity, Layout, NodeSettings, conf_path, write_private

__all__ = [
    "AGENT_USER",
    "CONTROLLER_USER",
    "DIALPLAN",
    "HEARD_EVENTS",
    "TEMPLATES",
    "fingerprint",
    "render_files",
    "render_node",
    "write_hep",
    "write_lookups",
    "write_node",
]

CONTROLLER_USER = "maskline-controller"
AGENT_USER = "maskline-agent"

HEARD_EVENTS = ("FullyBooted", "UserEvent", "DialEnd", "Hangup", "SuccessfulAuth")
"""All that the controller hears."""

_DISABLED_EVENTS = (
    *("Newchannel", "Newexten", "NewConnectedLine", "NewCallerid", "NewAccountCode", "Newstate"),
    *(
        "DialBegin",
        "DialState",
        "BridgeCreate",
        "BridgeDestroy",
        "BridgeEnter",
        "BridgeLeave",
        "BridgeMerge",
    ),
    *("DeviceStateChange", "RTCPSent", "RTCPReceived", "MusicOnHoldStart", "MusicOnHoldStop"),
    *("HangupRequest", "SoftHangupRequest", "HangupHandlerPush", "HangupHandlerRun", "TestEvent"),
    *("VarSet", "Hold", "Unhold", "DTMFBegin", "DTMFEnd", "ContactStatusDetail"),
    # Of who proves himself it is heard that he has; a login is woken for each other one as well.
    *("ChallengeSent", "ChallengeResponseFailed", "InvalidAccountID", "InvalidPassword"),
)

_MOST_FILES = 65_536
_ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = _ROOT / "asterisk-config"
DIALPLAN = _ROOT / "dialplans" / "maskline.conf"

_EVENT_FIELDS = ("eventtime", "eventenum", "userdeftype", "uniqueid", "linkedid", "channame")


_HEP_MODULES = "load = res_hep.so\nload = res_hep_pjsip.so"
_PLACEHOLDER = re.compile(r"%\{([a-z_]+)\}")


def render_files(
    settings: NodeSettings, layout: Layout, identity: Identity, install: AsteriskInstall
) -> dict[str, str]:
    """Return every file of DIR/node/conf but the trunks' and the look-ups', by name."""
    values = _values(settings, layout, identity, install)
    files = {
        template.name: _fill(template.read_text(), values)
        for template in sorted(TEMPLATES.glob("*.conf"))
    }
    for dialplan in sorted(DIALPLAN.parent.glob("*.conf")):
        files[dialplan.name] = dialplan.read_text()
    return files


def fingerprint(files: Mapping[str, str], install: AsteriskInstall) -> str:
    """Return what differs when an Asterisk runs on another configuration or is another one."""
    digest = hashlib.sha256("\0".join(install.argv).encode())
    for name, text in sorted(files.items()):
        digest.update(f"\0{name}\0{text}".encode())
    return digest.hexdigest()


def write_node(
    settings: NodeSettings, layout: Layout, install: AsteriskInstall, files: Mapping[str, str]
) -> None:
    """Write DIR/node/conf (but for trunks and look-ups) and the links of DIR/node/share.

    Raises DataFolderUnusable.
    """
    try:
        for name, text in files.items():
            write_private(layout.conf / name, text)
        trunks = layout.trunks_conf
        if not trunks.exists():
            write_private(trunks, "")
        _link_share(settings, layout, install)
    except OSError as error:
        raise DataFolderUnusable(layout.root, error.strerror or str(error)) from error


def render_node(
    settings: NodeSettings, layout: Layout, identity: Identity, install: AsteriskInstall
) -> None:
    """Render and write. Raises DataFolderUnusable."""
    write_node(settings, layout, install, render_files(settings, layout, identity, install))
    write_lookups(layout, identity)
    write_hep(settings, layout, identity)


def write_hep(settings: NodeSettings, layout: Layout, identity: Identity) -> None:
    """Write where Asterisk says what it sends and receives: apart, as look-ups are.

    Raises DataFolderUnusable.
    """
    doors = identity.doors
    # The Call-ID stands in the message; to find the channel's name would cost every message a lock.
    text = (
        f"[general]\nenabled = {'yes' if settings.sip_ladder else 'no'}\n"
        f"capture_address = 127.0.0.1:{doors.hep_port}\ncapture_password = {doors.hep_secret}\n"
        "capture_id = 1\nuuid_type = call-id\n"
    )
    try:
        write_private(layout.hep_conf, text)
    except OSError as error:
        raise DataFolderUnusable(layout.conf, error.strerror or str(error)) from error


def write_lookups(layout: Layout, identity: Identity) -> None:
    """Write where Asterisk asks for apps: apart, for that may move while it runs.

    Raises DataFolderUnusable.
    """
    text = lookups_conf(identity.doors.lookup_port, identity.doors.lookup_secret)
    try:
        write_private(layout.lookups_conf, text)
    except OSError as error:
        raise DataFolderUnusable(layout.conf, error.strerror or str(error)) from error


def _values(
    settings: NodeSettings, layout: Layout, identity: Identity, install: AsteriskInstall
) -> Mapping[str, str]:
    advanced = (install.modules_dir / "res_cdrel_custom.so").exists()
    host = f"[{settings.sip_host}]" if ":" in settings.sip_host else settings.sip_host
    ami = identity.ami
    return {
        "etc_dir": conf_path(layout.conf),
        "modules_dir": conf_path(install.modules_dir),
        "var_dir": conf_path(layout.var),
        "share_dir": conf_path(layout.share),
        "spool_dir": conf_path(layout.spool),
        "run_dir": conf_path(layout.run),
        "log_dir": conf_path(layout.log),
        "node": identity.name,
        "max_calls": str(settings.max_calls),
        "max_files": str(_max_files()),
        "cdrel_module": "require = res_cdrel_custom.so" if advanced else "; built into cel_custom",
        "sip_bind": f"{host}:{settings.sip_port}",
        "rtp_first": str(settings.rtp_first),
        "rtp_last": str(settings.rtp_last),
        "hep_modules": _HEP_MODULES if settings.sip_ladder else "; not wanted (sip_ladder)",
        "ami_port": str(ami.port),
        "controller_user": CONTROLLER_USER,
        "controller_secret": ami.controller_secret,
        "agent_user": AGENT_USER,
        "agent_secret": ami.agent_secret,
        "disabled_events": ",".join(_DISABLED_EVENTS),
        "event_filters": _event_filters(install),
        "cel_mapping": _advanced_mapping() if advanced else _legacy_mapping(),
        "route_timeout_s": f"{settings.route_timeout_s:g}",
        "language": settings.language,
        **app_values(settings, identity.doors, (install.version.major, install.version.minor)),
    }


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Put the values in. Raises KeyError for a name without one."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _max_files() -> int:
    """Ten descriptors for a two-leg call, and as many as we may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)


def _event_filters(install: AsteriskInstall) -> str:
    """What the controller hears: by hash where Asterisk can, else by regular expression."""
    version = (install.version.major, install.version.minor)
    by_name = version >= (21, 5) or (20, 10) <= version < (21, 0)
    line = "eventfilter(action(include),name({})) =" if by_name else "eventfilter = ^Event: {}"
    return "\n".join(line.format(name) for name in HEARD_EVENTS)


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
