"""Sample ids in URLs: any text, slashes included.

A client should write an id as one segment, its slashes as ``%2F``: then ``samples/a%2Fmedia`` is
the sample ``a/media`` and ``samples/a/media`` the picture of ``a``. Plain slashes are understood
too wherever that leaves no doubt. WSGI hands over the path with both kinds of slash already alike,
so the difference is taken from the path as it was sent and carried to the router as a mark.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from flask import Flask
from werkzeug.routing import BaseConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# a noncharacter: Unicode keeps it for uses inside a program, so no text that is sent has it
SLASH_MARK = "\ufdd0"
_TAKES_SAMPLE_ID = re.compile(r"/api/v1/campaigns/[^/]+/(samples|labels)/")
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


class SampleIdConverter(BaseConverter):
    """The rest of the path, or what stands before the view's own last word."""

    regex = r"[\s\S]+?"
    weight = 200  # tried after everything more definite, as werkzeug's own path converter is
    part_isolating = False

    def to_python(self, value: str) -> str:
        """Give the id its slashes back."""
        return value.replace(SLASH_MARK, "/")

    def to_url(self, value: str) -> str:
        """Write an id as one segment."""
        return quote(value, safe="")


class MarkEncodedSlashes:
    """WSGI wrapper that marks the encoded slashes of a sample id before the path is routed."""

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self.wsgi_app = wsgi_app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Mark, then pass on."""
        marked = _marked_path(environ)
        if marked is not None:
            environ = {**environ, "PATH_INFO": marked}
        return self.wsgi_app(environ, start_response)


def _marked_path(environ: "WSGIEnvironment") -> str | None:
    """PATH_INFO with marks; None where there is nothing to mark or the sent path is not known."""
    sent, _, _ = str(environ.get("REQUEST_URI", "")).partition("?")
    path: str = environ.get("PATH_INFO", "")
    prefix: str = environ.get("SCRIPT_NAME", "")
    if not _ENCODED_SLASH.search(sent) or not _TAKES_SAMPLE_ID.match(path):
        return None
    # something before us rewrote the path: trust what it made of it
    if _decoded(sent) != prefix + path:
        return None
    return _decoded(_ENCODED_SLASH.sub(quote(SLASH_MARK), sent)).removeprefix(prefix)


def _decoded(path: str) -> str:
    # the bytes of a path as WSGI wants them, one character a byte
    return unquote_to_bytes(path).decode("latin-1")


def init_app(app: Flask) -> None:
    """Let routes use ``<sample_id:sample_id>``; call it before any blueprint is registered."""
    app.url_map.converters["sample_id"] = SampleIdConverter
    app.url_map.merge_slashes = False  # `a//b` is not `a/b`
    app.wsgi_app = MarkEncodedSlashes(app.wsgi_app)  # type: ignore[method-assign]
