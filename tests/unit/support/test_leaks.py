"""The search at the end of a run finds a planted phone however it is spelt, and nothing else."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest

from tests.support.leaks import Watch

PHONE = "+79161234567"
_TEN = PHONE[-10:]


@pytest.fixture
def watch() -> Watch:
    made = Watch()
    assert made.hand_out(PHONE) == PHONE
    made.hand_out("+79030000001")
    return made


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (f"call from {PHONE} refused", "in digits"),
        (f"sip:{PHONE[1:]}@host", "in digits"),
        (f"8{_TEN}", "in digits"),
        (f'{{"phone":"{_TEN}"}}', "in digits"),
        ("+7 916 123-45-67", "with separators"),
        ("8 (916) 123-45-67", "with separators"),
        ("+7(916)1234567", "with separators"),
        ("".join(f"%{ord(c):02x}" for c in PHONE), "in digits percent-encoded"),
        ("".join(f"%25{ord(c):02X}" for c in PHONE), "in digits percent-encoded twice"),
        (PHONE.encode().hex(), "in hexadecimal"),
        ("".join(f"\\u{ord(c):04x}" for c in PHONE), "in digits in JSON escapes"),
    ],
)
def test_a_planted_phone_is_found(watch: Watch, text: str, how: str) -> None:
    watch.look("log", f"before\n{text}\nafter".encode())
    assert [one.spelling for one in watch.found] == [how]
    assert _TEN not in repr(watch.found), "what is printed names nobody"


@pytest.mark.parametrize("lead", ["", "x", "xx", "sip:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_it_is_found_in_base64_at_any_place(watch: Watch, lead: str, encode: object) -> None:
    assert callable(encode)
    watch.look("row", b'"' + encode(f"{lead}{PHONE};user".encode()) + b'"')
    assert {one.spelling for one in watch.found} == {"in base64"}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_it_is_found_in_utf_16(watch: Watch, encoding: str) -> None:
    watch.look("file", f"a{PHONE}b".encode(encoding))
    assert [one.spelling for one in watch.found] == ["in UTF-16"]


def test_times_numbers_of_ours_and_sealed_bytes_are_none(watch: Watch) -> None:
    watch.look("log", b"1700000000.123456 1795000000123 +74951110001 916 123 2026-11-22T12:34:56Z")
    watch.look("database", bytes(range(256)) * 64)
    assert watch.found == []


def test_a_database_its_log_and_files_below_a_folder_are_searched(
    watch: Watch, tmp_path: Path
) -> None:
    (tmp_path / "node" / "log").mkdir(parents=True)
    (tmp_path / "node" / "log" / "asterisk.log").write_text("fine\n")
    (tmp_path / "said.wav").write_bytes(PHONE.encode())
    conn = sqlite3.connect(tmp_path / "maskline.db")
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("CREATE TABLE t (x TEXT)")
    conn.execute("INSERT INTO t VALUES (?)", (PHONE,))
    conn.commit()
    watch.search_folder(tmp_path)
    conn.close()
    assert {one.where.rpartition("/")[2] for one in watch.found} == {"maskline.db-wal"}
    assert watch.files >= 3


def test_what_was_heard_is_searched_once_all_phones_are_known(watch: Watch) -> None:
    watch.hear("answers", '{"to": "+79997776655"}')
    watch.hand_out("+79997776655")
    watch.search_heard()
    assert [(one.where, one.spelling) for one in watch.found] == [("answers", "in digits")]
