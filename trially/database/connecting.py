"""Open connections to PostgreSQL, and tell by SQLSTATE why a server refused one."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

import psycopg2
from psycopg2 import OperationalError
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from trially.database.watching import WatchedConnection

Opened = TypeVar("Opened")

NETWORK_LIMITS = {
    "connect_timeout": 3,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""libpq's limits for an unreachable host; a server's URL may override them.

All are in seconds or counts, except `tcp_user_timeout`, which is in milliseconds. libpq applies
`connect_timeout` to each host of the URL, from the TCP handshake to the end of authentication.
"""

TOO_MANY_CONNECTIONS = "53300"

_SQLSTATES = {
    TOO_MANY_CONNECTIONS: (
        "too many connections for (role|database)|too many clients already"
        "|remaining connection slots|no more connections allowed"
    ),
    "28P01": "password authentication failed|SASL authentication failed|authentication failed",
    "28000": "no pg_hba.conf entry|not permitted to log in|role .* does not exist|no such user",
    "3D000": "database .* does not exist|no such database|not currently accepting connections",
    "42501": "permission denied for database",
    "57P03": "database system is|the database system|not yet accepting connections",
    "57P01": "terminating connection",
    "08006": "server login failed|query_wait_timeout|pgbouncer cannot connect",
}
"""What PostgreSQL and PgBouncer write when they refuse a connection, by SQLSTATE.

libpq does not tell the SQLSTATE of a refused connection, and psycopg2 has only libpq's text. The
text of a server whose `lc_messages` is not English is not recognised; its refusal then has no
SQLSTATE and counts as any other failure to connect.
"""

WRONG_PASSWORD = "28P01"  # noqa: S105
_MAYBE_WRONG_PASSWORD = (WRONG_PASSWORD, None)
"""SQLSTATEs of a refused password. None: the server's language is not English."""

_PATTERNS = {state: re.compile(pattern) for state, pattern in _SQLSTATES.items()}
_OF_ROLE_OR_DATABASE = re.compile("too many connections for")
_TIMED_OUT = re.compile("timeout expired|timed out")


class ConnectionRefusedByServerError(OperationalError):
    """The server answered and refused the connection. `pgcode` is the SQLSTATE, if known."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self._sqlstate = sqlstate

    @property
    def pgcode(self) -> str | None:  # type: ignore[override]
        """The SQLSTATE of the refusal, or None if its text was not recognised."""
        return self._sqlstate

    @property
    def is_of_whole_server(self) -> bool:
        """Whether a limit of the whole server was reached, not one of a role or a database."""
        is_limit = self._sqlstate == TOO_MANY_CONNECTIONS
        return is_limit and _OF_ROLE_OR_DATABASE.search(str(self)) is None


class Login:
    """How a role logs in to a database: its URL, and the passwords that it may have.

    While the installation's secret key is changed, the password of a role is that of one key and
    then that of the other. `accepts_other` is a first guess at which; each login corrects it.
    """

    def __init__(
        self, url: URL, other_password: str | None = None, *, accepts_other: bool = False
    ) -> None:
        self._urls: list[URL] = [url]
        if other_password is not None:
            self._urls.append(url.set(password=other_password))
        self.accepts_other = accepts_other and other_password is not None

    @property
    def url(self) -> URL:
        """The URL with the password of `TRIALLY_SECRET_KEY`, which may not be set yet."""
        return self._urls[0]

    def open(self, open_one: Callable[[URL], Opened]) -> Opened:
        """Return what `open_one` returns for the first URL whose password is accepted.

        The first password is tried again after the second, because it may have been set between
        the two attempts.
        """
        guess = self._urls[::-1] if self.accepts_other else self._urls
        for url in (*guess, *guess[: len(guess) - 1]):
            try:
                opened = open_one(url)
            except ConnectionRefusedByServerError as error:
                if error.pgcode not in _MAYBE_WRONG_PASSWORD:
                    raise
                refusal = error
            else:
                self.accepts_other = url is not self._urls[0]
                return opened
        raise refusal


class ConnectTimeoutError(OperationalError):
    """The server did not answer within `connect_timeout`."""


def connect(
    url: URL,
    application_name: str = "trially",
    connection_factory: type[WatchedConnection] = WatchedConnection,
) -> WatchedConnection:
    """Open a psycopg2 connection to `url`, in autocommit mode.

    Raises as `open_connection` does.
    """
    raw = open_connection(url, application_name, connection_factory)
    raw.autocommit = True
    return raw


def open_connection(
    url: URL,
    application_name: str = "trially",
    connection_factory: type[WatchedConnection] = WatchedConnection,
) -> WatchedConnection:
    """Open a psycopg2 connection to `url`, within `NETWORK_LIMITS`.

    Raises `ConnectionRefusedByServerError`, `ConnectTimeoutError`, or another `OperationalError`
    if no host of the URL could be reached.
    """
    _, parameters = PGDialect_psycopg2().create_connect_args(url)  # type: ignore[no-untyped-call]
    return open_with({"application_name": application_name, **parameters}, connection_factory)


def open_with(
    parameters: Mapping[str, Any], connection_factory: type[WatchedConnection]
) -> WatchedConnection:
    """Open a psycopg2 connection with libpq's parameters. Raises as `open_connection` does."""
    try:
        raw: WatchedConnection = psycopg2.connect(
            **{**NETWORK_LIMITS, **parameters}, connection_factory=connection_factory
        )
    except OperationalError as error:
        raise _explain(error) from None
    return raw


def open_within(seconds: float, open_one: Callable[[], WatchedConnection]) -> WatchedConnection:
    """Return the connection that `open_one` opens, or raise `ConnectTimeoutError`.

    libpq's own `connect_timeout` is 2 seconds at least. A connection that opens later is closed.
    """
    opened: Future[WatchedConnection] = Future()

    def run() -> None:
        try:
            opened.set_result(open_one())
        except BaseException as error:  # noqa: BLE001  the waiting thread raises it
            opened.set_exception(error)

    Thread(target=run, name="connect", daemon=True).start()
    try:
        return opened.result(seconds)
    except TimeoutError:
        opened.add_done_callback(_close_late)
        raise ConnectTimeoutError(f"The server did not answer within {seconds:g} s.") from None


def _close_late(opened: "Future[WatchedConnection]") -> None:
    if opened.exception() is None:
        opened.result().close()


def _explain(error: OperationalError) -> OperationalError:
    """Return the error of a failed connect, as a class that tells what happened."""
    message = str(error)
    if "FATAL:" in message or "pgbouncer" in message:
        found = (state for state, pattern in _PATTERNS.items() if pattern.search(message))
        return ConnectionRefusedByServerError(message, next(found, None))
    if _TIMED_OUT.search(message):
        return ConnectTimeoutError(message)
    return error
