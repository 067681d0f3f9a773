"""The service about itself: probes, metrics, description."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from api import openapi
from tests.contract.api.house import House, session


async def test_it_is_alive_and_ready(lite: House) -> None:
    assert (await lite.ask("GET", "/healthz", role=None)).json() == {"status": "ok"}
    ready = await lite.ask("GET", "/readyz", role=None)
    assert ready.status == 200
    assert ready.json()["status"] == "ready"
    assert ready.json()["checks"].keys() == {"database", "node"}


async def test_it_is_not_ready_without_its_node(lite: House) -> None:
    lite.node.away = True

    unready = await lite.ask("GET", "/readyz", role=None)

    assert unready.status == 503
    assert unready.json()["status"] == "unready"
    assert unready.json()["checks"]["node"]["ok"] is False
    assert (await lite.ask("GET", "/healthz", role=None)).status == 200


async def test_it_is_not_ready_without_its_database(lite: House) -> None:
    await lite.db.close()

    unready = await lite.ask("GET", "/readyz", role=None)

    assert unready.status == 503
    assert unready.json()["checks"]["database"] == {"ok": False, "detail": "DatabaseClosed"}
    refused = await lite.ask("GET", "/v1/sessions")
    assert (refused.status, refused.error_id) == (503, "storage_unavailable")
    assert refused.headers["Retry-After"] == "5"


SAMPLE = re.compile(r"[a-z_]+(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? [0-9.e+-]+")


async def test_metrics_are_in_the_text_format_and_count(lite: House) -> None:
    await lite.furnish()
    await lite.open_session()
    await lite.ask("POST", "/v1/sessions", session())

    reply = await lite.ask("GET", "/metrics", role=None)

    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = reply.body.decode().splitlines()
    assert all(line.startswith("# ") or SAMPLE.fullmatch(line) for line in lines)
    assert "maskline_sessions_opened_total 1" in lines
    assert 'maskline_http_refusals_total{error_id="pool_exhausted"} 1' in lines
    assert (
        'maskline_http_requests_total{method="POST",route="/v1/sessions",status="201"} 1' in lines
    )
    assert 'maskline_check_ok{check="node"} 1' in lines
    assert "maskline_node_calls 0" in lines


async def test_paths_that_are_sent_never_become_labels(lite: House) -> None:
    for number in range(20):
        await lite.ask("GET", f"/nowhere/{number}")
        await lite.ask("GET", f"/v1/users/u-{number}/call-log")

    text = (await lite.ask("GET", "/metrics", role=None)).body.decode()

    assert "nowhere" not in text
    assert "u-7" not in text
    counted = 'maskline_http_requests_total{method="GET",route="/v1/users/{id}/call-log",'
    assert counted + 'status="200"} 20' in text


class Page(HTMLParser):
    """What a page loads and where it links."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script"
        self.loads += [given[name] or "" for name in ("src", "srcset", "data") if name in given]
        if tag == "link":
            self.loads.append(given.get("href") or "")
        if tag == "a":
            self.links.add(given.get("href") or "")
        if given.get("id"):
            self.anchors.add(f"#{given['id']}")


async def test_the_reference_describes_all_and_loads_nothing(lite: House) -> None:
    reply = await lite.ask("GET", "/docs", role=None)

    html = reply.body.decode()
    page = Page()
    page.feed(html)
    assert page.loads == []
    assert page.scripts == 0
    assert "url(" not in html
    assert "@import" not in html
    assert {link for link in page.links if link.startswith("#")} <= page.anchors
    assert page.links - {"/openapi.json"} <= page.anchors
    for methods in openapi.document()["paths"].values():
        for operation in methods.values():
            assert f"#{operation['operationId']}" in page.anchors
    for error in openapi.document()["x-errors"]:
        assert f"#error-{error['error_id']}" in page.anchors


async def test_the_description_is_the_one_of_the_code(lite: House) -> None:
    assert (await lite.ask("GET", "/openapi.json", role=None)).json() == openapi.document()
