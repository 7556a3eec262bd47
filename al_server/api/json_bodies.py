"""JSON as it comes in and goes out: orjson, finite numbers only, errors with a position."""

from typing import Any, NoReturn

import orjson
from flask import Flask, Request, Response
from flask.json.provider import JSONProvider
from pydantic import BaseModel
from werkzeug.exceptions import RequestEntityTooLarge

from al_server.errors import ALError, BadInput

_NOT_FINITE = ("NaN", "Infinity", "-Infinity", "nan", "inf")


class BadJSON(ALError):
    """A body that is not JSON."""

    status, code = 400, "bad_json"


class NotJSON(ALError):
    """A body of another type, or none."""

    status, code = 415, "unsupported_media_type"


class OrjsonProvider(JSONProvider):
    """What flask itself reads and writes JSON with."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write; numpy arrays and times are understood, NaN becomes null."""
        return orjson.dumps(obj, option=orjson.OPT_SERIALIZE_NUMPY).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read."""
        return orjson.loads(s)


def init_app(app: Flask) -> None:
    """Make orjson the app's JSON."""
    app.json = OrjsonProvider(app)


def answer_json(content: BaseModel | dict[str, Any], *, status: int = 200) -> Response:
    """Write a model or a plain dict as the answer."""
    plain = content.model_dump() if isinstance(content, BaseModel) else content
    return Response(orjson.dumps(plain), status=status, mimetype="application/json")


def read_json(request: Request) -> Any:
    """Read the body of a request.

    Raises
    ------
    NotJSON
        If its type is another one. A form of a foreign page cannot send this type, so this is also
        a guard against requests that a person did not mean.
    BadJSON
        If it cannot be parsed; names the place.
    BadInput
        If it holds NaN, an infinity, or a number too large for a double.
    """
    if request.mimetype != "application/json":
        sent = request.mimetype or "no type"
        raise NotJSON(
            f"the body was sent as {sent}",
            "send JSON with the header Content-Type: application/json",
        )
    body = _whole_body(request)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse(error, body)


def _whole_body(request: Request) -> bytes:
    body = request.get_data()
    limit = request.max_content_length
    # of a body without a length werkzeug reads as much as is allowed and cuts the rest off
    if request.content_length is None and limit is not None and len(body) >= limit:
        raise RequestEntityTooLarge
    return body


def _refuse(error: orjson.JSONDecodeError, body: bytes) -> NoReturn:
    place = f"line {error.lineno}, column {error.colno}"
    if not body.strip():
        raise BadJSON(
            "the body is empty", "send a JSON object; /openapi.json says which"
        ) from error
    if "infinity" in error.msg:
        raise BadInput(
            f"a number too large for a double at {place}", "send finite numbers"
        ) from error
    if error.doc[error.pos : error.pos + 9].startswith(_NOT_FINITE):
        raise BadInput(
            f"NaN or an infinity at {place}", "send finite numbers; leave such samples out"
        ) from error
    raise BadJSON(f"not JSON at {place}: {error.msg}", "send one JSON object in UTF-8") from error
