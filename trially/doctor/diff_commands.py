"""`flask tenants diff`: how a tenant's tables differ from what its own revision says."""

from collections.abc import Sequence
from typing import Any

import click

from trially.doctor.comparison import every_object_is_as_in_a_new_placement
from trially.doctor.databases import opened
from trially.doctor.fleet import Fleet, TenantDatabase, read_fleet
from trially.doctor.references import ServerReferences, references_on
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.servers.access import server_access
from trially.terminal import NOTHING, json_option, print_items

COLUMNS = ("tenant", "difference", "remedy")


@catalog_command("diff", loses=NOTHING, only_reads=True)
@click.argument("slug", shell_complete=complete_slug)
@click.argument("other", required=False, shell_complete=complete_slug)
@json_option
def diff(slug: str, other: str | None, *, as_json: bool) -> None:
    """Compare the tables of the tenant SLUG with those of a new tenant at its revision.

    With OTHER, the tenants are compared with each other: it lists what is peculiar to one of them.
    The exit status is 1 if there is a difference.
    """
    slugs = [get_tenant(each).slug for each in (slug, other) if each is not None]
    found = {each: _differences(each) for each in slugs}
    if other is not None:
        first, second = (set(map(_text, found[each])) for each in slugs)
        found = {
            each: [item for item in items if _text(item) not in first & second]
            for each, items in found.items()
        }
    items = [item for of_tenant in found.values() for item in of_tenant]
    if as_json or items:
        print_items(items, COLUMNS, as_json=as_json, texts=("difference", "remedy"))
    else:
        click.echo("No difference.")
    if items:
        raise click.exceptions.Exit(1)


def _differences(slug: str) -> list[dict[str, Any]]:
    """Return what differs in the tables of a tenant, and in what it shares with others."""
    fleet = read_fleet()
    placement = get_tenant(slug).placement
    expected = next(
        each
        for each in fleet.databases
        if each.name == placement.database and each.server == placement.server.name
    )
    with references_on(server_access(placement.server.name)) as references:
        problems = _compare(expected, fleet, references)
    return [
        {"tenant": slug, "difference": problem.what, "remedy": problem.remedy}
        for problem in problems
        if problem.tenant in {slug, None}
    ]


def _compare(expected: TenantDatabase, fleet: Fleet, references: ServerReferences) -> Sequence[Any]:
    with opened(expected, fleet, references) as database:
        return list(dict.fromkeys(every_object_is_as_in_a_new_placement(database)))


def _text(item: dict[str, Any]) -> str:
    return str(item["difference"])
