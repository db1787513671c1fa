"""Run an Alembic command on every tenant's placement, or on a scratch database."""

from functools import partial

import click

from trially.tenancy.lifecycle.migration_failures import FailedPlacements
from trially.tenancy.lifecycle.places import Place, migrate_place, read_places
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.lineages import TENANT_LINEAGE, run_lineage
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.access import server_access


def run_on_scratch() -> None:
    """Run the current Alembic command on a clone of the template. `flask db migrate` does."""
    with scratch_database(server_access()) as scratch:
        run_lineage(TENANT_LINEAGE, scratch, TENANT_SCHEMA)


def run_on_every_tenant() -> None:
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
    with as_owner(server_access(place.server), place.database) as owned:
        migrate_place(place, owned, partial(run_lineage, TENANT_LINEAGE, owned, place.schema))
