"""The command `flask tenants set`, which changes a tenant's plan, exceptions and time zone."""

from collections.abc import Mapping
from typing import Any

import click

from trially.audit.working import working
from trially.database.session import transaction
from trially.recruiting.imports.rezoning import count_outdated, rezone_source, zones_of_sources
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.plans.options import tenant_plan_options
from trially.tenancy.lifecycle.plans.setting import change_of, loss_of_setting, set_plan
from trially.tenancy.lifecycle.status import rename_organisation, set_time_zone
from trially.tenancy.names import check_time_zone
from trially.terminal import json_option, plural, print_item

NOTHING_TO_SET = (
    "Say what to set: --name, --time-zone, --plan, --limit, --feature or --remove."
    " `flask tenants set --help` shows examples."
)


@catalog_command("set", loses=loss_of_setting)
@click.argument("slug", shell_complete=complete_slug)
@click.option("--name", help="The organisation's name.")
@click.option("--time-zone", help="The IANA time zone of times that its sources write without one.")
@tenant_plan_options
@click.option(
    "--move",
    "moves",
    is_flag=True,
    help="Move it to a tier that its plan allows, if its own is not allowed.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def set_(
    slug: str,
    *,
    name: str | None,
    time_zone: str | None,
    moves: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Change the name, the plan, the limits, the features or the time zone of the tenant SLUG.

    --limit and --feature are exceptions from its plan, with a reason, until a day or for good.
    Every process knows them within 5 seconds.

    The times of its records that have no offset are read in the new zone, unless their source has
    a zone of its own. Run the same command again to continue an interrupted one.

    \b
    Examples:
      flask tenants set acme --plan pro
      flask tenants set acme --limit patients=1000 --reason "Pilot" --until 2027-03-01
      flask tenants set acme --time-zone America/Chicago
    """  # noqa: D301 - click reads \b
    change = change_of(**options)
    if name is None and time_zone is None and not change and not moves:
        raise click.UsageError(NOTHING_TO_SET)
    item: dict[str, Any] = {"slug": get_tenant(slug).slug, "dry_run": dry_run}
    sentences: list[str] = []
    if time_zone is not None:
        check_time_zone(time_zone)
    if name is not None:
        item["name"], sentence = _set_name(slug, name, dry_run=dry_run)
        sentences = [sentence]
    if change or moves:
        about_plan, about = set_plan(slug, change, is_dry_run=dry_run, moves=moves)
        item.update(about_plan)
        sentences = [*sentences, *about]
    if time_zone is not None:
        about_zone, sentence = _set_zone(slug, time_zone, dry_run=dry_run)
        item.update(about_zone)
        sentences = [*sentences, sentence]
    print_item(item, "\n".join(sentences), as_json=as_json)


def _set_name(slug: str, name: str, *, dry_run: bool) -> tuple[str, str]:
    """Change the organisation's name, and return it and a sentence."""
    former = get_tenant(slug).name
    if dry_run:
        return name, f"{slug} would be called {name}, not {former}. Nothing was changed."
    rename_organisation(slug, name)
    return name, f"{slug} is called {name}, not {former}."


def _set_zone(slug: str, time_zone: str, *, dry_run: bool) -> tuple[Mapping[str, Any], str]:
    """Change the time zone, and return what to print: as an item, and as a sentence."""
    former = get_tenant(slug).time_zone
    if not dry_run:
        set_time_zone(slug, time_zone)
    changed = _rezone(slug, time_zone, dry_run=dry_run)
    number = sum(changed.values())
    item = {"time_zone": time_zone, "former_time_zone": former, "records": changed}
    done = "would be read" if dry_run else "are read"
    if not number:
        return item, f"No record has times that {done} in another zone."
    return item, f"The times of {plural(number, 'record')} {done} in {time_zone}, not in {former}."


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
