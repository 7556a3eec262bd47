"""One line a request in the log, without anything that is secret."""

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)


class AccessLog:
    """Wraps an application: method, path, status and time of every request.

    Headers, bodies and query strings stay out: they hold tokens and the names of annotators.

    Parameters
    ----------
    application : what answers
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request and log it."""
        began = time.perf_counter()

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            # quoted: a line break in a path must not forge a line of the log
            log.info(
                "%s %s %s %s %.0f ms",
                environ.get("REMOTE_ADDR", "-"),
                environ["REQUEST_METHOD"],
                quote(environ.get("PATH_INFO", ""), encoding="latin-1"),
                status.partition(" ")[0],
                1000 * (time.perf_counter() - began),
            )
            return start_response(status, headers, *more)

        return self._application(environ, start)
