"""Describe errors of a database to an operator, without the values of a row."""

from psycopg2 import Error, OperationalError

from trially.errors import OperatorError

SAFE_CLASSES = frozenset({"08", "28", "3D", "3F", "42", "53", "55", "57", "58"})
"""Classes of SQLSTATE whose messages name objects, roles and limits, and never quote a row.

Syntax errors are among them. They quote a statement of a migration, which holds no patients.
"""

PASSING = frozenset(
    {
        *("40001", "40P01", "53300", "55006", "55P03", "57014", "XX000"),
        *("08000", "08001", "08003", "08004", "08006", "57P01", "57P02", "57P03"),
    }
)
"""SQLSTATEs of causes that pass: locks, deadlocks, too many connections, a server that restarts,
and a row of the system catalogs that another transaction has changed (XX000).
"""


def describe_failure(error: BaseException) -> str:
    """Return what failed in one line: the type, the SQLSTATE, and the message if it is safe.

    The message of an `OperatorError` or of Alembic is meant for operators. A database's message is
    shown if its class allows, and another error's never, because either may quote a row. In place
    of a message that is not shown, the constraint, column and table are named.
    """
    from alembic.util import CommandError

    if isinstance(error, (OperatorError, CommandError)):
        return str(error)
    original = getattr(error, "orig", None) or error
    name = type(original).__name__
    if not isinstance(original, Error):
        return name
    sqlstate = original.pgcode
    if sqlstate:
        name += f" (SQLSTATE {sqlstate})"
    # Without a SQLSTATE, an OperationalError is libpq's own: no connection, or a lost one.
    is_safe = sqlstate[:2] in SAFE_CLASSES if sqlstate else isinstance(original, OperationalError)
    message = original.diag.message_primary or str(original) if is_safe else _objects(original)
    return f"{name}: {' '.join(message.split())}" if message else name


def _objects(error: Error) -> str:
    """Return the names of the objects that an error is about. They hold no row."""
    named = {
        "constraint": error.diag.constraint_name,
        "column": error.diag.column_name,
        "table": error.diag.table_name,
    }
    return ", ".join(f"{kind} {name}" for kind, name in named.items() if name)
