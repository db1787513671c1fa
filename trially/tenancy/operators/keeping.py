"""Seal the catalog's log, verify it, and remove old years."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from psycopg2 import sql
from sqlalchemy import Connection, text

from trially.config import current_settings
from trially.errors import OperatorError
from trially.seals import Log, Seal, Verdict, seal, verify
from trially.seals.sealing import last_seal, read_stored
from trially.tenancy.catalog_sessions import control_engine
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


def last_operator_seal() -> int:
    """Return the number of the newest seal; 0 if there is none."""
    with control_engine().begin() as catalog, driver_connection(catalog).cursor() as cursor:
        newest = last_seal(cursor, OPERATORS)
        return 0 if newest is None else newest.number


def read_operator_seals(after: int) -> Iterator[Seal]:
    """Yield the seals with a number above `after`, by number."""
    with control_engine().begin() as catalog, driver_connection(catalog).cursor() as cursor:
        yield from read_stored(cursor, OPERATORS, after)


def verify_operators(
    witnesses: Iterable[Seal] = (), hashes: Mapping[int, bytes] | None = None
) -> Verdict:
    """Compare the log with its seals, those of the witnesses, and the hashes that others have."""
    with control_engine().begin() as catalog:
        pruned = _pruned_years(catalog)
        return verify(driver_connection(catalog), OPERATORS, witnesses, pruned, hashes=hashes)


def prunable_years(before: int) -> list[int]:
    """Return the years before `before` that have records."""
    with control_engine().begin() as catalog:
        raw = driver_connection(catalog)
        names = execute(
            raw,
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = 'operator_action'::regclass AND relname ~ '_[0-9]{4}$'"
            " ORDER BY relname",
        )
        return [
            int(name[-4:])
            for (name,) in names
            if int(name[-4:]) < before
            and execute(raw, sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(name)))
        ]


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
