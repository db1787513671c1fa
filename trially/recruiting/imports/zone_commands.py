"""The command `flask tenants set`, which reads the times of records in another zone."""

from typing import Any

import click

from trially.audit.working import working
from trially.database.session import transaction
from trially.recruiting.imports.rezoning import count_outdated, rezone_source, zones_of_sources
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.status import set_time_zone
from trially.tenancy.names import check_time_zone
from trially.terminal import NOTHING, json_option, plural, print_item


# The times as their sources wrote them stay, so setting the former zone again undoes it.
@catalog_command("set", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.option(
    "--time-zone",
    required=True,
    help="The IANA time zone of times that its sources write without one.",
)
@click.option("--dry-run", is_flag=True, help="Only count the records that would change.")
@json_option
def set_(slug: str, *, time_zone: str, dry_run: bool, as_json: bool) -> None:
    """Change the time zone of the tenant SLUG.

    The times of its records that have no offset are read in the new zone, unless their source has
    a zone of its own. Run the same command again to continue an interrupted one.

    \b
    Example:
      flask tenants set acme --time-zone America/Chicago
    """  # noqa: D301 - click reads \b
    check_time_zone(time_zone)
    former = get_tenant(slug).time_zone
    if not dry_run:
        set_time_zone(slug, time_zone)
    changed = _rezone(slug, time_zone, dry_run=dry_run)
    number = sum(changed.values())
    item: dict[str, Any] = {
        "slug": get_tenant(slug).slug,
        "time_zone": time_zone,
        "former_time_zone": former,
        "dry_run": dry_run,
        "records": changed,
    }
    done = "would be read" if dry_run else "are read"
    sentence = f"The times of {plural(number, 'record')} {done} in {time_zone}, not in {former}."
    if not number:
        sentence = f"No record has times that {done} in another zone."
    print_item(item, sentence, as_json=as_json)


def _rezone(slug: str, time_zone: str, *, dry_run: bool) -> dict[str, int]:
    """Read all times in the zones of their sources, and return the numbers by source."""
    with administered_tenant(slug), working():
        with transaction():
            zones = zones_of_sources(time_zone)
            outdated = {source: count_outdated(source, zone) for source, zone in zones.items()}
        wanted = {source: number for source, number in outdated.items() if number}
        if dry_run:
            return wanted
        return {source: rezone_source(source, zones[source]) for source in wanted}
