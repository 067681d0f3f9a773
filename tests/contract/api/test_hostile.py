"""Hostile input: whatever is sent, the answer is a problem document that names the field."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from api.services import ApiSettings
from tests.contract.api.conftest import run
from tests.contract.api.house import BUYER, House, participants, session, trunk

BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "malformed_json"),
    (b"{", 400, "malformed_json"),
    (b"nonsense +79161234567", 400, "malformed_json"),
    (b'{"a":1}{"b":2}', 400, "malformed_json"),
    (b"\xff\xfe{\x00}\x00", 400, "malformed_json"),
    (b'{"conversation_id":"\xff"}', 400, "malformed_json"),
    (b'{"conversation_id":"\\ud800"}', 400, "malformed_json"),
    (b"\xef\xbb\xbf{}", 400, "malformed_json"),
    (b"[" * 10_000 + b"]" * 10_000, 400, "malformed_json"),
    (b'{"listing":' * 5_000 + b"1" + b"}" * 5_000, 400, "malformed_json"),
    (b"null", 422, "validation_failed"),
    (b"[]", 422, "validation_failed"),
    (b'"text"', 422, "validation_failed"),
    (b"12", 422, "validation_failed"),
    (b'{"ttl_s":' + b"9" * 5_000 + b"}", 400, "malformed_json"),  # longer than we read
    (b'{"ttl_s":' + b"9" * 4_000 + b"}", 422, "validation_failed"),
    (b'{"ttl_s":NaN}', 422, "validation_failed"),
    (b'{"__proto__":{},"constructor":1}', 422, "validation_failed"),
]


@pytest.mark.parametrize(("raw", "status", "error_id"), BODIES, ids=range(len(BODIES)))
async def test_a_body_that_is_no_session(
    lite: House, raw: bytes, status: int, error_id: str
) -> None:
    lite.memory.phones.add(BUYER)

    refused = await lite.ask("POST", "/v1/sessions", raw=raw)

    assert (refused.status, refused.error_id) == (status, error_id)


NASTY: list[Any] = [
    "\x00",
    "a\x00b",
    "a\r\nSet-Cookie: x=1",
    "\u202e",
    "\u2028",
    "'; DROP TABLE sessions; --",
    "${EXEC(System(id))}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%s%n{0}{{7*7}}",
    "\U0001f4a9" * 300,
    "a" * 100_000,
    -1,
    2**63,
    1e308,
    True,
    None,
    [],
    {},
    [["a"]],
    {"$ne": None},
]


@pytest.mark.parametrize("field", ["conversation_id", "pool", "ttl_s", "user_id", "listing"])
async def test_a_field_that_is_not_what_it_should_be_is_named(lite: House, field: str) -> None:
    for nasty in NASTY:
        named = field
        body = session(**{field: nasty})
        if field == "user_id":
            named = "participants[0].user_id"
            body = session(participants=participants(user_id=nasty))
        elif field == "listing" and nasty is None:
            continue  # a session needs no listing

        refused = await lite.ask("POST", "/v1/sessions", body)

        assert (refused.status, refused.error_id) == (422, "validation_failed")
        assert any(name == named or name.startswith(f"{named}.") for name in refused.fields)
        if isinstance(nasty, str) and len(nasty) > 3:
            assert nasty[:40].encode() not in refused.body


async def test_harmless_markup_in_a_name_comes_back_as_it_was(lite: House) -> None:
    """JSON is data: escaping is for whoever shows it."""
    await lite.furnish()
    name = "<b>Anna</b> & Co; ${x} %00"

    made = await lite.open_session(participants=participants(name=name))

    assert made["participants"][0]["name"] == name


async def test_many_errors_are_cut_short(lite: House) -> None:
    body = session(**{f"x{letter}{other}": 1 for letter in "abcdefgh" for other in "abcdefgh"})

    refused = await lite.ask("POST", "/v1/sessions", body)

    assert len(refused.json()["errors"]) == 20


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "json", "*/*"]
)
async def test_a_body_that_is_not_declared_as_json(lite: House, kind: str) -> None:
    refused = await lite.ask("POST", "/v1/sessions", raw=b"{}", headers={"Content-Type": kind})

    assert (refused.status, refused.error_id) == (415, "unsupported_media_type")


async def test_a_charset_or_encoding_that_we_do_not_read(lite: House) -> None:
    for headers in (
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
    ):
        refused = await lite.ask("POST", "/v1/sessions", raw=b"{}", headers=headers)
        assert (refused.status, refused.error_id) == (415, "unsupported_media_type")
    fine = {"Content-Type": "application/json; charset=UTF-8"}
    assert (await lite.ask("POST", "/v1/trunks", trunk(), headers=fine)).status == 201


async def test_a_body_that_is_too_large(lite: House) -> None:
    refused = await lite.ask("POST", "/v1/sessions", raw=b" " * 600_000)

    assert (refused.status, refused.error_id) == (413, "body_too_large")


async def test_a_body_without_a_length_is_cut_off_too(lite: House) -> None:
    head = (
        "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {lite.keys['admin']}\r\nContent-Type: application/json\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    answered = await lite.say(head.encode() + chunk * 12 + b"0\r\n\r\n")

    assert answered.startswith(b"HTTP/1.1 413")
    assert b'"body_too_large"' in answered


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /v1/sessions HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /+79161234567\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header +79161234567\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"+79161234567" * 2_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\na",
        b"G\xffT / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=range(9),
)
async def test_what_is_not_http_gets_a_problem_too(lite: House, request_text: bytes) -> None:
    lite.memory.phones.add(BUYER)

    answered = await lite.say(request_text)

    head, _, body = answered.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"application/problem+json" in head
    assert json.loads(body)["error_id"] == "malformed_request"
    assert (await lite.ask("GET", "/healthz")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sessions/ses_%0d%0aSet-Cookie:%20a=b",
        "/v1/conversations/%2B79161234567%00/history",
        "/v1/conversations/a%2Fb/history",
        "/v1/users/%C0%AE%C0%AE/call-log",
        "/v1/users/%zz/call-log",
        "/v1/pools/..%2f..%2fetc",
        "/v1/numbers/79161234567",
        "/v1/trunks/%F0%9F%92%A9",
        "/v1//sessions",
        "/V1/SESSIONS",
        "/v1/sessions/",
        "/+79161234567",
    ],
)
async def test_a_path_that_leads_nowhere(lite: House, path: str) -> None:
    lite.memory.phones.add(BUYER)

    reply = await lite.ask("GET", path)

    if reply.status == 200:  # an id that nobody has: an empty list
        assert reply.json()["items"] == []
    else:
        assert reply.status in {400, 404}
        assert reply.error_id.endswith(("not_found", "malformed_request"))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_a_method_that_the_path_does_not_take(lite: House, method: str) -> None:
    refused = await lite.ask(method, "/v1/sessions")

    assert refused.status == 405
    assert refused.headers["Allow"] == "GET,HEAD,POST"
    assert refused.error_id == "method_not_allowed"


@pytest.mark.parametrize("path", ["/healthz", "/v1/sessions"])
async def test_a_head_is_a_get_without_its_body(lite: House, path: str) -> None:
    whole = await lite.ask("GET", path)

    head = await lite.ask("HEAD", path)

    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]


async def test_an_expectation_that_nobody_knows(lite: House) -> None:
    answered = await lite.say(
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: tea\r\n\r\n"
    )

    assert answered.startswith(b"HTTP/1.1 417")
    assert b'"expectation_failed"' in answered


async def test_a_client_that_expects_to_be_asked_is_asked(lite: House) -> None:
    body = json.dumps(trunk()).encode()
    head = (
        "POST /v1/trunks HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n"
        f"Authorization: Bearer {lite.keys['admin']}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    answered = await lite.say(head.encode() + body)

    assert answered.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201")


async def test_a_body_that_never_comes_ends_by_the_deadline(sqlite_url: str) -> None:
    async for lite in run(sqlite_url, ApiSettings(request_timeout_s=0.2)):
        head = (
            "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            f"Authorization: Bearer {lite.keys['admin']}\r\nContent-Type: application/json\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", lite.port)
        writer.write(head.encode() + b'{"conv')
        answered = await asyncio.wait_for(reader.readuntil(b"}"), 5)
        writer.close()

        assert answered.startswith(b"HTTP/1.1 503")
        assert b'"timed_out"' in answered
        assert b"Retry-After: 1" in answered


async def test_every_answer_carries_the_same_protection(lite: House) -> None:
    for path in ("/healthz", "/v1/sessions", "/nowhere", "/docs", "/openapi.json"):
        reply = await lite.ask("GET", path)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["Server"] == "maskline"
        assert reply.headers["X-Request-Id"].startswith("req_")
    assert (await lite.ask("GET", "/v1/sessions")).headers["Cache-Control"] == "no-store"


async def test_a_fault_of_ours_tells_nothing(lite: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await lite.furnish()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"while handling {BUYER}")

    monkeypatch.setattr("storage.sessions.open_session", broken)
    failed = await lite.ask("POST", "/v1/sessions", session())

    assert (failed.status, failed.error_id) == (500, "internal_error")
    assert b"RuntimeError" not in failed.body
    assert any("RuntimeError" in line for line in lite.memory.lines)
