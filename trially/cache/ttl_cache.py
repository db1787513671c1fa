"""A bounded cache whose values expire.

Each request reads it several times. The general-purpose caches of libraries take longer for one
read than the rest of tenancy's work for the request.
"""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TTLCache(Generic[Key, Value]):
    """A cache of at most `capacity` values, each valid for `seconds` after it was put in.

    When the cache is full, the value that was put in longest ago is dropped. `clock` returns
    seconds. The cache may be used from several threads.
    """

    def __init__(
        self, capacity: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = capacity
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[Key, tuple[Value, float]] = {}
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, or None if there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at = entry
        return value if self._clock() < expires_at else None

    def is_due(self, key: Key) -> bool:
        """Return whether a value has reached half of its age, so that it should be renewed."""
        entry = self._entries.get(key)
        return entry is not None and self._clock() > entry[1] - self._seconds / 2

    def get_expired(self, key: Key, seconds: float) -> Value | None:
        """Return the value of a key also if it expired, but at most `seconds` ago."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at = entry
        return value if self._clock() < expires_at + seconds else None

    def put(self, key: Key, value: Value, *, ends: float | None = None) -> None:
        """Store a value until its usual expiry, or until `ends` if that is earlier."""
        expires_at = self._clock() + self._seconds
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = value, expires_at if ends is None else min(expires_at, ends)
            while len(self._entries) > self._capacity:
                del self._entries[next(iter(self._entries))]

    def forget(self, matches: Callable[[Value], bool]) -> None:
        """Drop every value for which `matches` returns True."""
        with self._lock:
            for key in [key for key, (value, _) in self._entries.items() if matches(value)]:
                del self._entries[key]

    def __len__(self) -> int:
        """Return the number of stored values, expired ones included."""
        return len(self._entries)
