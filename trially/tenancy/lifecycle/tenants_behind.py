"""Migrate the tenants whose tables are behind, each on its own: a failure stops no other tenant.

`flask demo serve` uses it after a pull. `flask db upgrade` migrates a fleet in production.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord, SharedDatabase, Tier
from trially.tenancy.lifecycle.fleet_migrations import commit, read_fleet
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.guard import GUARD_DDL
from trially.tenancy.schema.lineages import TENANT_LINEAGE, head_of, run_upgrade
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection
from trially.tenancy.tiers import TIERS, tier_of
from trially.terminal.errors import errors_as_sentences


class UnknownRevisionError(OperatorError):
    """Alembic cannot migrate the tables, for example because a newer version has."""


class NoRevisionError(OperatorError):
    """The tables, or the record of their revision, are missing."""


Report = Callable[[str], None]


def upgrade_tenants_behind(report: Report) -> dict[str, str]:
    """Migrate blank schemas and tenants that are not at this version's revision.

    `report` gets a sentence for each placement that is migrated. Returns the reason of each
    failure by the tenant's slug, or by the name of a blank schema's database.
    """
    head = head_of(TENANT_LINEAGE)
    failures: dict[str, str] = {}
    blanks, placements = read_fleet()
    # Blank schemas come first. A tenant created later copies one, so it is at the new revision.
    for blank in blanks:
        with recording_failure(failures, blank.name):
            _upgrade_blank_schema(blank, head)
    for records in placements:
        slugs = [record.tenant.slug for record in records]
        with recording_failure(failures, *slugs):
            former = _upgrade_placement(records[0], head)
            if former is not None:
                names = ", ".join(slugs[:3]) + (" …" if len(slugs) > 3 else "")
                report(f"Migrated {names} from {former} to {head}.")
    return failures


@contextmanager
def recording_failure(failures: dict[str, str], *names: str) -> Iterator[None]:
    """Record an error as a sentence under some names, in place of raising it."""
    try:
        with errors_as_sentences():
            yield
    except click.ClickException as error:
        failures.update(dict.fromkeys(names, error.message))


def _upgrade_blank_schema(blank: SharedDatabase, head: str) -> None:
    tier = TIERS[Tier(blank.tier)]
    assert tier.blank_schema is not None  # noqa: S101
    with as_owner(server_access(blank.server.name), blank.name) as owned:
        if _revision(owned, tier.blank_schema) == head:
            return
        run_upgrade(TENANT_LINEAGE, owned, tier.blank_schema)
        raw = driver_connection(owned)
        commit(raw, GUARD_DDL)
        tier.compose_blank_schema(raw, blank.name)
        raw.commit()


def _upgrade_placement(record: PlacementRecord, head: str) -> str | None:
    """Migrate a placement, and return the revision that it had, or None if it is at `head`."""
    tier = tier_of(record)
    with as_owner(server_access(record.server.name), record.database) as owned:
        former = _revision(owned, record.schema)
        if former == head:
            return None
        raw = driver_connection(owned)
        before, after = tier.pre_migration_sql(record), tier.post_migration_sql(record)
        try:
            if before is not None:
                commit(raw, before)
            run_upgrade(TENANT_LINEAGE, owned, record.schema)
        except BaseException as error:
            owned.rollback()
            if before is not None:
                commit(raw, after)
            if isinstance(error, CommandError):
                raise UnknownRevisionError(f"Its tables are at {former}: {error}.") from None
            raise
        commit(raw, GUARD_DDL, after)
    return former


def _revision(owned: Connection, schema: str) -> str:
    """Return the revision of the tables in a schema, or raise `NoRevisionError`."""
    try:
        statement = text(f'SELECT version_num FROM "{schema}".alembic_version')
        revision = owned.scalar(statement)
    except ProgrammingError:
        revision = None
    finally:
        owned.rollback()
    if revision is None:
        raise NoRevisionError(
            f"The schema {schema} does not say at which revision its tables are. Restore it."
        )
    return str(revision)
