"""The OpenAPI 3.1 document, made from the route table and its models and from nothing else.

``python -m api.openapi --write docs/openapi.json`` writes it; ``--check`` fails if it differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api import errors
from api.errors import ApiError
from api.routing import Route, Tag
from api.schemas.common import Problem
from api.table import ROUTES
from storage.keys import KeyRole

VERSION: Final = "1.0.0"  # of the API as described; fields may be added under the same one
_REF: Final = "#/components/schemas/{model}"
_PROBLEM: Final = "application/problem+json"

_ABOUT: Final = (
    "Maskline lets two people talk without either learning the other's number. Open a session; "
    "both participants then reach each other through temporary proxy numbers.\n\n"
    "Authentication: `Authorization: Bearer KEY`. Errors: `application/problem+json` with a "
    "stable `error_id`. Times: RFC 3339 in UTC; durations: seconds (`_s`) or milliseconds (`_ms`); "
    "phones: E.164. Lists: `limit` and `cursor`. A phone that was sent in is never sent out again."
)
_TAGS: Final = {
    Tag.SESSIONS: "Permissions for two participants to call each other.",
    Tag.LISTINGS: "Numbers shown on listings, for callers whom the platform does not know.",
    Tag.BLOCKS: "Users who do not want calls from others.",
    Tag.IN_APP: "Apps' credentials, users' switches, and what belongs to a call in an app.",
    Tag.APP: "What an app asks with the token of its credential. Never with a key of this API.",
    Tag.CALLS: "What is kept of calls, and how people see it.",
    Tag.RECORDINGS: "What was said, for those who may hear it. Each time is kept in the audit log.",
    Tag.LIVE_CALLS: "What is up now.",
    Tag.ANALYTICS: "What calls come to, in figures that are kept as calls are.",
    Tag.WEBHOOKS: "Where notices of what happened are sent, and what came of each.",
    Tag.TRUNKS: "SIP connections to carriers. Changes take effect without a restart.",
    Tag.POOLS: "Sets of proxy numbers with their rules.",
    Tag.NUMBERS: "Our numbers that stand in for people.",
    Tag.PERSONAL: "What is kept of a person, for how long, and under which key.",
    Tag.KEYS: "Keys for this API.",
    Tag.AUDIT: "Who heard, read or took what is not theirs.",
    Tag.SERVICE: "The service about itself. No key is needed.",
}


def document(routes: Iterable[Route] = ROUTES) -> dict[str, Any]:
    """The whole document, as JSON values."""
    table = tuple(routes)
    refs, schemas = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    problems: dict[str, Any] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs, problems)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Maskline", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag.value, "description": text} for tag, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of this API"},
                "app": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of an app's credential",
                },
            },
            "responses": dict(sorted(problems.items())),
            "schemas": schemas,
        },
        "x-errors": [
            {
                "error_id": error.error_id,
                "status": error.status,
                "title": error.title,
                "detail": error.advice,
            }
            for error in errors.every()
        ],
    }


_Refs = Mapping[tuple[Any, JsonSchemaMode], dict[str, Any]]


def _schemas(routes: tuple[Route, ...]) -> tuple[_Refs, dict[str, Any]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for route in routes:
        if route.has_body:
            wanted[route.body, "validation"] = None
        if isinstance(route.answers, type):
            wanted[route.answers, "serialization"] = None
    refs, definitions = models_json_schema(list(wanted), ref_template=_REF)
    return refs, dict(sorted(definitions["$defs"].items()))


def _operation(route: Route, refs: _Refs, problems: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag.value],
    }
    if route.description:
        operation["description"] = route.description
    if route.app:
        operation["security"] = [{"app": []}]
        operation["x-roles"] = ["app"]
    elif route.roles is None:
        operation["security"] = []
    else:
        operation["security"] = [{"key": []}]
        operation["x-roles"] = [role.value for role in KeyRole if route.may(role)]
    parameters = [*_path(route), *_query(route), *_headers(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.has_body:
        schema = refs[route.body, "validation"]
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {"application/json": {"schema": schema}},
        }
    operation["responses"] = _responses(route, refs, problems)
    return operation


def _path(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "in": "path",
            "required": True,
            "description": one.description,
            "schema": {"type": "string", "pattern": _anchored(one.pattern)},
            "example": one.example,
        }
        for one in route.parameters
    ]


def _anchored(pattern: str) -> str:
    return f"^{pattern.removeprefix('^').removesuffix('$')}$"


def _query(route: Route) -> list[dict[str, Any]]:
    model = route.query.model_json_schema(ref_template=_REF)
    definitions = model.get("$defs", {})
    parameters = []
    for name, schema in model.get("properties", {}).items():
        flat = _flat(schema, definitions)
        parameter = {"name": name, "in": "query", "schema": flat}
        if description := flat.pop("description", None):
            parameter["description"] = description
        if flat.get("type") == "array":  # with commas between its items
            parameter |= {"style": "form", "explode": False}
            flat["items"] = _flat(flat["items"], definitions)
        # One that is empty is one that was not given.
        parameter["required" if name in model.get("required", ()) else "allowEmptyValue"] = True
        parameters.append(parameter)
    return parameters


def _flat(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Without references, and without the null that only says that a parameter may be left out."""
    known = {key: value for key, value in schema.items() if key not in {"title", "$ref", "anyOf"}}
    if "$ref" in schema:
        known = {**definitions[schema["$ref"].rsplit("/", 1)[-1]], **known}
    others = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(others) == 1:
        known = {**_flat(others[0], definitions), **known}
    if known.get("default", ...) is None:
        del known["default"]
    known.pop("title", None)
    return known


def _headers(route: Route) -> list[dict[str, Any]]:
    if route.method != "POST" or route.roles is None:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key with the same request gets the same answer and has no "
            "second effect, for 24 hours",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ]


def _responses(route: Route, refs: _Refs, problems: dict[str, Any]) -> dict[str, Any]:
    """The answers of a route; the problems among them are kept once, in `problems`."""
    responses: dict[str, Any] = {str(route.status): _success(route, refs)}
    if route.unready:
        responses["503"] = {**_success(route, refs), "description": "Something is missing"}
        return responses
    by_status: dict[int, list[type[ApiError]]] = {}
    for error in _errors(route):
        by_status.setdefault(error.status, []).append(error)
    for status, these in sorted(by_status.items()):
        name = "-".join(error.error_id for error in these)
        problems.setdefault(name, _problem(these, refs))
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return responses


def _problem(these: list[type[ApiError]], refs: _Refs) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; ".join(f"`{error.error_id}`: {error.title}" for error in these),
        "content": {_PROBLEM: {"schema": refs[Problem, "serialization"]}},
    }
    if errors.Unauthenticated in these:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return response


def _success(route: Route, refs: _Refs) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if route.location:
        headers["Location"] = {
            "description": "The path of what was made",
            "schema": {"type": "string"},
        }
    if route.method == "POST":
        headers["Idempotency-Replayed"] = {
            "description": "`true` if this answer was given before",
            "schema": {"type": "string", "enum": ["true"]},
        }
    success: dict[str, Any] = {"description": _MEANINGS.get(route.status, "Done")}
    if headers:
        success["headers"] = headers
    match route.answers:
        case None:
            pass
        case str() as media_types:
            success["content"] = {
                one: {"schema": _TEXT if one != _JSON else {}} for one in media_types.split(", ")
            }
        case model:
            success["content"] = {_JSON: {"schema": refs[model, "serialization"]}}
    return success


_JSON: Final = "application/json"
_TEXT: Final = {"type": "string"}
_MEANINGS: Final = {200: "Here it is", 201: "Made", 202: "Under way", 204: "Gone"}


def _errors(route: Route) -> list[type[ApiError]]:
    """Its own errors, and those that follow from what it takes."""
    found: list[type[ApiError]] = []
    if route.roles is not None:
        found.append(errors.Unauthenticated)
        found.append(errors.RateLimited if route.app else errors.Forbidden)
    if route.missing is not None:
        found.append(route.missing)
    found += route.errors
    if route.has_body:
        found += [errors.MalformedJson, errors.BodyTooLarge, errors.UnsupportedMediaType]
    found.append(errors.ValidationFailed)
    if route.method == "POST" and route.roles is not None:
        found += [errors.IdempotencyInFlight, errors.IdempotencyKeyReused]
    if route.roles is not None:
        found += [errors.Overloaded, errors.StorageUnavailable, errors.TimedOut]
    return list(dict.fromkeys(found))


def text() -> str:
    """The document as it is kept in ``docs/openapi.json``."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the kept document; 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m api.openapi", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE")
    what.add_argument("--check", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    if chosen.write is not None:
        chosen.write.write_text(text(), encoding="utf-8")
        return 0
    if chosen.check.is_file() and chosen.check.read_text(encoding="utf-8") == text():
        return 0
    print(
        f"{chosen.check} differs from the code: python -m api.openapi --write {chosen.check}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
