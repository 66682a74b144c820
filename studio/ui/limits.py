"""How often something may be done: a token bucket a visitor, and a brake on guessed passwords.

Both hold a bounded number of entries, the longest unused forgotten first. Knows nothing of HTTP; times are seconds
of a monotonic clock.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

Entry = TypeVar("Entry")

MAX_ENTRIES = 4096


class _Recent(Generic[Entry]):
    """A mapping of at most `limit` keys, which makes what it lacks."""

    def __init__(self, make: Callable[[], Entry], *, limit: int = MAX_ENTRIES) -> None:
        self._make = make
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __getitem__(self, key: str) -> Entry:
        if key not in self._entries:
            self._entries[key] = self._make()
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
        self._entries.move_to_end(key)
        return self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)

    def forget(self, key: str) -> None:
        self._entries.pop(key, None)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """A token bucket for each key: a minute's worth may come at once, then they come as they refill."""

    def __init__(self, *, a_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._full = float(a_minute)
        self._a_second = a_minute / 60.0
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: _Recent[_Bucket] = _Recent(lambda: _Bucket(self._full, self._clock()))

    def wait_seconds(self, key: str) -> float:
        """0 when the request may go on (and is counted), else the seconds until the next one may."""
        with self._lock:
            bucket, now = self._buckets[key], self._clock()
            bucket.tokens = min(self._full, bucket.tokens + (now - bucket.filled_at) * self._a_second)
            bucket.filled_at = now
            if bucket.tokens < 1.0:
                return (1.0 - bucket.tokens) / self._a_second
            bucket.tokens -= 1.0
            return 0.0


@dataclass(slots=True)
class _Failures:
    count: int = 0
    refused: int = 0
    last_at: float = float("-inf")
    closed_until: float = float("-inf")


class LoginBrake:
    """Slows down whoever guesses passwords, by address and over all addresses together.

    After `free_tries` wrong passwords an address must wait before its next one is even looked at; each further try
    doubles the wait, up to `longest_wait_seconds`. Behind a public link all addresses can look alike or be made up,
    so a second, wider count covers everybody. Those already logged in are not concerned.
    """

    def __init__(
        self,
        *,
        free_tries: int = 5,
        free_tries_of_everybody: int = 100,
        first_wait_seconds: float = 10.0,
        longest_wait_seconds: float = 900.0,
        window_seconds: float = 900.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._free_tries = free_tries
        self._free_tries_of_everybody = free_tries_of_everybody
        self._first_wait_seconds = first_wait_seconds
        self._longest_wait_seconds = longest_wait_seconds
        self._window_seconds = window_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._everybody = _Failures()
        self._addresses: _Recent[_Failures] = _Recent(_Failures)

    def wait_seconds(self, address: str) -> float:
        """0 when this address' password may be checked, else the seconds it must wait; asking too soon costs more."""
        with self._lock:
            now = self._clock()
            mine = self._fresh(self._addresses[_network(address)], now)
            if now < mine.closed_until:
                mine.refused += 1
                self._close(mine, now, self._free_tries)
                return mine.closed_until - now
            return max(0.0, self._fresh(self._everybody, now).closed_until - now)

    def failed(self, address: str) -> None:
        """Note a wrong password."""
        with self._lock:
            now = self._clock()
            for failures, free_tries in (
                (self._addresses[_network(address)], self._free_tries),
                (self._everybody, self._free_tries_of_everybody),
            ):
                self._fresh(failures, now).count += 1
                self._close(failures, now, free_tries)

    def succeeded(self, address: str) -> None:
        """A right password: this address starts anew."""
        with self._lock:
            self._addresses.forget(_network(address))

    def _fresh(self, failures: _Failures, now: float) -> _Failures:
        if now - max(failures.last_at, failures.closed_until) > self._window_seconds:
            failures.count = failures.refused = 0
        return failures

    def _close(self, failures: _Failures, now: float, free_tries: int) -> None:
        failures.last_at = now
        over = failures.count - free_tries
        if over >= 0:
            doublings = min(over + failures.refused, 30)
            wait_seconds = min(self._longest_wait_seconds, self._first_wait_seconds * 2.0**doublings)
            failures.closed_until = now + wait_seconds


def _network(address: str) -> str:
    """The address itself for IPv4; the /64 an IPv6 address lies in, which one household has to itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
