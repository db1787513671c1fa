"""The dialect of tenant connections: BEGIN carries the guard, in one round trip.

psycopg2 sends its own BEGIN ahead of a transaction's first statement, as a round trip of its own.
Here its connections are in autocommit mode and this dialect says BEGIN, COMMIT and ROLLBACK
itself, so that the guard rides with BEGIN and no transaction can begin without it: a session, a
Core statement and a raw connection of a tenant's engine all pass here.
"""

from typing import Any

from psycopg2 import errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

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
        """Open a transaction in the current placement, or raise why not."""
        placement = current_placement()
        raw = _raw(dbapi_connection)
        if raw.info.dbname != placement.url.database:
            raise WrongTenantError("This connection leads to another tenant's database.")
        with raw.cursor() as cursor:
            cursor.execute(placement.opening)
            answer = cursor.fetchone()[2]
        if answer != "entered":
            self.do_rollback(dbapi_connection)
            refusal, sentence = _REFUSALS[answer]
            raise refusal(sentence)

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


def _raw(dbapi_connection: Any) -> connection:
    return getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
