"""A bounded memory of values, each believed until its time is up.

It is asked several times in each request, where the general caches of libraries take longer than
all else that tenancy adds.
"""

import time
from collections.abc import Callable, Hashable
from itertools import islice
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TTLCache(Generic[Key, Value]):
    """At most `most` values; beyond that the one put in longest ago is forgotten.

    `clock` gives seconds. May be used from several threads.
    """

    def __init__(
        self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[Key, tuple[Value, float]] = {}
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """Return what is remembered under a key, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, ends = entry
        return value if self._clock() < ends else None

    def put(self, key: Key, value: Value, *, ends: float | None = None) -> None:
        """Remember a value, for the usual time or until `ends` if that is earlier."""
        usual = self._clock() + self._seconds
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = value, usual if ends is None else min(usual, ends)
            while len(self._entries) > self._most:
                del self._entries[next(iter(self._entries))]

    def recall(self, key: Key) -> Value | None:
        """Return what is remembered under a key even if its time is up, or None."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def oldest(self, most: int) -> list[Value]:
        """Return up to `most` values, those put in or renewed longest ago."""
        with self._lock:
            return [value for value, _ in islice(self._entries.values(), most)]

    def renew(self, is_meant: Callable[[Value], bool]) -> None:
        """Believe the values that are meant for the usual time from now."""
        ends = self._clock() + self._seconds
        with self._lock:
            for key in [key for key, (value, _) in self._entries.items() if is_meant(value)]:
                self._entries[key] = self._entries.pop(key)[0], ends

    def forget(self, is_meant: Callable[[Value], bool]) -> None:
        """Forget the values that are meant."""
        with self._lock:
            for key in [key for key, (value, _) in self._entries.items() if is_meant(value)]:
                del self._entries[key]

    def __len__(self) -> int:
        """Return how many values are kept, those whose time is up among them."""
        return len(self._entries)
