"""Binds the models of requests and answers to views.

A view says in its signature what it takes and gives; this reads the request accordingly, calls the
view, and writes the answer. The same reading is kept on the view as an `Operation`, from which
`openapi.py` describes the API: what is documented is what is checked.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, get_type_hints

from flask import Response, request
from pydantic import BaseModel

from al_server.api.json_bodies import answer_json, read_json
from al_server.api.validation import NoQuery, checked, checked_query

View = Callable[..., BaseModel | Response]
Bound = Callable[..., Response]
_OPERATION = "al_operation"


@dataclass(frozen=True)
class Operation:
    """One thing that can be done over HTTP.

    Attributes
    ----------
    summary, description : first line and rest of the view's docstring
    body : model of the JSON body, or None
    query : model of the query parameters
    answer : model of the answer, or None where the view writes other content itself
    produces : content types of such other content
    status : HTTP status of a success
    """

    summary: str
    description: str
    body: type[BaseModel] | None
    query: type[BaseModel]
    answer: type[BaseModel] | None
    produces: tuple[str, ...]
    status: int


def operation(*, status: int = 200, produces: tuple[str, ...] = ()) -> Callable[[View], Bound]:
    """Turn a typed function into a view.

    Parameters of the path come as str, by name. A parameter `body` is the validated JSON body and
    `query` the validated query, by the models they are annotated with; query parameters that no
    model names are refused. A returned model is written as JSON, a Response goes as it is.

    Parameters
    ----------
    status : HTTP status of a success
    produces : content types, for a view that returns a Response
    """

    def decorate(view: View) -> Bound:
        read = _read(view, status=status, produces=produces)

        @wraps(view)
        def bound(**from_path: str) -> Response:
            arguments: dict[str, Any] = dict(from_path)
            query = checked_query(read.query, request.args)
            if read.query is not NoQuery:
                arguments["query"] = query
            if read.body is not None:
                arguments["body"] = checked(read.body, read_json(request))
            answer = view(**arguments)
            if isinstance(answer, BaseModel):
                return answer_json(answer, status=status)
            return answer

        setattr(bound, _OPERATION, read)
        return bound

    return decorate


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return what `operation` read from a view; None for a view of another kind."""
    found = getattr(view, _OPERATION, None)
    return found if isinstance(found, Operation) else None


def _read(view: View, *, status: int, produces: tuple[str, ...]) -> Operation:
    hints = get_type_hints(view)
    answer = hints.get("return")
    is_model = isinstance(answer, type) and issubclass(answer, BaseModel)
    if not is_model and not produces:
        raise TypeError(f"{view.__qualname__} answers no model; say what it produces")
    summary, _, description = inspect.cleandoc(view.__doc__ or "").partition("\n")
    return Operation(
        summary=summary,
        description=description.strip(),
        body=hints.get("body"),
        query=hints.get("query", NoQuery),
        answer=answer if is_model else None,
        produces=produces,
        status=status,
    )
