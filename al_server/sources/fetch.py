"""Images from the web, for tables of URLs: only from hosts that were allowed by name."""

import hashlib
import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from al_server.sources.whole_file import write_whole
from embeddings.images import IMAGE_SUFFIXES

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 5
SUFFIX_OF_TYPE = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
}


class Fetched(NamedTuple):
    """One download: the file, or None and the reason."""

    path: Path | None
    reason: str = ""


class _Refused(Exception):
    """A URL that is not fetched, and why."""


@dataclass(frozen=True)
class Fetcher:
    """Downloads images into a folder, each named by the hash of its content.

    Attributes
    ----------
    folder : where the files go; made when the first one comes
    hosts : hosts that may be asked: a name, `*.name`, or `*`. A host given by its full name may
        have a private address, others may not
    max_bytes : longest file that is taken
    timeout_s : longest silence, in seconds
    deadline_s : longest time for one file, in seconds
    n_workers : downloads at the same time
    """

    folder: Path
    hosts: tuple[str, ...] = ()
    max_bytes: int = 32 * 2**20
    timeout_s: float = 10.0
    deadline_s: float = 60.0
    n_workers: int = 8

    def fetch_all(
        self, urls: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> list[Fetched]:
        """Download every URL, in order; what was downloaded before is not asked for again.

        `progress` is called with how many are done and how many there are; what it raises ends the
        work.
        """
        import httpx

        done: list[Fetched] = []
        # no proxies from the environment: they would look the names up past our check
        with httpx.Client(timeout=self.timeout_s, trust_env=False) as client:
            pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="fetch")
            try:
                for fetched in pool.map(lambda url: self.fetch(client, url), urls):
                    done.append(fetched)
                    if progress is not None:
                        progress(len(done), len(urls))
            finally:
                pool.shutdown(cancel_futures=True)
        return done

    def fetch(self, client: "httpx.Client", url: str) -> Fetched:
        """Fetch one URL with a client that follows no redirects and knows no proxies."""
        import httpx

        note = self.folder / "urls" / hashlib.sha256(url.encode()).hexdigest()
        try:
            if note.is_file() and (known := self.folder / note.read_text("utf-8")).is_file():
                return Fetched(known)
            path = self._download(client, url)
            write_whole(note, path.name.encode())
        except _Refused as refused:
            return Fetched(None, str(refused))
        except httpx.TimeoutException:
            return Fetched(None, f"no answer within {self.timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Fetched(None, f"cannot be fetched: {error}")
        return Fetched(path)

    def _download(self, client: "httpx.Client", url: str) -> Path:
        import httpx

        target = httpx.URL(url)
        deadline = time.monotonic() + self.deadline_s
        for _ in range(MAX_REDIRECTS):
            address = self._allowed_address(target)
            # asked by the address that was checked, so that a second look-up cannot differ
            request = client.build_request(
                "GET",
                target.copy_with(host=address),
                headers={"Host": target.netloc.decode(), "Accept": "image/*"},
                extensions={"sni_hostname": target.host},
            )
            response = client.send(request, stream=True)
            try:
                if response.is_redirect:
                    onward = target.join(response.headers["location"])
                    if onward.host != target.host:
                        raise _Refused(f"leads on to another host: {onward.host}")
                    target = onward
                    continue
                if response.status_code != httpx.codes.OK:
                    raise _Refused(f"the host answered {response.status_code}")
                content = b"".join(self._chunks(response, deadline))
                return self._keep(content, _suffix(target.path, response))
            finally:
                response.close()
        raise _Refused(f"more than {MAX_REDIRECTS} redirects")

    def _chunks(self, response: "httpx.Response", deadline: float) -> Iterator[bytes]:
        n_bytes = 0
        for chunk in response.iter_bytes():
            n_bytes += len(chunk)
            if n_bytes > self.max_bytes:
                raise _Refused(f"longer than {self.max_bytes / 2**20:g} MiB")
            if time.monotonic() > deadline:
                raise _Refused(f"not complete within {self.deadline_s:g} s")
            yield chunk

    def _allowed_address(self, url: "httpx.URL") -> str:
        if url.scheme not in ("http", "https"):
            raise _Refused("only http and https addresses are fetched")
        if not any(fnmatchcase(url.host, pattern.lower()) for pattern in self.hosts):
            raise _Refused(
                f"host {url.host} is not allowed; start the server with --fetch-host {url.host}"
            )
        try:
            found = socket.getaddrinfo(url.host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise _Refused(f"host {url.host} is not known: {error.strerror}") from error
        addresses = [str(entry[4][0]) for entry in found]
        named_in_full = url.host in {host.lower() for host in self.hosts}
        if not named_in_full and not all(ipaddress.ip_address(a).is_global for a in addresses):
            raise _Refused(
                f"host {url.host} has a private address; allow it by its full name "
                f"with --fetch-host {url.host}"
            )
        return addresses[0]

    def _keep(self, content: bytes, suffix: str) -> Path:
        path = self.folder / (hashlib.sha256(content).hexdigest() + suffix)
        if not path.exists():
            write_whole(path, content)
        return path


def _suffix(url_path: str, response: "httpx.Response") -> str:
    suffix = PurePosixPath(unquote(url_path)).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return suffix
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return SUFFIX_OF_TYPE.get(content_type, "")
