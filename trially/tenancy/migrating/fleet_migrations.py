"""Run an Alembic command on every tenant's placement, or on a scratch database."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click
from alembic import context

from trially.tenancy.migrating.downgrading import downgrade_place
from trially.tenancy.migrating.migration_failures import FailedPlacements
from trially.tenancy.migrating.places import Place, read_places
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.reporting import ProgressLine, describe_outcome, raise_if_unfinished
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.migrating.tenant_locks import holding
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.lineages import (
    TENANT_LINEAGE,
    alembic_config,
    print_sql,
    run_lineage,
)
from trially.tenancy.schema.revisions import read_revision, record_revision
from trially.tenancy.schema.stepping import load_steps
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection


def run_command(attributes: Mapping[str, Any]) -> None:
    """Run the current Alembic command where it belongs. The lineage's env.py calls this."""
    command = _command()
    if "connection" in attributes:
        run_lineage(TENANT_LINEAGE, attributes["connection"], attributes["schema"])
    elif command.get("as_sql"):
        print_sql(TENANT_LINEAGE, TENANT_SCHEMA)
    elif attributes["is_on_scratch"]:
        _run_on_scratch()
    elif command["fn"].__name__ == "upgrade":
        upgrade_tenants(command["destination_rev"])
    elif command["fn"].__name__ == "downgrade":
        steps = load_steps(alembic_config(TENANT_LINEAGE))
        target = command["destination_rev"]
        _visit_every_place(lambda place: downgrade_place(place, steps, target))
    else:
        _visit_every_place(_run_on_place)


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


def _visit_every_place(visit: Callable[[Place], None]) -> None:
    """Visit each placement in turn, and shared tables once.

    If a placement fails, the others are visited all the same. Raises `FleetMigrationError` at the
    end, which names each placement that failed, and its error.
    """
    places = read_places()
    failed = FailedPlacements(len(places))
    for number, place in enumerate(places, start=1):
        click.echo(f"{number} of {len(places)}: {place}", err=True)
        failed.run(str(place), place.server, partial(visit, place))
    failed.raise_if_any()


def _run_on_place(place: Place) -> None:
    """Run the current Alembic command, which changes no table, and record the revision it sets."""
    with holding(place), as_owner(server_access(place.server), place.database) as owned:
        if run_lineage(TENANT_LINEAGE, owned, place.schema):
            record_revision(place.records, read_revision(driver_connection(owned), place.schema))
