"""Notices of claims: each claim of a ready tenant wakes the process that fills."""

import select
import time

import psycopg2
from sqlalchemy import Connection, func
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from trially.tenancy.catalog_sessions import control_engine

CHANNEL = "ready_tenant_claimed"


def notice() -> ColumnElement[None]:
    """Return the expression that sends a notice with the COMMIT of its transaction."""
    return func.pg_notify(CHANNEL, "")


class ClaimNotices:
    """Waits for notices, on a connection of its own to the catalog."""

    def __init__(self) -> None:
        self._catalog: Connection | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for a notice, at most so many seconds, and return whether one came.

        Notices since the last call count too. Without the catalog, and behind a pooler that shares
        sessions, none comes.
        """
        ends_at = time.monotonic() + seconds
        try:
            return self._wait(seconds)
        except (psycopg2.Error, SQLAlchemyError):
            self.close()
        time.sleep(max(0.0, ends_at - time.monotonic()))
        return False

    def close(self) -> None:
        """Close the connection, which nothing else may use."""
        if self._catalog is not None:
            self._catalog.invalidate()
            self._catalog.close()
            self._catalog = None

    def _wait(self, seconds: float) -> bool:
        if self._catalog is None:
            catalog = control_engine().connect()
            self._catalog = catalog.execution_options(isolation_level="AUTOCOMMIT")
            self._catalog.exec_driver_sql(f"LISTEN {CHANNEL}")
        raw = self._catalog.connection.driver_connection
        assert raw is not None  # noqa: S101  it is open
        if not raw.notifies:
            select.select([raw], [], [], seconds)
            raw.poll()
        has_come = bool(raw.notifies)
        raw.notifies.clear()
        return has_come
