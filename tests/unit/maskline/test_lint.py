"""The rules of the dialplan and the templates, each with what breaks it."""

from __future__ import annotations

import pytest

from maskline.lint import check_dialplan, check_templates
from telephony.render import DIALPLAN, TEMPLATES


def _faults(*lines: str) -> list[str]:
    return [fault.rule for fault in check_dialplan("x.conf", "\n".join(("[a]", *lines)))]


def test_what_is_shipped_has_no_fault() -> None:
    dialplans = sorted(DIALPLAN.parent.glob("*.conf"))  # one may jump into another
    assert check_dialplan("dialplans", "\n".join(p.read_text() for p in dialplans)) == ()
    assert check_templates({path.name: path.read_text() for path in TEMPLATES.glob("*.conf")}) == ()


@pytest.mark.parametrize("pattern", ["_X.", "_!", "_.", "_+7!", "_[a-z]X", "_ZXX", "_XXN"])
def test_no_extension_takes_arbitrary_text(pattern: str) -> None:
    assert _faults(f"exten => {pattern},1,Hangup(1)") == [
        "an extension takes digits, counted, and no arbitrary text"
    ]


@pytest.mark.parametrize(
    "application", ["System(ls)", "TrySystem(x)", "AGI(x)", "Exec(x)", "Macro(x)", "Originate(x)"]
)
def test_no_application_runs_programs(application: str) -> None:
    name = application.partition("(")[0]
    expected = f"application {name} is not among those allowed"
    assert _faults(f"exten => s,1,{application}") == [expected]


@pytest.mark.parametrize("function", ["SHELL", "CURL", "ENV", "EVAL", "FILE", "DB", "GLOBAL"])
def test_no_function_reaches_outside(function: str) -> None:
    assert f"function {function} is not among those allowed" in _faults(
        f"exten => s,1,Set(A=${{{function}(x)}})"
    )


@pytest.mark.parametrize(
    "value",
    [
        "${CALLERID(num)}",
        "${CALLERID(name)}",
        "${PJSIP_HEADER(read,From)}",
        "${CHANNEL(pjsip,remote_uri)}",
        "${EXTEN}",
    ],
)
def test_what_a_caller_sent_is_never_kept_or_evaluated(value: str) -> None:
    rule = "what a caller sent is read only within"
    for line in (f"Set(A={value})", f'GotoIf($["{value}" = "1"]?s,1)', f"UserEvent(X,A: {value})"):
        assert any(rule in fault for fault in _faults(f"exten => s,1,{line}")), line


def test_a_jump_must_lead_somewhere() -> None:
    assert _faults("exten => s,1,Goto(nowhere)") == ["there is no nowhere"]
    assert _faults("exten => s,1,Goto(b,s,1)") == ["there is no b,s,1"]
    assert _faults("exten => s,1(here),Goto(here)") == []
    assert _faults("exten => s,1(here),GotoIf($[1 = 1]?here:gone)") == ["there is no gone"]


def test_a_line_that_is_no_dialplan_is_a_fault() -> None:
    assert _faults("switch => default") == ["this line cannot be read as dialplan"]


@pytest.mark.parametrize(
    ("file", "text", "rule"),
    [
        ("modules.conf", "autoload = yes", "autoload = no"),
        ("modules.conf", "autoload = no\nload = res_agi.so", "res_agi.so must not be loaded"),
        ("manager.conf", "write = call,command", "class command is a shell or more"),
        ("manager.conf", "read = all", "class all is a shell or more"),
        ("manager.conf", "write = system,originate", "together are a shell"),
        ("manager.conf", "bindaddr = 0.0.0.0", "AMI is for this machine alone"),
        ("extensions.conf", "[general]", "'extenpatternmatchnew = yes' must stand here"),
        ("features.conf", "pickupexten = *8", "'pickupexten =' must stand here"),
        ("pjproject.conf", ";asterisk_error = 0", "'asterisk_error = 0' must stand here"),
        ("manager.conf", "timestampevents = yes", "'eventfilter = !Forward:' must stand here"),
        ("x.conf", "#exec /bin/date", "#exec runs programs"),
        ("x.conf", "a = %{Upper}", "a placeholder is %{lower_case}"),
    ],
)
def test_templates(file: str, text: str, rule: str) -> None:
    base = {"modules.conf": "autoload = no"}
    found = [fault.rule for fault in check_templates(base | {file: text})]
    assert any(rule in one for one in found), found


def test_an_inclusion_must_lead_somewhere() -> None:
    assert _faults("include => nowhere") == ["there is no nowhere"]


def test_nothing_but_numbers_can_be_dialled() -> None:
    lines = (
        "[from-trunk]",
        "exten => h,1,NoOp()",
        "include => over",
        "[over]",
        "exten => h,1,NoOp()",
    )
    rules = [fault.rule for fault in check_dialplan("x.conf", "\n".join(lines))]
    assert rules == ["what is dialled into includes nothing", "a fixed word can be dialled here"]


def test_what_is_recorded_goes_into_our_own_file_and_no_command_follows() -> None:
    ours = ",r(${M_PART}-${M_SAYS}.raw)t(${M_PART}-${M_HEARS}.raw)"
    rule = f"what is recorded goes into {ours}, and no command follows"
    assert _faults(f"exten => s,1,MixMonitor({ours})") == []
    assert _faults(f"exten => s,1,MixMonitor({ours},touch /tmp/x)") == [rule]
    assert _faults("exten => s,1,MixMonitor(${CALLERID(dnid)}.wav)") == [rule]
