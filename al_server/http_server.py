# mypy: disable-error-code="import-untyped"
"""The HTTP server itself: waitress, with limits and errors like those of the application."""

from flask import Flask
from waitress import create_server
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, MultiSocketServer
from waitress.task import ErrorTask

from al_server.answers import ErrorBody, ErrorOut
from al_server.config import Settings

CONNECTION_LIMIT = 2000

# what is refused before the application sees it, by status
_KNOWN = {
    400: ("bad_request", "the request is not HTTP as it should be"),
    413: ("too_large", "send it in several requests, or start the server with a larger limit"),
    431: ("headers_too_large", "send fewer or shorter headers and query parameters"),
    501: ("not_implemented", "use Transfer-Encoding: chunked or a Content-Length"),
}


class _JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers what waitress refuses by itself in the shape of every other error."""

    def execute(self) -> None:
        error = self.request.error
        code, remedy = _KNOWN.get(error.code, ("internal", "the server's log has the details"))
        body = ErrorOut(error=ErrorBody(code=code, message=str(error.body), remedy=remedy))
        content = body.model_dump_json().encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.response_headers.append(("X-Content-Type-Options", "nosniff"))
        self.set_close_on_finish()
        self.content_length = len(content)
        self.write(content)


class _Channel(HTTPChannel):  # type: ignore[misc]
    error_task_class = _JsonErrorTask


def open_server(app: Flask, settings: Settings) -> BaseWSGIServer | MultiSocketServer:
    """Bind the address of the settings; ``run()`` serves until ``close()``.

    Bodies over the limit are refused by the application, in a way that any client can read to the
    end; far longer ones by the server while they arrive, so that nobody fills the disk.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    sockets: dict[int, object] = {}  # a name such as localhost may stand for several addresses
    server = create_server(
        app,
        map=sockets,
        host=host,
        port=settings.port,
        threads=settings.threads,
        # waitress stops accepting at 100: idle browsers would lock everyone else out for minutes
        connection_limit=CONNECTION_LIMIT,
        asyncore_use_poll=True,  # select() ends at file number 1024
        max_request_body_size=2 * settings.max_body_bytes,
        ident="al_server",
    )
    for socket in sockets.values():
        if isinstance(socket, BaseWSGIServer):
            socket.channel_class = _Channel
    return server
