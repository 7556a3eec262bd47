"""Refuses requests under a foreign name and requests that a foreign page makes.

A server on loopback has no password, so what keeps other sites out is this: a page that has its own
name point to 127.0.0.1 (DNS rebinding) still sends that name as Host, and a page that posts a form
here still sends its own Origin.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, request

from al_server.api.error_answers import API_PREFIX
from al_server.config import Settings
from al_server.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether a name or address, without port, means this machine only."""
    if host == "localhost":
        return True
    address = host.removeprefix("[").removesuffix("]")
    return _is_address(address) and ip_address(address).is_loopback


def is_allowed_host(host: str, *, bind_host: str, allowed: Sequence[str]) -> bool:
    """Whether a server bound to `bind_host` answers to the Host header `host`.

    Loopback, the bound address and the allowed names are answered to. A server that is bound to
    more than loopback also answers to any numeric address: rebinding needs a name.
    """
    name = host_name(host)
    if name is None:
        return False
    known = {bind_host.lower(), *(one.lower() for one in allowed)}
    if is_loopback(name) or name in known or host.lower() in known:
        return True
    return not is_loopback(bind_host) and _is_address(name)


def host_name(host: str) -> str | None:
    """Return a Host header without port and brackets, in lower case; None where it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    if parts.netloc != host or parts.username is not None or not parts.hostname:
        return None
    return parts.hostname.removesuffix(".")


def is_own_origin(origin: str, *, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of `origin` is one of ours.

    Schemes are not compared: a proxy may end TLS before us. An origin that is an allowed host to
    the letter passes as well, for proxies that do not hand the Host header on.
    """
    parts = urlsplit(origin)
    place = parts.netloc.lower()
    return parts.scheme in ("http", "https") and place in {
        host.lower(),
        *(one.lower() for one in allowed),
    }


def init_app(app: Flask, settings: Settings) -> None:
    """Look at every request of the app."""

    def check_host() -> None:
        host = request.headers.get("Host", "")
        if not is_allowed_host(host, bind_host=settings.host, allowed=settings.allowed_hosts):
            raise Forbidden(
                f"this server does not answer to the name {host[:100]!r}",
                "add the name to `allowed_hosts` (AL_ALLOWED_HOSTS) if it is yours",
            )

    def check_origin() -> None:
        # the API's GETs are looked at as well: `/next` leases a sample
        if request.method in SAFE_METHODS and not request.path.startswith(API_PREFIX):
            return
        origin = request.headers.get("Origin")
        host = request.headers.get("Host", "")
        foreign = origin is not None and not is_own_origin(
            origin, host=host, allowed=settings.allowed_hosts
        )
        if foreign or request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise Forbidden(
                "the request comes from a page of another site",
                "open this server's own pages, or call it from a program instead of a page",
            )

    app.before_request(check_host)
    app.before_request(check_origin)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
