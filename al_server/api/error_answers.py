"""Every error, whoever raises it, as ``{"error": {"code", "message", "remedy"}}``.

A person who asked for a page gets the same on a page.
"""

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from al_server.answers import ErrorBody, ErrorOut
from al_server.api.json_bodies import answer_json
from al_server.errors import ALError

API_PREFIX = "/api/"

# status -> code and remedy of what flask and werkzeug raise by themselves
_KNOWN = {
    400: ("bad_request", "check the request against /openapi.json"),
    404: ("not_found", "check the address for a typing error; /openapi.json lists them all"),
    405: ("method_not_allowed", "use a method that the Allow header names"),
    413: ("too_large", "send it in several requests, or start the server with a larger limit"),
    415: ("unsupported_media_type", "send JSON with the header Content-Type: application/json"),
    416: ("range_not_satisfiable", "ask for a range inside the file"),
    500: ("internal", "this is a fault of the server: its log has the details"),
}
# what these say goes beyond the body; the rest of werkzeug's headers describes its HTML
_KEPT_HEADERS = ("Allow", "Content-Range", "Retry-After", "WWW-Authenticate")


def asks_for_page() -> bool:
    """Whether a person asks for a page rather than a program for data."""
    names_html = "text/html" in request.headers.get("Accept", "")
    return names_html and not request.path.startswith(API_PREFIX)


def init_app(app: Flask) -> None:
    """Answer errors of ours, of flask and of nobody's intention."""
    app.register_error_handler(ALError, _ours)
    app.register_error_handler(HTTPException, _of_http)


def _ours(error: ALError) -> Response:
    # an error may bring headers that belong to its status, such as Retry-After
    headers: dict[str, str] = getattr(error, "headers", {})
    body = ErrorBody(code=error.code, message=error.message, remedy=error.remedy)
    return _answer(body, status=error.status, headers=headers)


def _of_http(error: HTTPException) -> Response | HTTPException:
    status = error.code
    if status is None or status < 400:
        return error  # a redirect
    code, remedy = _KNOWN.get(status, ("refused", "check the request against /openapi.json"))
    kept = {name: text for name, text in error.get_headers() if name in _KEPT_HEADERS}
    body = ErrorBody(code=code, message=_message(status, error), remedy=remedy)
    return _answer(body, status=status, headers=kept)


def _answer(body: ErrorBody, *, status: int, headers: dict[str, str]) -> Response:
    if asks_for_page():
        answer = Response(render_template("error.html", error=body, status=status), status=status)
    else:
        answer = answer_json(ErrorOut(error=body), status=status)
    answer.headers.update(headers)
    return answer


def _message(status: int, error: HTTPException) -> str:
    if status == 404:
        return "there is nothing at this address"
    if status == 405:
        return f"{request.method} is not possible here"
    if status == 413:
        return f"the body is longer than {request.max_content_length:,} bytes"
    if status == 500:
        return "the server failed to answer this request"
    return error.description or error.name
