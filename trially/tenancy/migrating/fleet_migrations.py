"""Run an Alembic command on every tenant's placement, or on a scratch database."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import click
from alembic import context

from trially.tenancy.migrating.migration_failures import FailedPlacements
from trially.tenancy.migrating.places import Place, migrate_place, read_places
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.reporting import ProgressLine, describe_outcome, raise_if_unfinished
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.migrating.tenant_locks import holding
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.lineages import TENANT_LINEAGE, print_sql, run_lineage
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.access import server_access

UPGRADE = "upgrade"


def run_command(attributes: Mapping[str, Any]) -> None:
    """Run the current Alembic command where it belongs. The lineage's env.py calls this."""
    command = _command()
    if "connection" in attributes:
        run_lineage(TENANT_LINEAGE, attributes["connection"], attributes["schema"])
    elif command.get("as_sql"):
        print_sql(TENANT_LINEAGE, TENANT_SCHEMA)
    elif attributes["is_on_scratch"]:
        _run_on_scratch()
    elif command["fn"].__name__ == UPGRADE:
        upgrade_tenants(command["destination_rev"])
    else:
        _run_on_every_tenant()


def upgrade_tenants(revision: str = "head") -> None:
    """Migrate every tenant to a revision.

    Raises `FleetMigrationError` at the end if any failed; it names each of them. Raises
    `RunStoppedError` if so many failed that the others were not visited.
    """
    line = ProgressLine()
    progress = migrate_tenants(RunOptions(), to=revision, watch=line, wait=line.wait)
    raise_if_unfinished(progress)
    click.echo(describe_outcome(progress), err=True)


def _command() -> Mapping[str, Any]:
    """Return the options of the current command, which Alembic shows only when configured."""
    context.configure(dialect_name="postgresql")
    return context.get_context().opts


def _run_on_scratch() -> None:
    """Run the current Alembic command on a clone of the template. `flask db migrate` does."""
    with scratch_database(server_access()) as scratch:
        run_lineage(TENANT_LINEAGE, scratch, TENANT_SCHEMA)


def _run_on_every_tenant() -> None:
    """Run the current Alembic command on each placement in turn, and on shared tables once.

    A command that changes tables leaves each placement as a new tenant's would be: with this
    version's guard, the grants of its role, and the CHECKs of its tenant on added tables. The
    catalog then records the placement's revision.
    If a placement fails, the others are visited all the same. Raises `FleetMigrationError` at the
    end, which names each placement that failed, and its error.
    """
    places = read_places()
    failed = FailedPlacements(len(places))
    for number, place in enumerate(places, start=1):
        click.echo(f"{number} of {len(places)}: {place}", err=True)
        failed.run(str(place), place.server, partial(_visit, place))
    failed.raise_if_any()


def _visit(place: Place) -> None:
    with holding(place), as_owner(server_access(place.server), place.database) as owned:
        migrate_place(place, owned, partial(run_lineage, TENANT_LINEAGE, owned, place.schema))
