"""Where everything of one node lives, and the little that it keeps for good: name, AMI logins.

Never starts anything, never asks Asterisk.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import socket
import stat
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

from telephony.errors import AlreadyRunning, DataFolderUnusable

__all__ = [
    "AmiAccess",
    "Doors",
    "Identity",
    "Layout",
    "NodeSettings",
    "conf_path",
    "free_loopback_port",
    "kept_port",
    "kept_udp_port",
    "load_identity",
    "make_folders",
    "read_doors",
    "save_ami",
    "save_doors",
    "take_lock",
    "write_private",
]

SOCKET_NAME = "asterisk.ctl"
_CANNOT_STAND = re.compile(r"[\x00-\x1f;\\]")
_SOCKET_PATH_BYTES = 100
"""Below the 108 of sockaddr_un, with room for what Asterisk appends while it binds."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What an operator chooses for a node. AMI takes a free loopback port of its own.

    WebSockets do so too, at `ws_host`, where no `ws_port` is given.
    """

    data_dir: Path
    sip_host: str = "0.0.0.0"  # noqa: S104 - a SIP server listens where it is told to
    sip_port: int = 5060
    rtp_first: int = 10_000
    rtp_last: int = 20_000
    route_timeout_s: float = 3.0
    max_calls: int = 2_000  # channels, two for a call
    language: str = "ru"  # of the announcement when no controller says which
    prompts_dir: Path | None = None  # holds ru/maskline/… and en/maskline/…
    ws_host: str = "127.0.0.1"
    ws_port: int | None = None
    tls_cert: Path | None = None  # with its key: WebSockets are wss then
    tls_key: Path | None = None
    sip_tls: tuple[str, int] | None = None  # SIP over TLS, for native apps and carriers
    sip_tls_ca: Path | None = None  # who vouches for carriers; None: whom this machine trusts
    app_domain: str | None = None  # HOST of the addresses that apps call; else the SIP host
    sip_ladder: bool = False  # whether Asterisk says over HEP what it sends and receives


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a node below the data folder."""

    root: Path
    run: Path

    @classmethod
    def of(cls, data_dir: Path) -> Layout:
        """The layout for a data folder; the run folder is elsewhere where the path is too long.

        A Unix socket's path must stay below 108 bytes.
        """
        root = data_dir.absolute() / "node"
        run = root / "run"
        if len(os.fsencode(run / SOCKET_NAME)) > _SOCKET_PATH_BYTES:
            run = _short_run_dir(root)
        return cls(root, run)

    @property
    def conf(self) -> Path:
        """Asterisk's configuration, rendered."""
        return self.root / "conf"

    @property
    def log(self) -> Path:
        """Asterisk's log of errors."""
        return self.root / "log"

    @property
    def spool(self) -> Path:
        """The event file and its rotated elders."""
        return self.root / "spool"

    @property
    def recordings(self) -> Path:
        """What Asterisk writes of recorded talks; it knows the folder as its `monitor`."""
        return self.spool / "recordings"

    @property
    def var(self) -> Path:
        """Asterisk's own database."""
        return self.root / "var"

    @property
    def share(self) -> Path:
        """Asterisk's data folder: links to its documentation and sounds, and our announcements."""
        return self.root / "share"

    @property
    def events(self) -> Path:
        """The event file."""
        return self.spool / "events.jsonl"

    @property
    def pid_file(self) -> Path:
        """Written by Asterisk itself."""
        return self.run / "asterisk.pid"

    @property
    def lock_file(self) -> Path:
        """Held by the Maskline that owns the node."""
        return self.root / "lock"

    @property
    def asterisk_conf(self) -> Path:
        """The file that Asterisk is started on, and known by."""
        return self.conf / "asterisk.conf"

    @property
    def hep_conf(self) -> Path:
        """Where Asterisk says what it sends and receives."""
        return self.conf / "hep.conf"

    @property
    def trunks_conf(self) -> Path:
        """The trunks, written again whenever they change."""
        return self.conf / "pjsip_trunks.conf"

    @property
    def lookups_conf(self) -> Path:
        """Where Asterisk asks for apps, written again when that moves."""
        return self.conf / "extconfig.conf"

    @property
    def fingerprint(self) -> Path:
        """Of the configuration that the running Asterisk was started on."""
        return self.run / "fingerprint"

    @property
    def output(self) -> Path:
        """What Asterisk printed before it could log."""
        return self.log / "asterisk.out"

    @property
    def error_log(self) -> Path:
        """Asterisk's errors."""
        return self.log / "asterisk.log"

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them, outer first."""
        return (
            *(self.root, self.conf, self.run, self.log, self.spool, self.var, self.share),
            *(self.share / "sounds", self.recordings),
        )


def _short_run_dir(root: Path) -> Path:
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    # The same data folder leads to the same run folder, also after we were killed.
    digest = hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()
    return base / f"maskline-{os.getuid()}-{digest}"


def take_lock(path: Path, data_dir: Path) -> int:
    """Lock the node's folder; the open file. Raises DataFolderUnusable or AlreadyRunning."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataFolderUnusable(path, error.strerror or str(error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        os.close(lock)
        pid = int(holder) if holder.isdigit() else None
        raise AlreadyRunning(data_dir, pid) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def make_folders(layout: Layout) -> None:
    """Make the folders, readable by nobody else. Raises DataFolderUnusable."""
    try:
        layout.root.parent.mkdir(parents=True, exist_ok=True)
        for folder in layout.folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            info = folder.lstat()
            if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
                raise DataFolderUnusable(folder, "it belongs to somebody else")
            folder.chmod(0o700)
        # cel_custom puts a file of that name below its log folder on every Asterisk version.
        events = layout.log / "cel-custom"
        if not events.is_symlink():
            events.symlink_to(layout.spool, target_is_directory=True)
        # MixMonitor puts files there whose name is no path: so no path stands in the dialplan.
        monitor = layout.spool / "monitor"
        if not monitor.is_symlink():
            monitor.symlink_to(layout.recordings, target_is_directory=True)
        probe = layout.root / ".probe"
        write_private(probe, "")
        probe.unlink()
    except OSError as error:
        raise DataFolderUnusable(layout.root, error.strerror or str(error)) from error


def conf_path(path: Path) -> str:
    """A path as Asterisk reads it. Raises DataFolderUnusable where it would read another."""
    text = str(path)
    if _CANNOT_STAND.search(text) or text != text.strip():
        raise DataFolderUnusable(path, "Asterisk cannot read such a path")
    return text


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@dataclass(frozen=True, slots=True)
class AmiAccess:
    """The loopback port of AMI and the secrets of the logins."""

    port: int
    controller_secret: str = field(repr=False)
    agent_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Doors:
    """The kept ports of WebSockets, look-ups and HEP, and the secret path of look-ups."""

    ws_port: int
    lookup_port: int
    lookup_secret: str = field(repr=False)
    hep_port: int = 0  # UDP; 0: none was ever needed
    tls_port: int = 0  # of the transport that trunks go out by; likewise

    @property
    def hep_secret(self) -> str:
        """What tells this node's HEP from anybody else's."""
        return hashlib.blake2b(
            self.lookup_secret.encode(), digest_size=16, person=b"hep"
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node is for ever: its secret name (Asterisk's `systemname`), and its kept ports."""

    name: str = field(repr=False)
    ami: AmiAccess
    doors: Doors


_NAME = re.compile(r"n[0-9a-f]{12}")
_LOWEST, _KERNELS = 20_000, 32_768  # Linux gives out those from 32,768 on
_TRIES = 100


def load_identity(layout: Layout, token_hex: Callable[[int], str]) -> Identity:
    """Read the identity, or make and keep one. Raises DataFolderUnusable.

    `token_hex(n)` gives n random bytes in hex.
    """
    name_file, ami_file = layout.root / "name", layout.root / "ami.json"
    try:
        name = name_file.read_text().strip() if name_file.exists() else ""
        if not _NAME.fullmatch(name):
            if name:
                raise DataFolderUnusable(name_file, "it does not hold a node's name")
            name = f"n{token_hex(6)}"
            write_private(name_file, name + "\n")
        doors = _load_doors(layout, token_hex)
        if ami_file.exists():
            return Identity(name, AmiAccess(**json.loads(ami_file.read_text())), doors)
        ami = AmiAccess(free_loopback_port(), token_hex(24), token_hex(24))
        save_ami(layout, ami)
    except OSError as error:
        raise DataFolderUnusable(layout.root, error.strerror or str(error)) from error
    except (ValueError, TypeError) as error:
        raise DataFolderUnusable(ami_file, "it is damaged; remove it while nothing runs") from error
    return Identity(name, ami, doors)


def _load_doors(layout: Layout, token_hex: Callable[[int], str]) -> Doors:
    file = layout.root / "doors.json"
    if file.exists():
        try:
            return Doors(**json.loads(file.read_text()))
        except (ValueError, TypeError) as error:
            raise DataFolderUnusable(file, "it is damaged; remove it while nothing runs") from error
    ws_port = kept_port(token_hex)
    doors = Doors(ws_port, kept_port(token_hex, ws_port), token_hex(24))
    save_doors(layout, doors)
    return doors


def read_doors(layout: Layout) -> Doors | None:
    """The ports that a node of this folder keeps; None where none ever ran on it."""
    try:
        return Doors(**json.loads((layout.root / "doors.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def save_doors(layout: Layout, doors: Doors) -> None:
    """Keep the ports."""
    write_private(layout.root / "doors.json", json.dumps(asdict(doors)))


def kept_port(token_hex: Callable[[int], str], *taken: int) -> int:
    """Return a free TCP port that nobody gets by chance: below those that kernels give out.

    A port that is kept must still be free when we come back to it.
    """
    for _ in range(_TRIES):
        port = _LOWEST + int(token_hex(4), 16) % (_KERNELS - _LOWEST)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            return port
    return free_loopback_port()


def kept_udp_port(settings: NodeSettings, token_hex: Callable[[int], str]) -> int:
    """Likewise for UDP; never one of those that RTP may take."""
    rtp = range(settings.rtp_first, settings.rtp_last + 1)
    free = [
        port
        for port in chain(range(_LOWEST, _KERNELS), range(6_000, _LOWEST))
        if port not in rtp and port != settings.sip_port
    ][: _KERNELS - _LOWEST]
    for _ in range(_TRIES):
        port = free[int(token_hex(4), 16) % len(free)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise DataFolderUnusable(settings.data_dir, "no UDP port of loopback is free")


def save_ami(layout: Layout, ami: AmiAccess) -> None:
    """Keep the AMI access."""
    write_private(layout.root / "ami.json", json.dumps(asdict(ami)))


def free_loopback_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses at this moment; the kernel chooses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
