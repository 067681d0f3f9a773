"""The reference at ``/docs``: the OpenAPI document as one page of plain HTML.

It loads nothing, from here or anywhere, and runs no script; its policy forbids both.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root{--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--tint:#f5f7f9;--accent:#0b6b5d}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa5b4;--line:#2d3540;--paper:#14191f;
--tint:#1b222a;--accent:#4fc3b0}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0;color:var(--ink);background:var(--paper);font:16px/1.55 system-ui,sans-serif;
display:grid;grid-template-columns:17rem minmax(0,56rem);gap:0 3rem}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem;background:var(--tint);
border-right:1px solid var(--line);font-size:.9rem}
nav h2{font-size:.75rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);
margin:1.2rem 0 .3rem;border:0}
nav ul{list-style:none;margin:0;padding:0}
a{color:var(--accent);text-decoration:none}a:hover,a:focus{text-decoration:underline}
main{padding:2rem 1.5rem 6rem}
h1{font-size:1.9rem;margin:0 0 .5rem}
h2{margin:3rem 0 .5rem;border-bottom:2px solid var(--line)}
h3{margin:2.2rem 0 .4rem;font-size:1.1rem}
h4{margin:1.1rem 0 .3rem;font-size:.85rem;color:var(--soft)}
code,pre{font:.88em/1.5 ui-monospace,monospace}
code{background:var(--tint);padding:.1em .3em;border-radius:4px}
.method{display:inline-block;min-width:4.2rem;color:var(--accent);
font:700 .8rem ui-monospace,monospace}
.roles{color:var(--soft);font-size:.88rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
td,th{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;
border-top:1px solid var(--line);overflow-wrap:anywhere;min-width:3.4rem}
th{font-weight:600;color:var(--soft);font-size:.8rem;border-top:0}
.required{color:var(--accent);font-size:.8rem}
@media(max-width:60rem){body{display:block}main{padding:1rem}
nav{position:static;height:auto;max-height:38vh;border:0;border-bottom:1px solid var(--line)}}
""".strip()


def content_security_policy() -> str:
    """Nothing but the page's own style."""
    digest = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def page(document: Mapping[str, Any]) -> str:
    """The whole page."""
    return "\n".join(_page(document))


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title} API</title><style>{_STYLE}</style></head><body>"
    yield from _contents(document)
    yield f"<main><h1>{title} API</h1>"
    for paragraph in document["info"]["description"].split("\n\n"):
        yield f"<p>{_marked(paragraph)}</p>"
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>'
    for tag in document["tags"]:
        yield f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>'
        yield f"<p>{_marked(tag['description'])}</p>"
        for path, method, operation in _operations(document, tag["name"]):
            yield from _operation(path, method, operation, document["components"]["responses"])
    yield '<h2 id="models">Models</h2>'
    for name, schema in document["components"]["schemas"].items():
        yield f'<h3 id="model-{escape(name)}">{escape(name)}</h3>'
        yield from _model(schema)
    yield from _problems(document)
    yield "</main></body></html>"


def _contents(document: Mapping[str, Any]) -> Iterator[str]:
    yield "<nav>"
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2><ul>"
        for _, _, operation in _operations(document, tag["name"]):
            name = operation["operationId"]
            yield f'<li><a href="#{name}">{escape(operation["summary"])}</a></li>'
        yield "</ul>"
    yield '<h2>More</h2><ul><li><a href="#models">Models</a></li>'
    yield '<li><a href="#errors">Errors</a></li></ul></nav>'


def _operations(
    document: Mapping[str, Any], tag: str
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield path, method, operation


def _operation(
    path: str, method: str, operation: Mapping[str, Any], shared: Mapping[str, Any]
) -> Iterator[str]:
    yield f'<section id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>'
    yield f'<p><span class="method">{method.upper()}</span><code>{escape(path)}</code></p>'
    if "x-roles" in operation:
        yield f'<p class="roles">Roles: {", ".join(operation["x-roles"])}</p>'
    else:
        yield '<p class="roles">No key needed</p>'
    if "description" in operation:
        yield f"<p>{_marked(operation['description'])}</p>"
    if "parameters" in operation:
        yield "<h4>Parameters</h4><table><tr><th>Name</th><th>Where</th><th>What</th></tr>"
        for one in operation["parameters"]:
            required = _required(required=one.get("required", False))
            yield (
                f"<tr><td><code>{escape(one['name'])}</code>{required}</td>"
                f"<td>{escape(one['in'])}</td>"
                f"<td>{_marked(one.get('description', ''))} "
                f'<span class="roles">{_type(one["schema"])}</span></td></tr>'
            )
        yield "</table>"
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        yield f"<h4>Body</h4><p>{_type(schema)}</p>"
    yield "<h4>Answers</h4><table><tr><th>Status</th><th>Body</th><th>Meaning</th></tr>"
    for status, given in operation["responses"].items():
        response = shared[given["$ref"].rsplit("/", 1)[-1]] if "$ref" in given else given
        bodies = [
            _type(body["schema"]) or escape(kind)
            for kind, body in response.get("content", {}).items()
        ]
        yield (
            f"<tr><td>{escape(status)}</td><td>{' '.join(bodies)}</td>"
            f"<td>{_marked(response['description'])}</td></tr>"
        )
    yield "</table></section>"


def _model(schema: Mapping[str, Any]) -> Iterator[str]:
    if "description" in schema:
        yield f"<p>{_marked(schema['description'])}</p>"
    if "enum" in schema:
        yield f"<p>{_type(schema)}</p>"
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    if not properties:
        return
    yield "<table><tr><th>Field</th><th>Type</th><th>What</th></tr>"
    for name, field in properties.items():
        yield (
            f"<tr><td><code>{escape(name)}</code>{_required(required=name in required)}</td>"
            f"<td>{_type(field)}</td>"
            f"<td>{_marked(field.get('description', ''))}{_bounds(field)}</td></tr>"
        )
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": ref}:
            name = escape(ref.rsplit("/", 1)[-1])
            return f'<a href="#model-{name}">{name}</a>'
        case {"anyOf": members} | {"oneOf": members}:
            return " or ".join(_type(member) for member in members)
        case {"const": value}:
            return f"<code>{escape(str(value))}</code>"
        case {"enum": values}:
            shown = ", ".join(f"<code>{escape(str(value))}</code>" for value in values[:12])
            return shown + (" …" if len(values) > 12 else "")
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "string", "format": "date-time"}:
            return "time"
        case {"type": kind}:
            return escape(str(kind))
        case _:
            return ""


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "minLength": "characters at least",
        "maxLength": "characters at most",
        "minItems": "items at least",
        "maxItems": "items at most",
        "default": "default",
    }
    said = [
        f"{word} <code>{escape(str(schema[name]))}</code>"
        for name, word in words.items()
        if schema.get(name) is not None
    ]
    return f' <span class="roles">{"; ".join(said)}</span>' if said else ""


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Every error once, by its id: problem documents point here."""
    yield '<h2 id="errors">Errors</h2>'
    yield "<p>Programs read <code>error_id</code>, which stays; people <code>detail</code>.</p>"
    yield "<table><tr><th>error_id</th><th>Status</th><th>Meaning</th><th>What to do</th></tr>"
    for error in document["x-errors"]:
        yield (
            f'<tr id="error-{error["error_id"]}"><td><code>{error["error_id"]}</code></td>'
            f"<td>{error['status']}</td>"
            f"<td>{_marked(error['title'])}</td><td>{_marked(error['detail'])}</td></tr>"
        )
    yield "</table>"


def _required(*, required: bool) -> str:
    return ' <span class="required">required</span>' if required else ""


def _marked(text: str) -> str:
    """Text with `code` between backticks."""
    parts = escape(text).split("`")
    return "".join(
        f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)
    )


def _anchor(name: str) -> str:
    return escape(name.lower().replace(" ", "-"))
