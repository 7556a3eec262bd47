"""pydantic's findings, said so that a person can act on them."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from al_server.errors import BadInput
from al_server.models import Model

N_SHOWN = 5
_M = TypeVar("_M", bound=BaseModel)


class NoQuery(Model):
    """A view that takes no query parameters."""


def checked(model: type[_M], value: Any) -> _M:
    """Validate a parsed JSON body; no type is bent into another.

    Raises
    ------
    BadInput
        Naming the fields, what is wrong with each, and for unknown keys the known ones.
    """
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        raise _explained(error, model, value, where="the body") from error


def checked_query(model: type[_M], arguments: MultiDict[str, str]) -> _M:
    """Validate query parameters; text becomes what the model says."""
    doubled = [name for name, values in arguments.lists() if len(values) > 1]
    if doubled:
        raise BadInput(f"query parameter {doubled[0]!r} is given twice", "give it once")
    value = arguments.to_dict()
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explained(error, model, value, where="the query") from error


def _explained(
    error: ValidationError, model: type[BaseModel], value: Any, *, where: str
) -> BadInput:
    findings: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_context=False):
        path = _path(one, value)
        said = findings.setdefault(_written(path) or where, [])
        said.append(_finding(one, path, model))
    lines = [f"{field}: {' or '.join(dict.fromkeys(said))}" for field, said in findings.items()]
    more = f"; and {len(lines) - N_SHOWN} more" if len(lines) > N_SHOWN else ""
    return BadInput(
        "; ".join(lines[:N_SHOWN]) + more,
        f"correct {where}; /openapi.json describes it",
    )


def _path(error: ErrorDetails, value: Any) -> list[str | int]:
    """Where the finding is in what was sent; pydantic's own marks of a union's arms left out."""
    path: list[str | int] = []
    for part in error["loc"]:
        if isinstance(part, int) and isinstance(value, list) and part < len(value):
            value = value[part]
        elif isinstance(part, str) and isinstance(value, dict) and part in value:
            value = value[part]
        elif not (error["type"] == "missing" and part == error["loc"][-1]):
            continue
        path.append(part)
    return path


def _written(path: Sequence[str | int]) -> str:
    written = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return written.removeprefix(".")[:200]


def _finding(error: ErrorDetails, path: Sequence[str | int], model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden":
        return _unknown_key(path, model)
    if error["type"] == "missing":
        return "is missing"
    given = error["input"]
    if isinstance(given, bool | int | float | str) and len(str(given)) <= 60:
        return f"{error['msg']}, not {given!r}"
    return error["msg"]


def _unknown_key(path: Sequence[str | int], model: type[BaseModel]) -> str:
    holder = _model_at(model, path[:-1])
    known = list(holder.model_fields) if holder else []
    if not known:
        return "is not known here"
    near = get_close_matches(str(path[-1]), known, n=1)
    meant = f", did you mean {near[0]}?" if near else ""
    return f"is not a known key{meant} (known: {', '.join(known)})"


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model that describes the object at `path`."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = next(_models_in(field.annotation), None) if field else None
        if inner is None:
            return None
        model = inner
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
