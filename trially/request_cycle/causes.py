"""Causes for which a database does not serve a request, each with a code and a sentence.

A cause is found by the class of an error or by its SQLSTATE, never by a message, which quotes rows.
"""

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from trially.database.connecting import ConnectTimeoutError
from trially.database.server_health import SilentError
from trially.database.watching import DeadlineExceededError, SilentServerError
from trially.http.codes import Code

QUERY_CANCELED = "57014"


@dataclass(frozen=True)
class Cause:
    """Why a database did not serve a request."""

    code: Code
    detail: str


CONNECTION_WAIT = Cause(
    Code.CONNECTIONS_EXHAUSTED, "All connections to the database were in use for too long."
)
LOST = Cause(Code.DATABASE_UNAVAILABLE, "The database is temporarily unavailable.")
MOVED = Cause(Code.PLACEMENT_CHANGED, "The tenant's place has changed. Try again.")
WRONG_KEY = Cause(
    Code.WRONG_SECRET_KEY, "The service is not configured for this installation's secret key."
)
_DEADLINE = Cause(Code.REQUEST_TIMEOUT, "The request took longer than it may.")
_FULL = Cause(Code.DATABASE_FULL, "The database has no space left for this request.")
_LIMIT = Cause(Code.CONNECTIONS_EXHAUSTED, "The database accepts no further connections now.")
_LOCK = Cause(Code.LOCK_TIMEOUT, "The record is in use by another transaction for too long.")
_LOGIN = Cause(Code.DATABASE_LOGIN_REFUSED, "The database refuses the log-in of this service.")
_MISSING = Cause(Code.DATABASE_MISSING, "The tenant's database cannot be found.")
_READ_ONLY = Cause(Code.DATABASE_READ_ONLY, "The database accepts no changes now.")
_RESTARTING = Cause(Code.DATABASE_RESTARTING, "The database is starting or stopping.")
_SILENT = Cause(Code.DATABASE_SILENT, "The database does not answer.")

_BY_CLASS: dict[type[BaseException], Cause] = {
    DeadlineExceededError: _DEADLINE,
    SilentServerError: _SILENT,
    SilentError: _SILENT,
    ConnectTimeoutError: _SILENT,
}

_NO_PRIVILEGE = "42501"
"""A cause only if it refused a connection. In a statement it is a fault of our own."""

_BY_SQLSTATE = {
    "25006": _READ_ONLY,
    "28000": _LOGIN,
    "28P01": _LOGIN,
    "3D000": _MISSING,
    _NO_PRIVILEGE: _LOGIN,
    "53000": _FULL,
    "53100": _FULL,
    "53200": _FULL,
    "53300": _LIMIT,
    "55P03": _LOCK,
    QUERY_CANCELED: _DEADLINE,
    "57P01": _RESTARTING,
    "57P02": _RESTARTING,
    "57P03": _RESTARTING,
    "57P04": _MISSING,
    "58030": _FULL,
}
"""PostgreSQL's documentation, appendix A, lists the SQLSTATEs."""


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error, or None if it has none."""
    sqlstate: str | None = getattr(getattr(error, "orig", None), "pgcode", None)
    return sqlstate


def cause_of(error: DBAPIError) -> Cause | None:
    """Return why the database did not serve a request, or None if the statement was at fault."""
    for kind, cause in _BY_CLASS.items():
        if isinstance(error.orig, kind):
            return cause
    sqlstate = sqlstate_of(error) or ""
    is_operational = isinstance(error, OperationalError | InterfaceError)
    if sqlstate in _BY_SQLSTATE and (sqlstate != _NO_PRIVILEGE or is_operational):
        return _BY_SQLSTATE[sqlstate]
    return LOST if is_operational or error.connection_invalidated else None
