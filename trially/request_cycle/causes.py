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
_LOGIN = Cause(Code.DATABASE_LOGIN_REFUSED, "The database refuses the role of this service.")
_MISSING = Cause(Code.DATABASE_MISSING, "The tenant's database cannot be found.")
OUTDATED = Cause(
    Code.DATABASE_OUTDATED, "The tenant's tables are not those that this version needs."
)
_READ_ONLY = Cause(Code.DATABASE_READ_ONLY, "The database accepts no changes now.")
_RESTARTING = Cause(Code.DATABASE_RESTARTING, "The database is starting or stopping.")
_SILENT = Cause(Code.DATABASE_SILENT, "The database does not answer.")

_BY_CLASS: dict[type[BaseException], Cause] = {
    DeadlineExceededError: _DEADLINE,
    SilentServerError: _SILENT,
    SilentError: _SILENT,
    ConnectTimeoutError: _SILENT,
}

_REFUSALS_OF_ROLES = frozenset({"22023", "42501"})
"""No such role, and no privilege. They are causes if the role itself was refused.

Row-level security and checks of values use the same SQLSTATEs; those are faults of our own.
"""

_FUNCTIONS_THAT_REFUSE_ROLES = ("aclcheck_error", "call_string_check_hook")
"""Prefixes of the functions of PostgreSQL that report a missing privilege, or a refused SET ROLE.

The name of the function is part of the error, in every language of the server.
"""

_BY_SQLSTATE = {
    "25006": _READ_ONLY,
    "28000": _LOGIN,
    "28P01": _LOGIN,
    "3D000": _MISSING,
    "3F000": OUTDATED,
    "42703": OUTDATED,
    "42704": OUTDATED,
    "42883": OUTDATED,
    "42P01": OUTDATED,
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
    if sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[sqlstate]
    is_operational = isinstance(error, OperationalError | InterfaceError)
    if sqlstate in _REFUSALS_OF_ROLES and (is_operational or _is_refused_role(error)):
        return _LOGIN
    return LOST if is_operational or error.connection_invalidated else None


def _is_refused_role(error: DBAPIError) -> bool:
    diagnosis = getattr(error.orig, "diag", None)
    function: str | None = getattr(diagnosis, "source_function", None)
    return (function or "").startswith(_FUNCTIONS_THAT_REFUSE_ROLES)
