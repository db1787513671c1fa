"""Downgrade single tenants, and say before what they lose."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors, sql
from psycopg2.extensions import connection

from trially.errors import OperatorError
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.migrating.owning import MigrationEngine
from trially.tenancy.migrating.places import Place, read_places
from trially.tenancy.migrating.tenant_locks import holding
from trially.tenancy.migrating.visiting import revision_after_failure, take_back
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.downgrade_losses import Dropped, dropped_between
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.schema.lineages import LOCK_TIMEOUT_SECONDS, alembic_config
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, revisions_of
from trially.tenancy.schema.revisions import read_revision, record_revision
from trially.tenancy.schema.stepping import Steps, load_steps
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS

COUNT_SECONDS = 10
"""How long the rows of one table are counted. Afterwards the number is unknown."""


class NotARevisionError(OperatorError):
    """The revision does not exist, or the tables are not above it."""


@dataclass
class Downgrade:
    """The downgrade of one place, which several tenants may share."""

    place: Place
    revision: str
    target: str
    dropped: Dropped
    rows: dict[str, int | None]
    """Rows of each dropped table, and values of each dropped column. None is unknown."""

    error: str | None = None
    ms: float | None = None

    def carry_out(self) -> None:
        """Downgrade the place. A failure is kept as a sentence, and leaves it as it was."""
        started = time.perf_counter()
        try:
            downgrade_place(self.place, load_steps(alembic_config(TENANT_LINEAGE)), self.target)
        except Exception as error:  # noqa: BLE001  the tenants after this one are downgraded too
            self.error = describe_failure(error)
        self.ms = round((time.perf_counter() - started) * 1000, 1)


def downgrade_place(place: Place, steps: Steps, target: str) -> None:
    """Downgrade a place to a revision, "base" or a number such as "-1".

    Its revision is recorded, also after a failure: the downgrades before that one stay done.
    Raises `TenantBusyError` if an operation works on the tenant.
    """
    engine = MigrationEngine(server_access(place.server))
    with holding(place), engine.as_owner(place, LOCK_TIMEOUT_SECONDS * 1000) as owned:
        try:
            revision = take_back(place, owned, steps, target)
        except BaseException:
            left = revision_after_failure(place, owned)
            if left is not None:
                record_revision(place.records, left)
            raise
        record_revision(place.records, revision)


def plan_downgrades(slugs: Sequence[str], target: str) -> list[Downgrade]:
    """Return what a downgrade of these tenants does and drops. Nothing is changed.

    Raises `UnknownTenantError`, or `NotARevisionError` if `target` is no revision, or if a tenant
    is at an older one.
    """
    if target not in revisions_of(TENANT_LINEAGE):
        raise NotARevisionError(f"{target!r} is no revision. `flask db history` shows all.")
    wanted = {get_tenant(slug).slug for slug in slugs}
    places = [place for place in read_places() if wanted & set(place.slugs)]
    revisions = [(place, _revision_of(place)) for place in places]
    for place, revision in revisions:
        if revision is None or revision not in revisions_of(TENANT_LINEAGE):
            raise NotARevisionError(f"{place} is at {revision or 'no revision'}.")
        if revision < target:
            raise NotARevisionError(f"{place} is at {revision}, which is older than {target}.")
    above = [(place, revision) for place, revision in revisions if revision and revision > target]
    if not above:
        return []
    dropped = dropped_between({revision for _, revision in above}, target)
    return [
        Downgrade(place, revision, target, dropped[revision], _count(place, dropped[revision]))
        for place, revision in above
    ]


def _revision_of(place: Place) -> str | None:
    with server_access(place.server).administer(place.database) as raw:
        return read_revision(raw, place.schema)


def _count(place: Place, dropped: Dropped) -> dict[str, int | None]:
    """Count the rows and the values that are lost.

    Where row security binds the owner, the number of rows is PostgreSQL's estimate.
    """
    with as_owner(server_access(place.server), place.database) as owned:
        raw = driver_connection(owned)
        execute(raw, f"SET statement_timeout = '{COUNT_SECONDS}s'")
        raw.commit()
        is_hidden = TIERS[place.tier].has_row_security
        rows = {
            table: _estimate(raw, place, table) if is_hidden else _number(raw, place, table)
            for table in dropped.tables
        }
        values = {
            f"{table}.{column}": None if is_hidden else _number(raw, place, table, column)
            for table, column in dropped.columns
        }
        return {**rows, **values}


def _number(raw: connection, place: Place, table: str, column: str | None = None) -> int | None:
    counted = sql.SQL("*") if column is None else sql.Identifier(column)
    query = sql.SQL("SELECT count({}) FROM {}").format(counted, sql.Identifier(place.schema, table))
    try:
        return int(execute(raw, query)[0][0])
    except (errors.QueryCanceled, errors.UndefinedTable, errors.UndefinedColumn):
        return None
    finally:
        raw.rollback()


def _estimate(raw: connection, place: Place, table: str) -> int | None:
    found: list[Any] = execute(
        raw,
        "SELECT n_live_tup FROM pg_stat_user_tables WHERE schemaname = %s AND relname = %s",
        place.schema,
        table,
    )
    raw.rollback()
    return int(found[0][0]) if found else None
