"""Checks dialplan and templates against the rules that keep outsiders out: text in, faults out.

What it knows is in the tables below: what may be called, what must never be loaded or granted. A
rule that has to give way gives way here, in sight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

APPLICATIONS = frozenset(
    {
        *(
            "Answer",
            "Bridge",
            "CELGenUserEvent",
            "ChannelRedirect",
            "Dial",
            "Echo",
            "Gosub",
            "Goto",
            "GotoIf",
            "Hangup",
            "HangupCauseClear",
        ),
        *(
            "MixMonitor",
            "NoOp",
            "Pickup",
            "Playback",
            "Progress",
            "Read",
            "Return",
            "Ringing",
            "Set",
        ),
        *("StopMixMonitor", "UserEvent", "Wait"),
    }
)
FUNCTIONS = frozenset(
    {
        *("CALLERID", "CHANNEL", "EXISTS", "FILTER", "HANGUPCAUSE", "HANGUPCAUSE_KEYS", "IF"),
        "IMPORT",
        *("BASE64_DECODE", "BASE64_ENCODE", "MASTER_CHANNEL", "PJSIP_HEADER", "REGEX", "SHIFT"),
        "STRFTIME",
    }
)
# What a caller sent. Legal only inside BASE64_ENCODE(…) of a UserEvent: there it is plain text.
FROM_OUTSIDE = re.compile(
    r"\$\{(?:CALLERID\((?!dnid\))|PJSIP_HEADER|CHANNEL\(pjsip|EXTEN\b|REDIRECTING|CONNECTEDLINE)"
)
# A third argument is a command that is run; a name of anything but ours may lead anywhere.
TAPE = ",r(${M_PART}-${M_SAYS}.raw)t(${M_PART}-${M_HEARS}.raw)"
# What a caller typed: read into one variable, cleaned at once, and handed on in the offer.
TYPED = "M_TYPED"
TYPED_ALLOWED = re.compile(r"\$\{FILTER\(0-9,\$\{M_TYPED\}\)\}|,Digits: \$\{M_TYPED\},")
# Where calls of trunks come in: a fixed word there, such as `h`, would be a number to dial.
DIALLED_INTO = frozenset({"from-trunk", "from-app"})
MAY_BE_DIALLED = frozenset({("from-app", "preflight")})
# Digits alone, counted one by one; a session's id, likewise; or a fixed word of ours.
EXTENSION = re.compile(r"_(?:\[\+0-9\]|\+)?X{1,15}|_ses_(?:\[0-9a-z\]){26}|[a-z][a-z-]{0,30}")
NEVER_LOADED = (
    *("app_system", "app_exec", "app_originate", "app_externalivr"),
    *("func_shell", "func_env", "func_db", "func_odbc", "func_realtime", "func_lock"),
    *("pbx_spool", "pbx_lua", "pbx_ael", "pbx_dundi", "res_agi", "res_fastagi", "res_ari"),
    *(
        "res_pjsip_messaging",
        "res_pjsip_refer",
        "res_pjsip_diversion",
        "res_pjsip_send_to_voicemail",
    ),
    *("chan_iax2", "chan_audiosocket", "chan_websocket", "res_clialiases", "res_http_media_cache"),
    *("res_pjsip_endpoint_identifier_anonymous", "res_phoneprov", "res_http_post"),
)
# What must stand, and what a caller could do if it did not (see docs/threat-model.md).
MUST_STAND = (
    ("extensions.conf", "extenpatternmatchnew = yes", "a dialled number is taken for a pattern"),
    ("features.conf", "pickupexten =", "*8 makes a channel that no offer was made for"),
    ("pjproject.conf", "asterisk_error = 0", "unreadable messages are quoted in the log"),
    ("manager.conf", "eventfilter = !Forward:", "a 302's Contact breaks lines of events"),
    ("manager.conf", "timestampevents = yes", "an event cannot be told from a forged one"),
    ("manager.conf", "webenabled = no", "apps reach AMI through the WebSocket listener"),
    ("http.conf", "enable_static = no", "apps' listener serves Asterisk's files"),
    ("http.conf", "enable_status = no", "apps' listener tells strangers what Asterisk it is"),
    (
        "pjsip.conf",
        "endpoint_identifier_order = ip,header,auth_username,request_uri",
        "a From makes a trunk or an app, or a stranger's request costs a look-up",
    ),
    ("pjsip.conf", "disable_multi_domain = yes", "every app is looked up twice"),
)
NEVER_GRANTED = frozenset({"all", "command", "agi", "config", "dialplan", "verbose"})
# With class `system` beside it, Originate runs programs; without, it rings phones.
ORIGINATE_WITHOUT = "system"


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that breaks a rule."""

    file: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}"


@dataclass(frozen=True, slots=True)
class _Step:
    line: int
    context: str
    extension: str
    label: str
    application: str
    arguments: str


def check_dialplan(file: str, text: str) -> tuple[Fault, ...]:
    """Every fault of a dialplan."""
    return tuple(_dialplan_faults(file, text))


def check_templates(files: Mapping[str, str]) -> tuple[Fault, ...]:
    """Every fault of the configuration's templates, by file name."""
    faults = [*_forbidden_modules(files.get("modules.conf", ""))]
    faults += _forbidden_classes(files.get("manager.conf", ""))
    faults += _missing(files)
    for file, text in files.items():
        for number, line in _lines(text):
            if re.search(r"#exec\b", line):
                faults.append(Fault(file, number, "#exec runs programs"))
            if re.search(r"%\{(?![a-z_]+\})", line):
                faults.append(Fault(file, number, "a placeholder is %{lower_case}"))
    return tuple(faults)


def _dialplan_faults(file: str, text: str) -> Iterator[Fault]:
    steps, included, odd = _steps(text)
    for number in odd:
        yield Fault(file, number, "this line cannot be read as dialplan")
    for number, into, context in included:
        if context not in {one.context for one in steps}:
            yield Fault(file, number, f"there is no {context}")
        if into in DIALLED_INTO:
            yield Fault(file, number, "what is dialled into includes nothing")
    targets = {(one.context, one.extension) for one in steps}
    labels = {(one.context, one.extension, one.label) for one in steps if one.label}
    for step in steps:
        for rule in _step_faults(step, targets, labels):
            yield Fault(file, step.line, rule)


def _step_faults(
    step: _Step, targets: set[tuple[str, str]], labels: set[tuple[str, str, str]]
) -> Iterator[str]:
    if not EXTENSION.fullmatch(step.extension):
        yield "an extension takes digits, counted, and no arbitrary text"
    dialled = (step.context, step.extension)
    fixed = step.context in DIALLED_INTO and not step.extension.startswith("_")
    if fixed and dialled not in MAY_BE_DIALLED:
        yield "a fixed word can be dialled here"
    if step.application not in APPLICATIONS:
        yield f"application {step.application} is not among those allowed"
    for function in re.findall(r"\$\{([A-Z_]+)\(", step.arguments):
        if function not in FUNCTIONS:
            yield f"function {function} is not among those allowed"
    bare = re.sub(r"\$\{BASE64_ENCODE\((?:[^()]|\([^()]*\))*\)\}", "", step.arguments)
    outside = bare if step.application == "UserEvent" else step.arguments
    if FROM_OUTSIDE.search(outside):
        yield "what a caller sent is read only within BASE64_ENCODE of a UserEvent"
    if step.application == "Read" and not step.arguments.startswith(f"{TYPED},"):
        yield f"what a caller types goes into {TYPED}"
    if step.application == "MixMonitor" and step.arguments != TAPE:
        yield f"what is recorded goes into {TAPE}, and no command follows"
    if f"{{{TYPED}" in TYPED_ALLOWED.sub("", step.arguments):
        yield "what a caller typed is cleaned, and handed on in the offer, and nothing else"
    if step.application in ("Goto", "Gosub", "GotoIf"):
        yield from _lost_jumps(step, targets, labels)


def _lost_jumps(
    step: _Step, targets: set[tuple[str, str]], labels: set[tuple[str, str, str]]
) -> Iterator[str]:
    where = step.arguments
    if step.application == "GotoIf":
        where = where.rpartition("?")[2]
    for target in where.split(":"):
        parts = [part.strip() for part in target.split(",")]
        if len(parts) == 1:
            found = not parts[0] or (step.context, step.extension, parts[0]) in labels
        else:
            context, extension, place = ([step.context] * (3 - len(parts)) + parts)[:3]
            found = (context, extension) in targets and (
                place == "1" or (context, extension, place) in labels
            )
        if not found:
            yield f"there is no {target}"


def _steps(text: str) -> tuple[list[_Step], list[tuple[int, str, str]], list[int]]:
    """Steps, inclusions (line, context, the one included), and lines that are neither."""
    context = extension = ""
    steps: list[_Step] = []
    included: list[tuple[int, str, str]] = []
    odd: list[int] = []
    for number, line in _lines(text):
        if found := re.fullmatch(r"\[([a-z-]+)\]", line):
            context = found[1]
            continue
        if found := re.fullmatch(r"include\s*=>\s*([a-z-]+)", line):
            included.append((number, context, found[1]))
            continue
        shape = (
            r"(?:exten\s*=>\s*([^,]+),|same\s*=>\s*)(?:\d+|n)(?:\(([a-z-]+)\))?,(\w+)(?:\((.*)\))?"
        )
        found = re.fullmatch(shape, line)
        if found is None:
            odd.append(number)
            continue
        extension = found[1] or extension
        steps.append(_Step(number, context, extension, found[2] or "", found[3], found[4] or ""))
    return steps, included, odd


def _forbidden_modules(text: str) -> Iterator[Fault]:
    explicit = False
    for number, line in _lines(text):
        name, _, value = (part.strip() for part in line.partition("="))
        explicit = explicit or (name == "autoload" and value == "no")
        if name in ("load", "require", "preload") and value.removesuffix(".so") in NEVER_LOADED:
            yield Fault("modules.conf", number, f"{value} must not be loaded")
    if not explicit:
        yield Fault("modules.conf", 1, "modules are loaded one by one: autoload = no")


def _missing(files: Mapping[str, str]) -> Iterator[Fault]:
    for file, wanted, else_ in MUST_STAND:
        if file in files and wanted not in (line for _, line in _lines(files[file])):
            yield Fault(file, 1, f"{wanted!r} must stand here, else {else_}")


def _forbidden_classes(text: str) -> Iterator[Fault]:
    for number, line in _lines(text):
        name, _, value = (part.strip() for part in line.partition("="))
        granted = {one.strip() for one in value.split(",")} & NEVER_GRANTED
        classes = {one.strip() for one in value.split(",")}
        if name == "write" and {"originate", ORIGINATE_WITHOUT} <= classes:
            yield Fault("manager.conf", number, "classes originate and system together are a shell")
        if name in ("read", "write") and granted:
            yield Fault(
                "manager.conf", number, f"class {', '.join(sorted(granted))} is a shell or more"
            )
        if name == "bindaddr" and value not in ("127.0.0.1", "::1"):
            yield Fault("manager.conf", number, "AMI is for this machine alone")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and content of the lines that say something; an escaped ; is content."""
    for number, line in enumerate(text.splitlines(), start=1):
        content = re.sub(r"(?<!\\);.*", "", line).strip()
        if content:
            yield number, content
