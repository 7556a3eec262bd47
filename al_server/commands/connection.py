"""The connection from a command to a running server."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import click
import httpx

from al_server.errors import ALError, BadInput

DEFAULT_URL = "http://127.0.0.1:9090"
Command = TypeVar("Command", bound=Callable[..., Any])


_NAME_IT = "name the right one: --url (label-studio: --server), or AL_URL"


class NoServer(ALError):
    """Nothing that answers like our server."""

    status, code = 502, "no_server"


class Refused(ALError):
    """The server's own error, as it was answered."""

    code = "refused"


def url_option(command: Command) -> Command:
    """Add --url to a command."""
    return click.option(
        "--url",
        envvar="AL_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help="Address of the server. Its token, where it has one, is read from AL_TOKEN.",
    )(command)


class Connection:
    """A client of the HTTP API, version 1.

    Parameters
    ----------
    url : address of the server
    token : what the server asks for; default: the variable `AL_TOKEN`
    """

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        token = token or os.environ.get("AL_TOKEN")
        try:
            host = httpx.URL(self.url).host
            self._client = httpx.Client(
                base_url=f"{self.url}/api/v1/",
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=httpx.Timeout(60.0, connect=5.0),
                # a proxy for the world outside would not find a server on this machine
                trust_env=not _is_loopback(host),
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise BadInput(f"{url} or its token is malformed", f"such as {DEFAULT_URL}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for something."""
        return self._json("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send something."""
        return self._json("POST", path, json=body)

    def delete(self, path: str) -> Any:
        """Ask for something to be ended."""
        return self._json("DELETE", path)

    @contextmanager
    def download(self, path: str, params: Mapping[str, Any]) -> Iterator[Iterator[bytes]]:
        """Ask for a file, and yield it in parts."""
        with self._translated(), self._client.stream("GET", path, params=params) as answer:
            if not answer.is_success:
                answer.read()
                raise self._error(answer)
            yield answer.iter_bytes()

    def _json(self, method: str, path: str, **content: Any) -> Any:
        with self._translated():
            answer = self._client.request(method, path, **content)
        if not answer.is_success:
            raise self._error(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise self._stranger() from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.UnsupportedProtocol as error:
            raise BadInput(f"{self.url} is no address", f"such as {DEFAULT_URL}") from error
        except httpx.TimeoutException as error:
            remedy = "try again; al-server doctor tells what the machine lacks"
            raise NoServer(f"the server at {self.url} does not answer in time", remedy) from error
        except httpx.TransportError as error:
            raise NoServer(
                f"no server answers at {self.url}",
                f"start one with `al-server serve`, or {_NAME_IT}",
            ) from error

    def _error(self, answer: httpx.Response) -> ALError:
        try:
            said = answer.json()["error"]
            return Refused(str(said["message"]), str(said["remedy"]))
        except (ValueError, KeyError, TypeError):
            return self._stranger()

    def _stranger(self) -> NoServer:
        return NoServer(f"what answers at {self.url} is not an al_server", _NAME_IT)


def campaign_path(name: str, *more: str) -> str:
    """Path of a campaign, or of something in it, below the API's."""
    return "/".join(["campaigns", *(quote(part, safe="") for part in (name, *more))])


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
