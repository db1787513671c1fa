"""`flask imports list`."""

import click
from sqlalchemy import select

from trially.database.rows import columns_named, fetch_items, of_current_tenant
from trially.recruiting.imports.import_rows import SHOWN_COLUMNS
from trially.recruiting.imports.model import ImportJob
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, print_items, table_options

IMPORTS_SHOWN = 100


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@table_options
def list_(slug: str, *, as_json: bool) -> None:
    """List the last 100 imports of TENANT, newest first."""
    with administered_tenant(slug):
        columns = columns_named(ImportJob, SHOWN_COLUMNS)
        items = fetch_items(
            select(*columns)
            .where(of_current_tenant(ImportJob))
            .order_by(ImportJob.id.desc())
            .limit(IMPORTS_SHOWN)
        )
    print_items(
        items,
        ("id", "source", "state", "error_count", "created_at", "ended_at"),
        as_json=as_json,
        optional=("created_at", "error_count", "ended_at"),
    )
