"""A keep-alive connection of one member, which says what happened to each request."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
REPEATED_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
KEY_IN_USE = "idempotency_key_in_use"
NO_PROBLEM = "no problem"
"""The cause of an error whose body is not a problem of the API."""


@dataclass(frozen=True)
class Request:
    """A request to the API, without the token."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)


@dataclass(frozen=True)
class Answer:
    """The answer to a request. Times are in seconds of the monotonic clock."""

    begun: float
    ended: float
    status: int | None
    """None: the connection gave no complete response."""

    cause: str
    """The code of a problem, or what happened to the connection; "" if it was served."""

    document: dict[str, Any] = field(default_factory=dict)
    """The JSON object of the body; empty if the body is something else."""

    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    """Headers by their names in lower case."""

    @property
    def is_served(self) -> bool:
        """Return whether the request succeeded."""
        return self.status is not None and self.status < HTTPStatus.BAD_REQUEST

    @property
    def is_final(self) -> bool:
        """Return whether a repetition would have the same result, so that none is needed."""
        if self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        return self.status not in REPEATED_STATUSES and self.cause != KEY_IN_USE


class Client:
    """A keep-alive connection of one member. Each thread needs its own.

    `token` returns a valid access token. `timeout` is the longest wait for bytes, in seconds.
    """

    def __init__(self, url: str, token: Callable[[], str], timeout: float) -> None:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        self._token = token

    def send(self, request: Request) -> Answer:
        """Send a request once, and return its answer, whatever it is."""
        headers = {**request.headers, "Authorization": f"Bearer {self._token()}"}
        begun = time.monotonic()
        try:
            self._connection.request(request.method, request.path, request.body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens a new connection
            return Answer(begun, time.monotonic(), None, name_of(error))
        document = _parse(content)
        is_served = response.status < HTTPStatus.BAD_REQUEST
        cause = "" if is_served else str(document.get("code", NO_PROBLEM))
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(begun, time.monotonic(), response.status, cause, document, received)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class RenewedToken:
    """An access token that is issued again when half of its lifetime has passed.

    Threads may share an object.
    """

    def __init__(self, issue: Callable[[], str], lifetime_seconds: float) -> None:
        self._issue, self._use_seconds = issue, lifetime_seconds / 2
        self._lock = Lock()
        self._token, self._renewed_at = "", float("-inf")

    def __call__(self) -> str:
        """Return the token."""
        with self._lock:
            now = time.monotonic()
            if now - self._renewed_at > self._use_seconds:
                self._token, self._renewed_at = self._issue(), now
            return self._token


def name_of(error: Exception) -> str:
    """Return what happened to a connection, in a word."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "reset"


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
