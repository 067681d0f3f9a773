"""From what pydantic found wrong to fields and advice.

Neither a value nor an unknown name of a field is repeated as it was sent: either may be a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from api.errors import FieldError, MalformedJson, ValidationFailed
from api.schemas.patterns import HINTS

ModelT = TypeVar("ModelT", bound=BaseModel)

_TIME_AND_BLANK: Final = re.compile(r"[0-9]{4}-[0-9-]{5}[Tt][0-9:.]{8,18} [0-9]{2}:[0-9]{2}")
MAX_ERRORS: Final = 20  # more of them help nobody
# Where pydantic's own words speak of its insides.
_OURS: Final = MappingProxyType(
    {
        "too_short": "must have {min_length} or more items",
        "too_long": "must have at most {max_length} items",
        "string_too_short": "must have {min_length} or more characters",
        "string_too_long": "must have at most {max_length} characters",
        "union_tag_invalid": "its {discriminator} must be one of {expected_tags}",
        "datetime_parsing": "is no moment that there is: check month, day, hour and second",
        "datetime_from_date_parsing": "is no moment that there is: check month, day, hour, second",
    }
)
_PRINTABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def parse_body(model: type[ModelT], raw: bytes) -> ModelT:
    """The body as `model`. Raises MalformedJson or ValidationFailed."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _refusal(model, raw, error) from None


def parse_query(model: type[ModelT], pairs: Sequence[tuple[str, str]]) -> ModelT:
    """The query string as `model`. Raises ValidationFailed.

    A parameter without a value is as good as none: ``?user_id=&state=open``.
    """
    values = dict(pairs)
    if len(values) != len(pairs):
        twice = next(name for name in values if sum(name == other for other, _ in pairs) > 1)
        raise ValidationFailed(errors=[FieldError(_shown(twice), "give this parameter once")])
    values = {name: _with_plus(value) for name, value in values.items() if value}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ValidationFailed(errors=list(_fields(model, values, error))) from None


def _with_plus(value: str) -> str:
    """A time with its offset as it was meant: an unescaped plus in an address means a blank."""
    return value.replace(" ", "+") if _TIME_AND_BLANK.fullmatch(value) else value


def _refusal(
    model: type[BaseModel], raw: bytes, error: ValidationError
) -> MalformedJson | ValidationFailed:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return MalformedJson()
    return ValidationFailed(errors=list(_fields(model, from_json(raw), error)))


def _fields(model: type[BaseModel], sent: object, error: ValidationError) -> Iterator[FieldError]:
    for details in error.errors(include_url=False, include_input=False)[:MAX_ERRORS]:
        location = _without_tags(details["loc"], sent)
        context: Mapping[str, Any] = details.get("ctx", {})
        field = str(context["field"]) if details["type"] == "phone_in_text" else _path(location)
        yield FieldError(field or "(body)", _advice(model, details, location))


def _without_tags(location: Sequence[int | str], sent: object) -> list[int | str]:
    """The location in the document: pydantic also names members of unions and keys of maps."""
    walked: list[int | str] = []
    here = sent
    for position, step in enumerate(location):
        last = position == len(location) - 1
        match here:
            case dict() if step in here:
                here = here[step]
            case list() if isinstance(step, int) and step < len(here):
                here = here[step]
            case _ if not last or step == "[key]":
                continue
            case _:
                pass
        walked.append(step)
    return walked


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for step in location:
        match step:
            case int():
                path += f"[{step}]"
            case str():
                path += f".{_shown(step)}" if path else _shown(step)
    return path


def _shown(name: str) -> str:
    """A field's name as it may be shown: an unknown one may be anything, a phone as well."""
    harmless = _PRINTABLE_NAME.fullmatch(name) and sum(one.isdigit() for one in name) < 5
    return name if harmless else "(unnamed)"


def _advice(model: type[BaseModel], details: ErrorDetails, location: Sequence[int | str]) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            near = get_close_matches(str(location[-1]), names_of(model), n=1)
            return (
                f"is not known; did you mean {near[0]}?" if near else "is not known: leave it out"
            )
        case "string_pattern_mismatch":
            pattern = str(context["pattern"])
            return HINTS.get(pattern, f"must match {pattern}")
        case "value_error":
            return str(context["error"])  # our own words
        case "string_unicode":
            return "must be text that can be encoded in UTF-8"
        case kind if kind in _OURS:
            return _OURS[kind].format_map(context)
        case _:
            return _sentence(details["msg"])


def _sentence(message: str) -> str:
    """Pydantic's own words, which never hold the input, as a demand."""
    return message.replace("Input should be ", "must be ", 1)[:300]


@cache
def names_of(model: type[BaseModel]) -> frozenset[str]:
    """The names of all fields of `model` and of the models inside it."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(field.alias or name)
        for inner in _models_in(field.annotation):
            names |= names_of(inner)
    return frozenset(names)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, UnionType, list, tuple, dict} or hasattr(
        annotation, "__metadata__"
    ):
        for inner in get_args(annotation):
            yield from _models_in(inner)
