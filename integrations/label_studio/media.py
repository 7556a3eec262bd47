"""What tasks point to: fetched with the token from Label Studio itself, without it from elsewhere.

Label Studio serves uploads and local files to those who show the token, and forwards to presigned
addresses of clouds. The token is shown for these alone, and nowhere but at the connected host: what
a task points to may have been written by anybody, and the API would answer with secrets. Elsewhere
only public addresses are asked, unless the server's `fetch_hosts` names the host in full.
"""

import base64
import binascii
import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from al_server.errors import ALError, NotReady
from al_server.security.hosts import is_loopback
from al_server.sources.fetch import SUFFIX_OF_TYPE, Fetched, Fetcher
from integrations.label_studio.client import Client

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 32 * 2**20
TIMEOUT_S = 10.0
DEADLINE_S = 60.0
_ITS_OWN = re.compile(
    r"/(data/(upload|local-files)|storage-data/uploaded|(tasks|projects)/\d+/(resolve|presign))/"
)
_SUFFIXES = {*SUFFIX_OF_TYPE.values(), ".jpeg", ".tiff"}
_N_WORKERS = 4
_MAX_HOPS = 5


class _Refused(Exception):
    """Something that is not fetched, and why."""


class _Wires(NamedTuple):
    """What Label Studio is asked by, and what others are."""

    host: "httpx.Client"
    elsewhere: "httpx.Client"


class MediaFetcher:
    """Fetches what the tasks of one Label Studio point to, into a folder.

    Parameters
    ----------
    folder : where the files go, named by their content
    client : whose host and token are used
    fetch_hosts : hosts elsewhere that may have a private address
    should_stop : asked before each download; True ends the work with `NotReady`
    """

    def __init__(
        self,
        folder: Path,
        client: Client,
        *,
        fetch_hosts: Sequence[str] = (),
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder = folder
        self._client = client
        self._should_stop = should_stop
        self._elsewhere = Fetcher(
            folder, ("*", *fetch_hosts), max_bytes=MAX_BYTES, timeout_s=TIMEOUT_S
        )

    def fetch_all(
        self, addresses: Sequence[str], *, progress: Callable[[int, int], None]
    ) -> list[Fetched]:
        """Fetch every address, in order; what was fetched before is not asked for again."""
        import httpx

        done: list[Fetched] = []
        # kept by address, a connection might be made for one host and used for another
        unkept = httpx.Limits(max_keepalive_connections=0)
        with (
            # no proxies and no redirects behind our back: each hop is looked at
            httpx.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as host,
            httpx.Client(timeout=TIMEOUT_S, trust_env=False, limits=unkept) as elsewhere,
            ThreadPoolExecutor(_N_WORKERS, thread_name_prefix="media") as pool,
        ):
            wires = _Wires(host, elsewhere)
            for fetched in pool.map(lambda one: self._fetch(wires, one), addresses):
                done.append(fetched)
                progress(len(done), len(addresses))
        if self._should_stop():
            raise NotReady("the server is stopping", "it goes on at the next start")
        return done

    def _fetch(self, wires: _Wires, address: str) -> Fetched:
        import httpx

        if self._should_stop():
            return Fetched(None, "the server is stopping")
        try:
            if address.startswith("data:"):
                return self._keep(*_inline(address))
            target = self._through_host(urljoin(f"{self._client.url}/", address))
            if not self._is_host(target):
                return self._from_elsewhere(wires, target)
            note = self._folder / "notes" / hashlib.sha256(target.encode()).hexdigest()
            if note.is_file() and (known := self._folder / note.read_text("utf-8")).is_file():
                return Fetched(known)
            fetched = self._from_host(wires, target)
            if fetched.path is not None and fetched.path.parent == self._folder:
                _write(note, fetched.path.name.encode())
            return fetched
        except _Refused as refused:
            return Fetched(None, str(refused))
        except httpx.TimeoutException:
            return Fetched(None, f"no answer within {TIMEOUT_S:g} s")
        except ALError as error:
            return Fetched(None, error.message)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Fetched(None, f"cannot be fetched: {error}")

    def _through_host(self, address: str) -> str:
        """Let what Label Studio calls its own be asked from where it was connected.

        It may write itself into addresses by another name, such as localhost.
        """
        parts = urlsplit(address)
        if is_loopback(parts.hostname or "") and _ITS_OWN.match(parts.path):
            return f"{self._client.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return address

    def _is_host(self, address: str) -> bool:
        return _origin(address) == _origin(self._client.url)

    def _headers(self, address: str) -> dict[str, str]:
        path = unquote(urlsplit(address).path)
        below = path.removeprefix(urlsplit(self._client.url).path)
        if _ITS_OWN.match(below) is None or ".." in path.split("/"):
            return {}
        return {"Authorization": self._client.authorization()}

    def _from_elsewhere(self, wires: _Wires, address: str) -> Fetched:
        if urlsplit(address).scheme not in ("http", "https"):
            raise _Refused(
                f"{address[:60]} is not served by Label Studio: add its storage to the project"
            )
        return self._elsewhere.fetch(wires.elsewhere, address)

    def _from_host(self, wires: _Wires, address: str) -> Fetched:
        deadline = time.monotonic() + DEADLINE_S
        for _ in range(_MAX_HOPS):
            with wires.host.stream("GET", address, headers=self._headers(address)) as answer:
                if answer.is_redirect:
                    address = urljoin(address, answer.headers["location"])
                    if not self._is_host(address):
                        # a presigned address speaks for itself; the token stays here
                        return self._from_elsewhere(wires, address)
                    continue
                if answer.status_code != 200:
                    raise _Refused(f"Label Studio answers {answer.status_code} for it")
                content = _read(answer, deadline)
                return self._keep(content, _suffix(address, answer.headers.get("content-type", "")))
        raise _Refused(f"more than {_MAX_HOPS} redirects")

    def _keep(self, content: bytes, suffix: str) -> Fetched:
        path = self._folder / (hashlib.sha256(content).hexdigest() + suffix)
        if not path.exists():
            _write(path, content)
        return Fetched(path)


def _read(answer: "httpx.Response", deadline: float) -> bytes:
    content = bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise _Refused(f"longer than {MAX_BYTES / 2**20:g} MiB")
        if time.monotonic() > deadline:
            raise _Refused(f"not complete within {DEADLINE_S:g} s")
    return bytes(content)


def _origin(address: str) -> tuple[str, str, int | None]:
    parts = urlsplit(address)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def _suffix(address: str, content_type: str) -> str:
    parts = urlsplit(address)
    # local files are named in the query
    named = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    suffix = PurePosixPath(named).suffix.lower()
    if suffix in _SUFFIXES:
        return suffix
    return SUFFIX_OF_TYPE.get(content_type.partition(";")[0].strip().lower(), "")


def _inline(address: str) -> tuple[bytes, str]:
    head, _, body = address.removeprefix("data:").partition(",")
    content_type, _, encoding = head.partition(";")
    if encoding != "base64":
        raise _Refused("inline data that is not base64")
    try:
        content = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise _Refused(f"inline data that is not base64: {error}") from error
    if len(content) > MAX_BYTES:
        raise _Refused(f"longer than {MAX_BYTES / 2**20:g} MiB")
    return content, SUFFIX_OF_TYPE.get(content_type, "")


def _write(path: Path, content: bytes) -> None:
    # whole or not at all
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    part.write_bytes(content)
    part.replace(path)
