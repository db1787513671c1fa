"""The dialect of tenant connections: BEGIN carries the guard, in one round trip.

psycopg2 sends its own BEGIN ahead of a transaction's first statement, as a round trip of its own.
Here its connections are in autocommit mode and this dialect says BEGIN, COMMIT and ROLLBACK
itself, so that the guard rides with BEGIN and no transaction can begin without it.

A connection's first transaction opens as it leaves its pool: nobody, not even who asks for the raw
connection, gets one that the guard has not let in, and one that the server has closed meanwhile is
replaced there, before anything has been done on it and without a ping.
"""

from typing import Any

from psycopg2 import OperationalError, errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import DisconnectionError

from trially.database.placement import (
    StalePlacementError,
    TenantSuspendedError,
    WrongTenantError,
    current_placement,
)

_REFUSALS = {
    "stale": (StalePlacementError, "The tenant's placement has changed."),
    "suspended": (TenantSuspendedError, "The tenant is suspended."),
}


class PlacedDialect(PGDialect_psycopg2):
    """psycopg2 whose transactions open with the current tenant's guard."""

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Open a transaction, unless the pool has done so a moment ago."""
        raw = _raw(dbapi_connection)
        if raw.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            open_transaction(raw)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, and say so if the server rolled back instead."""
        with _raw(dbapi_connection).cursor() as cursor:
            cursor.execute("COMMIT")
            if cursor.statusmessage == "ROLLBACK":
                raise errors.InFailedSqlTransaction(
                    "The transaction had failed and was rolled back."
                )

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back what is open, if anything is."""
        raw = _raw(dbapi_connection)
        if not raw.closed and raw.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            with raw.cursor() as cursor:
                cursor.execute("ROLLBACK")


def open_transaction(raw: connection) -> None:
    """Send BEGIN and the guard of the current placement, or raise why it lets nobody in."""
    placement = current_placement()
    if raw.info.dbname != placement.url.database:
        raise WrongTenantError("This connection leads to another tenant's database.")
    with raw.cursor() as cursor:
        cursor.execute(placement.opening)
        (*_, answer), *_ = cursor.fetchall()
        if answer != "entered":
            cursor.execute("ROLLBACK")
            refusal, sentence = _REFUSALS[answer]
            raise refusal(sentence)


def open_at_checkout(raw: connection, _record: Any, _checked_out: Any) -> None:
    """Open the transaction of a connection that leaves its pool, which replaces a closed one."""
    try:
        open_transaction(raw)
    except OperationalError as error:
        if raw.closed:
            raise DisconnectionError from error
        raise


def _raw(dbapi_connection: Any) -> connection:
    raw: connection = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
    return raw
