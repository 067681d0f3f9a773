"""Which commands there are and what they take.

Does none of it: a command is imported when it is chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from maskline.cli.record_options import add_export_options
from maskline.cli.values import crowd, day, duration, moment, share

Run = Callable[[argparse.Namespace], int]
SERVE_ROLES = ("api", "controller", "ingest", "deliver")


def build_parser() -> argparse.ArgumentParser:
    """The parser; what it returns has `run`."""
    parser = argparse.ArgumentParser(prog="maskline", description="Masked calls for marketplaces.")
    parser.add_argument("--version", action="version", version=f"maskline {version('maskline')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _serving(commands)
    _looking(commands)
    _keys(commands)
    _staff(commands)
    _numbers(commands)
    _pools(commands)
    _inspect(commands)
    _person(commands)
    _trunks(commands)
    _records(commands)
    _recordings(commands)
    _analytics(commands)
    _asterisk(commands)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 (has no public name)


def _serving(commands: _Commands) -> None:
    up = _command(commands, "up", "run everything on this machine", "serve", "up")
    _addresses(up)
    up.add_argument("--demo", action="store_true", help="then place a few real calls and show them")
    serve = _command(commands, "serve", "run single roles", "serve", "serve")
    serve.add_argument(
        "role", nargs="+", choices=SERVE_ROLES, metavar="ROLE", help=", ".join(SERVE_ROLES)
    )
    _addresses(serve)


def _looking(commands: _Commands) -> None:
    doctor = _command(commands, "doctor", "say what is missing or wrong", "look", "doctor")
    _addresses(doctor)
    _command(commands, "demo", "place real calls through a simulated carrier", "look", "demo")


def _keys(commands: _Commands) -> None:
    group = _group(commands, "keys", "API keys, and the key of the vault")
    create = _command(group, "create", "make a key and print it", "keys", "create")
    create.add_argument("--role", required=True, choices=("platform", "staff", "operator", "admin"))
    create.add_argument("--name", required=True, help="whose it is, for people")
    _command(group, "list", "list keys", "keys", "show")
    revoke = _command(group, "revoke", "end a key", "keys", "revoke")
    revoke.add_argument("id", help="key_…")
    rotate = _command(
        group, "rotate", "rotate the vault's key, which phones are sealed with", "vault", "rotate"
    )
    rotate.add_argument("--no-wait", action="store_true", help="begin, and look later")
    _command(group, "status", "say how far a rotation is", "vault", "status")


def _staff(commands: _Commands) -> None:
    group = _group(commands, "staff", "accounts of the console")
    add = _command(group, "add", "make an account and print its first password", "staff", "add")
    add.add_argument("login")
    add.add_argument("--role", required=True, choices=("agent", "supervisor", "operator", "admin"))
    add.add_argument("--name", help="as others see it (default: the login)")
    languages = ("browser", "ru", "en")
    add.add_argument("--language", default="browser", choices=languages, help="(default: browser)")
    _command(group, "list", "list accounts", "staff", "show")
    fresh = _command(group, "passwd", "print a new first password", "staff", "password")
    fresh.add_argument("--reset-code", action="store_true", help="take the second factor off")
    lock = _command(group, "lock", "shut an account out, at once", "staff", "lock")
    unlock = _command(group, "unlock", "let an account in again", "staff", "unlock")
    for command in (fresh, lock, unlock):
        command.add_argument("login")


def _recordings(commands: _Commands) -> None:
    group = _group(commands, "recordings", "recordings of calls")
    verify = _command(
        group, "verify", "hold every recording against its file", "recordings", "verify"
    )
    verify.add_argument("--quick", action="store_true", help="look at sizes only")
    log = _group(commands, "audit", "who heard, read or took what is not theirs")
    _command(log, "verify", "say whether the audit log is as written", "recordings", "audit")


def _inspect(commands: _Commands) -> None:
    inspect = _command(
        commands, "inspect", "say whom a number reaches for a caller, and why", "inspect", "inspect"
    )
    inspect.add_argument("number", help="the proxy number; the caller's phone is read from stdin")
    inspect.add_argument("--at", type=moment, metavar="TIME", help="a past moment, RFC 3339")
    inspect.add_argument(
        "--digits",
        action="append",
        metavar="DIGITS",
        help="what the caller types when asked; may be repeated (a PIN here is seen by others)",
    )


def _numbers(commands: _Commands) -> None:
    group = _group(commands, "numbers", "proxy numbers")
    into = _command(group, "import", "add numbers, one a line", "numbers", "import_numbers")
    into.add_argument("file", metavar="FILE", help="a text file, or - for standard input")
    into.add_argument("--pool", default="default")
    into.add_argument("--trunk", required=True, help="the trunk that brings their calls")


def _pools(commands: _Commands) -> None:
    group = _group(commands, "pools", "pools of proxy numbers")
    _command(group, "list", "list pools with their head-room", "pools", "show")
    plan = _command(group, "plan", "say how many numbers are needed, and why", "pools", "plan")
    plan.add_argument("--chart", type=Path, metavar="FILE.svg", help="also draw it")
    plan.add_argument(
        "--digits",
        type=share,
        default=0.01,
        metavar="SHARE",
        help="under the rule extension: how many leases may be dialled with digits (default: 0.01)",
    )
    past = plan.add_argument_group("from the pool's own past, read from the database")
    past.add_argument("--pool", default="default")
    past.add_argument("--days", type=int, default=90, help="how far back (default: 90)")
    said = plan.add_argument_group("from traffic that is only stated")
    said.add_argument("--participants", type=int, metavar="N", help="of the busier side: sellers")
    said.add_argument("--sessions-per-day", type=float, metavar="N", help="of all participants")
    said.add_argument("--ttl", type=duration, metavar="1d", help="how long a session lives")
    said.add_argument(
        "--cool-down", type=duration, default="7d", metavar="7d", help="the one in force"
    )
    said.add_argument(
        "--dealers",
        type=crowd,
        action="append",
        default=[],
        metavar="N:PER_DAY",
        help="of the participants, so many have so many sessions a day each; may be repeated",
    )
    said.add_argument(
        "--recycle-after", type=duration, default="3h", metavar="3h", help="idle so long"
    )
    said.add_argument(
        "--refused",
        type=share,
        default=0.0001,
        metavar="SHARE",
        help="how many openings may be refused (default: 0.0001)",
    )


def _person(commands: _Commands) -> None:
    group = _group(commands, "person", "what is kept of a person")
    export = _command(group, "export", "write everything kept of a person", "person", "export")
    export.add_argument("--out", type=Path, metavar="FILE", help="a new file; else standard output")
    export.add_argument("--with-phones", action="store_true", help="their own phones, in clear")
    erase = _command(
        group, "erase", "say what would be erased; with --yes, erase it", "person", "erase"
    )
    erase.add_argument("--yes", action="store_true", help="erase: there is no way back")
    for command in (export, erase):
        who = command.add_mutually_exclusive_group(required=True)
        who.add_argument("--user", metavar="ID", help="by the platform's user id")
        who.add_argument("--phone", action="store_true", help="by phone, read from stdin")


def _trunks(commands: _Commands) -> None:
    group = _group(commands, "trunks", "SIP trunks to carriers")
    _command(group, "list", "list trunks", "trunks", "show")
    add = _command(group, "add", "add a trunk", "trunks", "add")
    add.add_argument("name")
    add.add_argument("--host", required=True)
    change = _command(group, "set", "change a trunk", "trunks", "change")
    change.add_argument("name")
    change.add_argument("--host")
    change.add_argument("--enabled", choices=("yes", "no"))
    for command in (add, change):
        command.add_argument("--port", type=int)
        command.add_argument("--transport", choices=("udp", "tcp", "tls"))
        command.add_argument(
            "--media-encryption",
            choices=("none", "sdes"),
            help="of the audio: sdes is SRTP, and needs --transport tls",
        )
        command.add_argument(
            "--username", help="digest; the password is asked for or read from stdin"
        )
        command.add_argument("--register", action="store_true", help="we register with the carrier")
        command.add_argument("--number-format", choices=("e164", "e164_bare", "national"))
        command.add_argument("--country", metavar="CC")
        command.add_argument("--codecs", metavar="alaw,ulaw")
        command.add_argument("--max-channels", type=int)
        command.add_argument("--max-cps", type=int)
        command.add_argument("--priority", type=int)
        for side in ("inbound", "outbound", "trusted"):
            command.add_argument(f"--{side}", choices=("yes", "no"))
    remove = _command(group, "remove", "remove a trunk", "trunks", "remove")
    remove.add_argument("name")


def _records(commands: _Commands) -> None:
    group = _group(commands, "records", "call records and their ledger")
    verify = _command(group, "verify", "say whether every record is as kept", "records", "verify")
    verify.add_argument(
        "--file", type=Path, metavar="EXPORT", help="an export instead: .jsonl, .csv"
    )
    verify.add_argument(
        "--heads", type=Path, metavar="FILE", help="heads that were kept elsewhere (records head)"
    )
    verify.add_argument("--part", action="store_true", help="the export is of some records only")
    verify.add_argument("--json", action="store_true", help="print JSON")
    head = _command(group, "head", "print where each chain stands, as JSON", "records", "head")
    for command in (verify, head):
        command.add_argument("--day", type=day, metavar="2026-11-22", help="of one day (UTC)")
        command.add_argument("--node", help="of one node")
    out = _command(group, "export", "write call records into a file", "export", "export")
    add_export_options(out)


def _analytics(commands: _Commands) -> None:
    group = _group(commands, "analytics", "what calls come to, in figures")
    funnel = _command(group, "funnel", "show how far calls come", "analytics", "funnel")
    funnel.add_argument("--chart", type=Path, metavar="FILE.svg", help="also draw it")
    lift = _command(group, "lift", "show what the Call button adds", "analytics", "lift")
    lift.add_argument("--confidence", default="0.95", choices=("0.8", "0.9", "0.95", "0.99"))
    traffic = _command(group, "traffic", "show ASR, ACD, PDD and MOS", "analytics", "traffic")
    rebuild = _command(group, "rebuild", "count the records anew", "analytics", "recount")
    rebuild.add_argument("--check", action="store_true", help="only say whether all is right")
    for command, by in ((funnel, "day"), (traffic, "trunk")):
        command.add_argument("--by", default=by, metavar="day,…", help=f"(default: {by})")
        command.add_argument("--csv", action="store_true", help="print CSV")
    for command in (funnel, lift):
        command.add_argument("--category", help="of one category only")
    for command in (funnel, lift, traffic, rebuild):
        command.add_argument(
            "--from", dest="since", type=moment, metavar="TIME", help="default: a week back"
        )
        command.add_argument("--until", type=moment, metavar="TIME", help="default: now")


def _asterisk(commands: _Commands) -> None:
    group = _group(commands, "asterisk", "the Asterisk that Maskline drives")
    _command(group, "install", "unpack what is missing, without root", "asterisk", "install")
    render = _command(
        group, "render", "write the configuration and show where", "asterisk", "render"
    )
    _addresses(render)
    _command(group, "lint", "check the dialplan and the templates", "asterisk", "lint")


def _addresses(command: argparse.ArgumentParser) -> None:
    command.add_argument("--http", metavar="HOST:PORT", help="of the API")
    command.add_argument("--sip", metavar="HOST:PORT", help="toward carriers")
    command.add_argument("--ws", metavar="HOST:PORT", help="toward apps in browsers")
    command.add_argument("--rtp", metavar="FIRST-LAST", help="UDP ports for audio")


def _group(commands: _Commands, name: str, text: str) -> _Commands:
    made = commands.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
    return made.add_subparsers(metavar="COMMAND", required=True)


def _command(
    commands: _Commands, name: str, text: str, module: str, function: str
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    made.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (default: maskline.toml)"
    )
    made.add_argument(
        "--data", type=Path, metavar="DIR", help="everything that is kept (default: data)"
    )

    def run(arguments: argparse.Namespace) -> int:
        chosen: Run = getattr(import_module(f"maskline.cli.{module}"), function)
        return chosen(arguments)

    made.set_defaults(run=run)
    return made
