"""Slows down who guesses tokens."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil
from threading import Lock

from al_server.errors import ALError


class TooManyTries(ALError):
    """Too many wrong tokens from one address."""

    status, code = 429, "too_many_tries"

    def __init__(self, wait_s: float) -> None:
        seconds = max(1, ceil(wait_s))
        super().__init__(
            "too many wrong tokens from this address", f"try again in {seconds} seconds"
        )
        self.headers = {"Retry-After": str(seconds)}


@dataclass
class _Tries:
    left: float
    at: float
    last_wrong: bytes = b""


class Throttle:
    """Counts wrong tokens by address: some at once, then one every few seconds.

    Nobody waits inside a request, which would tie up the few threads there are. A token that is
    repeated costs nothing: it teaches the sender nothing, and is mostly a forgotten script.

    Parameters
    ----------
    n_tries : wrong tokens that an address has free
    seconds_each : time in which one more is earned
    n_addresses : addresses remembered; the one not seen for longest is forgotten
    clock : seconds that only go up
    """

    def __init__(
        self,
        *,
        n_tries: int = 10,
        seconds_each: float = 5.0,
        n_addresses: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._n_tries = n_tries
        self._seconds_each = seconds_each
        self._n_addresses = n_addresses
        self._clock = clock
        self._lock = Lock()
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address that has no try left, before its token is looked at."""
        with self._lock:
            tries = self._tries.get(_network(address))
            if tries is None:
                return
            left = self._earned(tries)
        if left < 1:
            raise TooManyTries((1 - left) * self._seconds_each)

    def wrong(self, address: str, digest: bytes) -> None:
        """Count a wrong token, given as its digest."""
        network = _network(address)
        with self._lock:
            tries = self._tries.setdefault(network, _Tries(self._n_tries, self._clock()))
            self._tries.move_to_end(network)
            if digest != tries.last_wrong:
                tries.left, tries.at = self._earned(tries) - 1, self._clock()
                tries.last_wrong = digest
            while len(self._tries) > self._n_addresses:
                self._tries.popitem(last=False)

    def _earned(self, tries: _Tries) -> float:
        earned = (self._clock() - tries.at) / self._seconds_each
        return min(self._n_tries, tries.left + earned)


def _network(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: a single client has all of that."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
