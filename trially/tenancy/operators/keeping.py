"""Seal the catalog's log, verify it, and remove old years."""

from collections.abc import Iterable
from datetime import UTC, datetime

from psycopg2 import sql
from sqlalchemy import Connection, text

from trially.config import current_settings
from trially.errors import OperatorError
from trially.seals import Log, Seal, Verdict, seal, verify
from trially.tenancy.catalog import control_engine
from trially.tenancy.operators.recording import note
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.servers.preparing import owner_role

OPERATORS = Log(
    "operator_action",
    "operator_seal",
    (
        *("era", "transaction_id", "id", "at", "written_by", "stage", "started", "action"),
        *("actor", "host", "target", "tenant_id", "reason", "outcome", "details"),
    ),
)

KEPT_YEARS = 6
"""Whole years that are kept before the current one: HIPAA 164.316(b)(2) demands six."""

PRUNE = "operator_action prune"
"""The action that records the removal of a year."""


class NotPrunedError(OperatorError):
    """A year of the log cannot be removed."""


def seal_operators() -> list[Seal]:
    """Seal the records of finished transactions, and return the new seals."""
    with control_engine().begin() as catalog:
        return seal(driver_connection(catalog), OPERATORS)


def verify_operators(witnesses: Iterable[Seal] = ()) -> Verdict:
    """Compare the log with its seals and those of the witnesses."""
    with control_engine().begin() as catalog:
        return verify(driver_connection(catalog), OPERATORS, witnesses, _pruned_years(catalog))


def prune_operators(year: int, *, this_year: int | None = None) -> int:
    """Remove the records of a year, and return their number. Their seals stay.

    The removal is recorded in the same transaction. Raises `NotPrunedError`.
    """
    newest = (this_year or datetime.now(UTC).year) - KEPT_YEARS - 1
    if year > newest:
        raise NotPrunedError(
            f"Records of {year} must be kept. The newest year that can be removed is {newest}."
        )
    seal_operators()
    partition = sql.Identifier(f"operator_action_{year}")
    with control_engine().begin() as catalog:
        raw = driver_connection(catalog)
        if not execute(raw, "SELECT to_regclass(%s)", f"operator_action_{year}")[0][0]:
            raise NotPrunedError(f"The log has no partition of the year {year}.")
        [(count,)] = execute(raw, sql.SQL("SELECT count(*) FROM {}").format(partition))
        last = execute(raw, "SELECT last FROM operator_seal ORDER BY number DESC LIMIT 1")
        unsealed = OPERATORS.compared(">", tuple(last[0][0]) if last else None)
        if execute(raw, sql.SQL("SELECT 1 FROM {} WHERE {}").format(partition, unsealed)):
            raise NotPrunedError(
                f"Some records of {year} have no seal yet, because a transaction is running. Run"
                " the command again."
            )
        note(catalog, PRUNE, target=str(year), details={"records": count})
        owner = sql.Identifier(owner_role(current_settings()))
        execute(raw, sql.SQL("SET LOCAL ROLE {}; DROP TABLE {}").format(owner, partition))
        execute(raw, "SELECT create_action_partition(%s)", year)
    return int(count)


def _pruned_years(catalog: Connection) -> set[int]:
    years = catalog.scalars(
        text("SELECT DISTINCT target FROM operator_action WHERE stage = 'noted' AND action = :a"),
        {"a": PRUNE},
    )
    return {int(year) for year in years}
