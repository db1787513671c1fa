"""Bound the time that a provider's calls take, and how many of them wait at once.

A provider that is away is asked by one thread at a time. All others are refused at once, so a
failing provider holds few threads. Answers about one key, such as a refusal, are no failure.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Lock, Thread
from typing import TypeVar

from trially.keys.providers.errors import KeyProviderError, ProviderUnavailableError
from trially.keys.providers.provider import KeyContext, KeyProvider
from trially.keys.providers.wrapped import WrappedKey

Answer = TypeVar("Answer")

MOST_CALLS = 16
"""The most calls that run at the same time; others wait. One that hangs counts until it ends."""

PAUSE_SECONDS = 5.0
"""How long a provider that has failed is left alone, before one call tries it again."""


class BoundedProvider:
    """A provider whose calls wait and run for `seconds` each at most.

    After that they raise `ProviderUnavailableError`. Threads may share it.
    """

    def __init__(
        self,
        provider: KeyProvider,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = provider.kind
        self._provider = provider
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._slots = BoundedSemaphore(MOST_CALLS)
        self._is_away = False
        self._try_again_at = 0.0

    @property
    def key_name(self) -> str:
        """The name of the master key, as in wrapped keys."""
        return self._provider.key_name

    def wrap(self, secret: bytes, context: KeyContext) -> WrappedKey:
        """Encrypt a data key with the newest version of the master key."""
        return self._call(lambda: self._provider.wrap(secret, context))

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """Return a data key that this provider's master key has wrapped in the same context."""
        return self._call(lambda: self._provider.unwrap(wrapped, context))

    def newest_version(self) -> str:
        """Return the version of the master key that `wrap` uses."""
        return self._call(self._provider.newest_version)

    def create_version(self) -> str:
        """Create a version of the master key, which `wrap` uses from now on, and return it."""
        return self._call(self._provider.create_version)

    def former_versions(self) -> list[str]:
        """Return the versions of the master key before the newest one that still exist."""
        return self._call(self._provider.former_versions)

    def destroy_version(self, version: str) -> None:
        """Destroy a former version for good."""
        self._call(lambda: self._provider.destroy_version(version))

    def create_key(self) -> None:
        """Create the master key."""
        self._call(self._provider.create_key)

    def _call(self, ask: Callable[[], Answer]) -> Answer:
        self._refuse_while_away()
        if not self._slots.acquire(timeout=self._seconds):
            self._record(is_away=True)
            raise self._away()
        asked: Future[Answer] = Future()
        Thread(target=self._run, args=(ask, asked), name="key-provider", daemon=True).start()
        try:
            answer = asked.result(self._seconds)
        except TimeoutError:
            self._record(is_away=True)
            raise ProviderUnavailableError(
                f"The key provider {self.kind} did not answer within {self._seconds:g} s. Check"
                " that it is up and can be reached, and try again."
            ) from None
        except ProviderUnavailableError:
            self._record(is_away=True)
            raise
        except KeyProviderError:
            self._record(is_away=False)
            raise
        self._record(is_away=False)
        return answer

    def _run(self, ask: Callable[[], Answer], asked: "Future[Answer]") -> None:
        try:
            asked.set_result(ask())
        except BaseException as error:  # noqa: BLE001  the waiting thread raises it
            asked.set_exception(error)
        finally:
            self._slots.release()

    def _refuse_while_away(self) -> None:
        """Raise `ProviderUnavailableError` while the provider is away, except for one trial."""
        with self._lock:
            now = self._clock()
            is_refused = self._is_away and now < self._try_again_at
            if self._is_away and not is_refused:
                self._try_again_at = now + self._seconds
        if is_refused:
            raise self._away()

    def _record(self, *, is_away: bool) -> None:
        with self._lock:
            self._is_away = is_away
            self._try_again_at = self._clock() + PAUSE_SECONDS

    def _away(self) -> ProviderUnavailableError:
        return ProviderUnavailableError(
            f"The key provider {self.kind} does not answer. Check that it is up and can be"
            f" reached. It is asked again every {PAUSE_SECONDS:g} s."
        )
