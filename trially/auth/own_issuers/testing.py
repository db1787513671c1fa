"""Try whether an issuer's keys can be fetched, and say in plain words what is wrong.

The request waits for at most `SECONDS`, whatever the issuer and its name server do.
"""

import socket
import ssl
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Thread
from typing import TypeVar

from joserfc.jwk import Key

from trially.auth.key_fetching import (
    DISCOVERY_PATH,
    Fetcher,
    InsecureUrlError,
    NotPublishedError,
    WrongDiscoveryError,
)
from trially.auth.key_import import TooManyKeysError, canonical_algorithm, import_key_set
from trially.auth.own_issuers.bounds import TenantBounds
from trially.auth.own_issuers.verifying import MOST_KEYS
from trially.config import Settings
from trially.outgoing.addresses import PrivateHostError
from trially.plain_text import to_plain

Answer = TypeVar("Answer")

SECONDS = 5.0
"""How long a request waits for the test of an issuer."""

FETCH_SECONDS = 2.0
"""How long each of the two documents may take, as for the tokens of an issuer."""

MOST_BYTES = 262_144

_REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class Check:
    """One thing that was tried, and what came of it."""

    name: str
    is_ok: bool
    detail: str


@dataclass
class Report:
    """What the test of an issuer has found."""

    checks: list[Check] = field(default_factory=list)
    keys: Mapping[str, Key] = field(default_factory=dict)
    """The usable keys that it publishes, by `kid`."""

    @property
    def is_usable(self) -> bool:
        """Whether tokens of the issuer can be verified now."""
        return bool(self.checks) and all(check.is_ok for check in self.checks)


class TooManyTestsError(Exception):
    """The tenant tests, or fetches keys of, as many issuers as it may now."""


class _FailedError(Exception):
    """A check has failed. The text says why."""


def run_test(issuer: str, settings: Settings, bounds: TenantBounds) -> Report:
    """Fetch the discovery document and the keys of an issuer now, and return what was found.

    Raises `TooManyTestsError`.
    """
    if not bounds.tests.take() or not bounds.fetches.acquire(blocking=False):
        raise TooManyTestsError
    report = Report()
    found: list[Report] = []

    def run() -> None:
        try:
            found.append(_examine(issuer, settings))
        finally:
            bounds.fetches.release()

    thread = Thread(target=run, name="issuer-test", daemon=True)
    thread.start()
    thread.join(SECONDS)
    if found:
        return found[0]
    report.checks.append(
        Check("discovery", is_ok=False, detail=f"There was no result within {SECONDS:.0f} seconds.")
    )
    return report


def _examine(issuer: str, settings: Settings) -> Report:
    report = Report()
    fetcher = Fetcher(
        allow_http=settings.development,
        seconds=FETCH_SECONDS,
        max_bytes=MOST_BYTES,
        public_only=True,
        most_keys=MOST_KEYS,
    )
    url = issuer.rstrip("/") + DISCOVERY_PATH
    try:
        jwks_url = _attempt(lambda: fetcher.discover_keys(issuer), url)
    except _FailedError as error:
        report.checks.append(Check("discovery", is_ok=False, detail=str(error)))
        return report
    report.checks.append(Check("discovery", is_ok=True, detail=f"{url} names this issuer."))
    try:
        keys = _attempt(lambda: import_key_set(fetcher.fetch(jwks_url), MOST_KEYS), jwks_url)
        report.keys = _accepted(keys, settings.algorithms)
    except _FailedError as error:
        report.checks.append(Check("keys", is_ok=False, detail=str(error)))
        return report
    report.checks.append(
        Check("keys", is_ok=True, detail=f"Usable keys at {_shown(jwks_url)}: {len(report.keys)}.")
    )
    return report


def _accepted(keys: Mapping[str, Key], algorithms: Sequence[str]) -> Mapping[str, Key]:
    accepted = set(map(canonical_algorithm, algorithms))
    usable = {kid: key for kid, key in keys.items() if str(key.alg) in accepted}
    if not usable:
        raise _FailedError(
            f"The issuer publishes no usable key. A usable key has a kid of its own, is public, and"
            f" is for one of the algorithms {', '.join(algorithms)}."
        )
    return usable


def _attempt(fetch: Callable[[], Answer], url: str) -> Answer:
    """Return what a function fetches, or raise `_FailedError` with a sentence that says why not."""
    began = time.monotonic()
    try:
        return fetch()
    except Exception as error:  # noqa: BLE001  the sentence below says what is known of any error
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        is_late = time.monotonic() - began >= FETCH_SECONDS
        raise _FailedError(_sentence(error, cause, _shown(url), is_late=is_late)) from None


def _sentence(error: Exception, cause: object, url: str, *, is_late: bool) -> str:
    """Say why a document could not be fetched. Private addresses look as if they did not exist."""
    match error:
        case urllib.error.HTTPError() if error.code in _REDIRECTS:
            return f"{url} answers with a redirect. Redirects are not followed."
        case urllib.error.HTTPError():
            return f"{url} answers with the status {error.code}."
        case NotPublishedError():
            return f"{url} does not exist: the answer has the status 404 or 410."
        case WrongDiscoveryError() | TooManyKeysError():
            return str(error)
        case InsecureUrlError():
            return f"{url} is no https URL."
    match cause:
        case PrivateHostError() | socket.gaierror():
            return f"The host of {url} has no public address."
        case ssl.SSLError():
            return f"The certificate at {url} is not valid, or TLS failed."
    if is_late or isinstance(cause, TimeoutError):
        return f"{url} took longer than {FETCH_SECONDS:.0f} seconds."
    if isinstance(cause, OSError | HTTPException):
        return f"There is no connection to {url}."
    return f"{url} is not a JSON document of the expected form, or is larger than 256 kB."


def _shown(url: str) -> str:
    """Return a URL without its query, which may have a secret, and not longer than 200 letters."""
    return to_plain(url.partition("?")[0].partition("#")[0])[:200]
