"""`flask tenants list`."""

from typing import Any

import click

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantKind, TenantStatus, Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.listing import SHOWN, TenantFilter, describe_tenants
from trially.terminal import NOTHING, print_items, table_options

COLUMNS = ("slug", "name", "kind", "status", "tier", "server", "plan", "created_at")
OF_ERASURES = ("erase_after", "legal_hold")
"""Columns that are shown only if a tenant of the list has one."""


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("text", required=False)
@click.option(
    "--status",
    type=click.Choice([each.value for each in TenantStatus]),
    help="Only with this status.",
)
@click.option(
    "--kind", type=click.Choice([each.value for each in TenantKind]), help="Only this kind."
)
@click.option("--tier", type=click.Choice([each.value for each in Tier]), help="Only in this tier.")
@click.option("--server", shell_complete=complete_server, help="Only on this server.")
@click.option("--plan", help="Only with this plan.")
@click.option("--region", help="Only with this region.")
@click.option(
    "--sort",
    "order",
    type=click.Choice(list(SHOWN)),
    default="slug",
    show_default=True,
    help="Sort by this column.",
)
@click.option("--descending", "is_descending", is_flag=True, help="Sort from last to first.")
@click.option("--limit", type=click.IntRange(1), help="Print at most this many tenants.")
@table_options
def list_(*, as_json: bool, **options: Any) -> None:
    """List the tenants, or those with TEXT in their slug or name.

    \b
    Examples:
      flask tenants list --status suspended
      flask tenants list clinic --sort created_at --descending --limit 10
    """  # noqa: D301
    items = describe_tenants(TenantFilter(**options))
    erasures = [name for name in OF_ERASURES if any(each[name] is not None for each in items)]
    print_items(
        items,
        (*COLUMNS, *erasures),
        as_json=as_json,
        texts=("name", "legal_hold"),
        optional=("legal_hold", "erase_after", "server", "plan", "created_at", "kind"),
    )


def describe(tenant: Tenant) -> dict[str, Any]:
    """Return what commands print of a tenant."""
    record = tenant.placement
    return {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "kind": tenant.kind,
        "status": tenant.status,
        "plan": tenant.plan,
        "region": tenant.region,
        "time_zone": tenant.time_zone,
        "tier": record.tier,
        "server": record.server.name,
        "database": record.database,
        "schema": record.schema,
        "epoch": record.epoch,
        "erase_after": tenant.erase_after,
        "legal_hold": tenant.legal_hold,
        "created_at": tenant.created_at,
    }
