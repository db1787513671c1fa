"""The placements on which an Alembic command failed, and why."""

from collections.abc import Callable

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from trially.errors import OperatorError
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.servers.access import server_access


class FleetMigrationError(OperatorError):
    """An Alembic command failed on some placements. All others were visited."""


class RunStoppedError(OperatorError):
    """So many migrations failed that the placements that remained were not visited."""


class FailedPlacements:
    """Collects the failures of one command, so that it can visit the placements that remain."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._errors: list[Exception] = []
        self._places_by_cause: dict[str, list[str]] = {}
        self._lost_servers: dict[str, Exception] = {}

    def run(self, place: str, server: str, visit: Callable[[], None]) -> bool:
        """Visit a placement, and return whether that succeeded.

        After one failed attempt to reach a server, its other placements fail without an attempt of
        their own. So a server that does not answer costs the time of one attempt only.
        """
        try:
            self._refuse_lost(server)
            visit()
        except Exception as error:  # noqa: BLE001  the placements after this one must be visited
            self._errors.append(error)
            self._places_by_cause.setdefault(describe_failure(error), []).append(place)
            if server not in self._lost_servers and not answers(server):
                self._lost_servers[server] = error
            return False
        return True

    def _refuse_lost(self, server: str) -> None:
        if server in self._lost_servers:
            raise self._lost_servers[server]

    def raise_if_any(self) -> None:
        """Raise `FleetMigrationError` if any placement failed. It names each one, by its cause."""
        if not self._errors:
            return
        failed = len(self._errors)
        lines = [f"The command failed for {failed} of {self._total} placements."]
        for cause, places in self._places_by_cause.items():
            lines += [cause, *(f"  - {place}" for place in places)]
        lines.append(
            "Correct the causes and run the command again. `flask --debug db …` shows tracebacks."
        )
        raise FleetMigrationError("\n".join(lines)) from ExceptionGroup(
            "the placements failed", self._errors
        )


def answers(server: str) -> bool:
    """Return whether a server lets its administrator log in."""
    try:
        with server_access(server).administer():
            return True
    except (OperatorError, psycopg2.Error, SQLAlchemyError):
        return False
