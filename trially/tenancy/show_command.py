"""`flask tenants show`."""

from typing import Any

import click

from trially.tenancy.archives.ages import last_backup_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.encrypting.states import describe_fields
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import count_members, get_tenant
from trially.tenancy.lifecycle.listing_commands import describe
from trially.terminal import NOTHING, json_option, print_record


@catalog_command("show", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("slug", shell_complete=complete_slug)
@json_option
def show(slug: str, *, as_json: bool) -> None:
    """Show the tenant SLUG, its placement, members, size and revision.

    `former` are the placements to which `flask tenants move-back` can return. `last_backup` is the
    time of its newest archive. `recovery` says to which times the tenant can be restored, and
    `lost_at_most` how many seconds of its last changes would be lost with its server. `fields` says
    whether what identifies patients is encrypted. `limits` are those of its plan and its
    exceptions, with what it uses of those that are counted.
    """
    from trially.tenancy.lifecycle.measuring import measure_placement
    from trially.tenancy.lifecycle.moving.kept import kept_placements
    from trially.tenancy.recovery.intervals import interval_of

    tenant = get_tenant(slug)
    interval = interval_of(tenant.placement.server, tenant)
    lost = interval.lost_at_most
    item = {
        **describe(tenant),
        "updated_at": tenant.updated_at,
        "members": count_members(tenant),
        **_allowed(tenant, as_json=as_json),
        **measure_placement(tenant.placement),
        "fields": describe_fields(tenant),
        "last_backup": last_backup_of(tenant.id),
        "recovery": interval.error or interval.description,
        "lost_at_most": None if lost is None else round(lost.total_seconds()),
        "former": [
            {"tier": each.tier, "server": each.server.name, "kept_until": each.kept_until}
            for each in kept_placements(tenant.id)
        ],
    }
    print_record(item, as_json=as_json)


def _allowed(tenant: Tenant, *, as_json: bool) -> dict[str, Any]:
    """Return what the tenant may have, and what it uses of it."""
    from trially.tenancy.lifecycle.plans.assigning import describe_allowed
    from trially.tenancy.lifecycle.plans.options import describe_use

    allowed = describe_allowed(tenant)
    return allowed if as_json else {**allowed, "limits": describe_use(allowed["limits"])}
