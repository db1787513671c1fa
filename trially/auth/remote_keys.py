"""The public keys that an issuer publishes, fetched by threads of their own.

A request never fetches keys. It starts a fetch if one is due, and waits for it for a short time
only. So an issuer that does not answer cannot hold the threads that answer requests.

No request without a valid signature can change what a valid request meets. Keys are replaced only
by a fetch that succeeded. After a fetch that failed, the next one begins a second later, also if
the first has not ended.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock, Semaphore, Thread
from typing import Protocol

from joserfc.jwk import Key

from trially.auth.key_errors import KeysUnavailableError, UnknownKeyError
from trially.auth.key_fetching import Fetcher, NotPublishedError
from trially.auth.rate_limit import RateLimit
from trially.observability.metrics import issuer_available

log = logging.getLogger(__name__)

BURST = 5
"""Fetches that tokens with unknown key ids may cause at once. After that, one per second."""

PATIENCE_SECONDS = 1.0
"""How long a request waits for a fetch. A fetch that takes longer counts as failing."""

TRIAL_SECONDS = 0.5
"""How long the request that began a fetch waits for it while the issuer fails. Others do not."""

MOST_FETCHES = 5
"""Fetches of one issuer that may run at once, while it fails. Otherwise one runs at a time."""

MOST_WAITING = 4
"""Requests with unknown key ids that wait for one issuer's fetch."""

NEVER = float("-inf")


class Places(Protocol):
    """A number of places, which a semaphore counts."""

    def acquire(self, *, blocking: bool) -> bool:
        """Return whether a place was free, and take it if so."""

    def release(self) -> None:
        """Give the place back."""


@dataclass(eq=False)
class _Fetch:
    began_at: float
    is_done: Event = field(default_factory=Event)


class RemoteKeys:
    """The keys of one issuer. Threads may share it.

    - Keys older than half of `max_age_seconds` are fetched again while they are used.
    - Keys older than `max_age_seconds` are used only after another fetch, or if it fails.
    - Keys older than `outage_seconds` are not used.

    `absence_is_final` accepts the answer that the issuer has no keys as a result. Otherwise it
    counts as a failure, and the former keys stay in use. `places` are those of requests that wait,
    and `fetches` those of running fetches, which several issuers may share. `public_only` and
    `most_keys` are those of `Fetcher`.
    """

    def __init__(
        self,
        issuer: str,
        *,
        jwks_url: str | None = None,
        allow_http: bool = False,
        timeout: float = 2,
        max_bytes: int = 262_144,
        cool_down_seconds: float = 1,
        max_age_seconds: float = 600,
        outage_seconds: float = 14_400,
        absence_is_final: bool = False,
        limit: RateLimit | None = None,
        places: Places | None = None,
        fetches: Places | None = None,
        public_only: bool = False,
        most_keys: int | None = None,
    ) -> None:
        self.issuer = issuer
        self.limit = limit or RateLimit(BURST, cool_down_seconds)
        """How often tokens with unknown key ids may cause a fetch."""

        self._jwks_url = jwks_url
        self._cool_down_seconds = cool_down_seconds
        self._max_age_seconds = max_age_seconds
        self._outage_seconds = outage_seconds
        self._absence_is_final = absence_is_final
        self._fetcher = Fetcher(
            allow_http=allow_http,
            seconds=timeout,
            max_bytes=max_bytes,
            public_only=public_only,
            most_keys=most_keys,
        )
        self._keys: dict[str, Key] = {}
        self._fetched_at = NEVER
        """When the fetch of the keys began."""

        self._tried_at = NEVER
        self._failing_since: float | None = None
        self._running: list[_Fetch] = []
        self._lock = Lock()
        self._is_client = self._shares_limit = places is not None
        self._places: Places = places or Semaphore(MOST_WAITING)
        self._fetches = fetches
        # Issuers that share running fetches share the requests that wait for them in any state.
        self._trial_place: Places = Semaphore(1) if fetches is None else self._places

    def key(self, kid: str) -> Key:
        """Return the key with this `kid`.

        Raises `UnknownKeyError`, or `KeysUnavailableError` if that cannot be decided now.
        """
        now = time.monotonic()
        key = self._keys.get(kid)
        is_fresh = now < self._fetched_at + self._max_age_seconds / 2
        if key is not None and is_fresh and self._failing_since is None:
            return key
        if key is not None and self._are_usable(now):
            is_conclusive = self._renew(now)
        else:
            is_conclusive = self._search(None if key is not None else kid, now)
        if not self._are_usable(time.monotonic()):
            raise KeysUnavailableError("The issuer's keys have not been fetched.")
        key = self._keys.get(kid)
        if key is not None:
            return key
        if not is_conclusive:
            raise KeysUnavailableError("The issuer's newest keys have not been fetched.")
        age = time.monotonic() - self._fetched_at
        as_of = float("inf") if self._fetched_at > now else time.time() - age
        raise UnknownKeyError("The issuer has no key with this kid.", as_of)

    def are_available(self) -> bool:
        """Return whether keys are cached that may be used, after a fetch if there are none."""
        if not self._are_usable(time.monotonic()) and not self._search(None, time.monotonic()):
            return False
        return bool(self._keys)

    def has_keys(self) -> bool:
        """Return whether the last fetch that succeeded returned a key."""
        return bool(self._keys)

    def serve_apart(self) -> None:
        """Give these keys a limit and places of their own, if they shared those of others."""
        if self._shares_limit:
            self.limit = RateLimit(BURST, self._cool_down_seconds)
            self._places = Semaphore(MOST_WAITING)
            self._shares_limit = False

    def _are_usable(self, now: float) -> bool:
        return now < self._fetched_at + self._outage_seconds

    def _renew(self, now: float) -> bool:
        """Fetch keys that are old, and return True: a cached key decides, if there is no newer."""
        is_waited = now >= self._fetched_at + self._max_age_seconds and not self._is_failing(now)
        self._fetch_after(self._fetched_at, None, PATIENCE_SECONDS if is_waited else 0)
        return True

    def _search(self, kid: str | None, now: float) -> bool:
        """Fetch the keys, at least until `kid` is among them; return whether they are all known."""
        if self._is_failing(now):
            return self._try(now, kid)
        if self._fetched_at == NEVER and not self._is_client:
            return self._fetch_after(now, kid, PATIENCE_SECONDS)
        with _place_in(self._places) as has_place:
            return self._fetch_after(now, kid, PATIENCE_SECONDS if has_place else 0)

    def _try(self, now: float, kid: str | None) -> bool:
        """Do the same while the issuer fails."""
        is_due = now >= self._tried_at + self._cool_down_seconds
        with _place_in(self._trial_place) as has_place:
            return self._fetch_after(now, kid, TRIAL_SECONDS if is_due and has_place else 0)

    def _fetch_after(self, instant: float, kid: str | None, seconds: float) -> bool:
        """Wait until a fetch that began after `instant` has succeeded, or has brought a key.

        Returns whether it has, or was not permitted because one has just succeeded.
        """
        ends_at = time.monotonic() + seconds
        while self._fetched_at <= instant and kid not in self._keys:
            fetch = self._join_or_begin(time.monotonic())
            if fetch is None:
                return self._fetched_at != NEVER and not self._is_failing(time.monotonic())
            if not fetch.is_done.wait(max(0, ends_at - time.monotonic())):
                return False
            if self._failing_since is not None and fetch.began_at > instant:
                return False
        return True

    def _join_or_begin(self, now: float) -> _Fetch | None:
        """Return the fetch to wait for, which may have begun just now; None if none may begin."""
        with self._lock:
            newest = next(reversed(self._pending()), None)
            is_late = newest is not None and now > newest.began_at + PATIENCE_SECONDS
            if newest is not None and (not is_late or len(self._running) >= MOST_FETCHES):
                return newest
            if not self._may_begin(now) or not self._has_place():
                return None
            fetch = _Fetch(began_at=now)
            self._tried_at = now
            self._running.append(fetch)
        Thread(target=self._run, args=(fetch,), name="issuer-keys", daemon=True).start()
        return fetch

    def _has_place(self) -> bool:
        """Return whether a fetch may run beside those of other issuers. It gives the place back."""
        return self._fetches is None or self._fetches.acquire(blocking=False)

    def _may_begin(self, now: float) -> bool:
        if self._is_failing(now):
            if now < self._tried_at + self._cool_down_seconds:
                return False
            return not self._shares_limit or self.limit.take()
        return self.limit.take()

    def _is_failing(self, now: float) -> bool:
        oldest = next(iter(self._pending()), None)
        is_late = oldest is not None and now > oldest.began_at + PATIENCE_SECONDS
        return is_late or self._failing_since is not None

    def _pending(self) -> list[_Fetch]:
        """Return the running fetches that may still bring newer keys, the oldest first."""
        return [fetch for fetch in self._running if fetch.began_at > self._fetched_at]

    def _run(self, fetch: _Fetch) -> None:
        try:
            keys = self._fetcher.fetch_keys(self.issuer, self._jwks_url)
        except NotPublishedError as error:
            if self._absence_is_final:
                self._record_success(fetch, {})
            else:
                self._record_failure(fetch, error)
        except Exception as error:  # noqa: BLE001  whatever it is, the next fetch may succeed
            self._record_failure(fetch, error)
        else:
            self._record_success(fetch, keys)
        finally:
            with self._lock:
                self._running.remove(fetch)
            if self._fetches is not None:
                self._fetches.release()
            fetch.is_done.set()

    def _record_success(self, fetch: _Fetch, keys: dict[str, Key]) -> None:
        with self._lock:
            if fetch.began_at < self._fetched_at:
                return
            # Readers hold no lock, so the dict is replaced as a whole and never changed.
            self._keys, self._fetched_at = keys, fetch.began_at
            failing_since, self._failing_since = self._failing_since, None
        if not self._is_client:
            issuer_available.labels(self.issuer).set(1)
        if failing_since is not None:
            seconds = time.monotonic() - failing_since
            log.warning("The keys of %s were fetched again after %.0f s.", self.issuer, seconds)

    def _record_failure(self, fetch: _Fetch, error: Exception) -> None:
        with self._lock:
            if fetch.began_at < self._fetched_at:
                return
            is_first = self._failing_since is None
            if is_first:
                self._failing_since = fetch.began_at
        if not self._is_client:
            issuer_available.labels(self.issuer).set(0)
        if is_first:
            log.warning("Could not fetch the keys of %s: %s", self.issuer, error)


@contextmanager
def _place_in(places: Places) -> Iterator[bool]:
    """Yield whether the block has one of the places."""
    has_place = places.acquire(blocking=False)
    try:
        yield has_place
    finally:
        if has_place:
            places.release()
