"""A private PostgreSQL for tests: on a Unix socket in a folder of its own, gone when they end.

Binaries come from PATH or Debian's /usr/lib/postgresql. PostgreSQL refuses root, so as root the
server runs as another user. Take the fixture `postgres_url`: an empty database for each test.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

_START_S = 30.0
_STOP_S = 20.0
_SKIP = "MASKLINE_TEST_SKIP_POSTGRES"
_UNPRIVILEGED = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # nobody misses this data after a power cut
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
}


class PostgresServer:
    """A server that listens on a socket in `folder` and runs as `account`."""

    def __init__(
        self,
        folder: Path,
        account: pwd.struct_passwd,
        binaries: Path,
        settings: Mapping[str, str] = _SETTINGS,
    ) -> None:
        self.folder = folder
        self._user = account.pw_name
        chosen = [f"--{name}={value}" for name, value in settings.items()]
        places = ["-D", str(folder / "data"), "-k", str(folder)]
        self._command = [*_as(account), str(binaries / "postgres"), *places, *chosen]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the server; its backends are its children."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        """Where `database` is, as Maskline's configuration spells it."""
        return f"postgresql://{self._user}@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """Run one statement of ours outside any transaction."""
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self._conninfo()).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {said[-500:]}") from error
            time.sleep(0.02)

    def stop(self) -> None:
        """Cut every connection and stop; without mercy if it takes long."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)

    def kill_9(self) -> None:
        """SIGKILL to the server and every backend; `start` brings back what was committed."""
        assert self._process is not None
        backends = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait(_STOP_S)
        for one in backends:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(backends, timeout=_STOP_S)

    def _conninfo(self) -> str:
        return f"host={self.folder} user={self._user} dbname=postgres connect_timeout=5"


class PostgresMissing(RuntimeError):
    """There is no PostgreSQL on this machine."""


@contextmanager
def running_postgres(
    settings: Mapping[str, str] = _SETTINGS, keep: Path | None = None
) -> Iterator[PostgresServer]:
    """Start a server, stop it at the end. Raises PostgresMissing.

    It lives in `keep` if that is given, and finds there what an earlier one left.
    """
    binaries = _binaries()
    account = _account()
    # Short, because a socket's path has at most 107 bytes.
    folder = keep or Path(tempfile.mkdtemp(prefix="maskline-pg-", dir="/tmp"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if os.geteuid() == 0:
            os.chown(folder, account.pw_uid, account.pw_gid)
        if not (folder / "data" / "PG_VERSION").exists():
            _initialise(binaries, account, folder / "data")
        server = PostgresServer(folder, account, binaries, settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of a run."""
    if os.environ.get(_SKIP) == "1":
        pytest.skip(f"{_SKIP}=1")
    try:
        with running_postgres() as server:
            yield server
    except PostgresMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with fresh_database(postgres_server) as url:
        yield url


@contextmanager
def fresh_database(server: PostgresServer) -> Iterator[str]:
    """An empty database; dropped at the end, whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name}")
    try:
        yield server.url(name)
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _binaries() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent for found in (shutil.which("postgres"),) if found]
    for folder in (*on_path, *newest_first, Path("/usr/local/bin")):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PostgresMissing(
        f"PostgreSQL is not installed: apt install postgresql (or set {_SKIP}=1 to do without)"
    )


def _account() -> pwd.struct_passwd:
    """Who the server runs as: we, or somebody without rights if we are root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(names[name] for name in _UNPRIVILEGED if name in names)


def _as(account: pwd.struct_passwd) -> list[str]:
    """The beginning of a command that runs as `account` and ends when we do."""
    command = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        command += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return command


def _initialise(binaries: Path, account: pwd.struct_passwd, data: Path) -> None:
    options = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    places = [f"--username={account.pw_name}", f"--pgdata={data}"]
    made = subprocess.run(
        [*_as(account), str(binaries / "initdb"), *options, *places],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=data.parent,
        timeout=_START_S,
        check=False,
        text=True,
    )
    if made.returncode != 0:
        raise RuntimeError(f"initdb failed: {made.stderr.strip().splitlines()[-1:]}")
