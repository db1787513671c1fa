"""`flask audit prune`."""

from dataclasses import asdict

import click

from trially.audit.pruning import Pruned, check_retention, places_to_prune, prune_place
from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.operators.keeping import prunable_years, prune_operators
from trially.tenancy.schema.failures import describe_failure
from trially.terminal import Loss, json_option, plural, print_json


class PruningError(OperatorError):
    """The records of some tenants could not be removed."""


def _loss(
    slug: str | None, *, is_all: bool, is_of_operators: bool, before: int, **_: object
) -> Loss:
    _check_choice(slug, is_all=is_all, is_of_operators=is_of_operators)
    check_retention(before)
    if is_of_operators:
        return Loss(
            f"All records of operators' actions before {before} will be removed. Their seals stay.",
            "Remove them?",
        )
    tenants = sum(len(each.records) for each in places_to_prune(slug))
    return Loss(
        f"All audit records before the year {before} of {plural(tenants, 'tenant')} will be"
        " removed. Their seals stay.",
        "Remove them?",
    )


@catalog_command("prune", loses=_loss, needs_routes=False)
@click.argument("slug", required=False, shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Remove the records of all tenants.")
@click.option("--operators", "is_of_operators", is_flag=True, help="Prune the catalog's log.")
@click.option(
    "--before",
    type=click.IntRange(2000, 9999),
    required=True,
    metavar="YEAR",
    help="Remove the records of the years before this one.",
)
@json_option
def prune(
    slug: str | None, *, is_all: bool, is_of_operators: bool, before: int, as_json: bool
) -> None:
    """Remove the audit records of the tenant SLUG after their retention time.

    The operation is recorded in the catalog's log and in that of each tenant. Tenants that share
    tables are pruned together, with --all.

    \b
    Example:
      flask audit prune --all --before 2020
    """  # noqa: D301
    _check_choice(slug, is_all=is_all, is_of_operators=is_of_operators)
    check_retention(before)
    done: list[Pruned] = []
    failed: list[str] = []
    if is_of_operators:
        done.append(_prune_operators(before))
    for place in () if is_of_operators else places_to_prune(slug):
        try:
            done.append(prune_place(place, before))
        except Exception as error:  # noqa: BLE001  the places after this one must be visited
            failed.append(f"{place}: {describe_failure(error)}")
    if as_json:
        print_json([asdict(each) for each in done])
    else:
        for each in done:
            years = ", ".join(map(str, each.years)) or "no year"
            click.echo(f"Removed {years} of {each.place}.")
    if failed:
        raise PruningError("\n".join(["Some records were not removed.", *failed]))


def _prune_operators(before: int) -> Pruned:
    years = prunable_years(before)
    for year in years:
        prune_operators(year)
    return Pruned("the catalog's log", [], years)


def _check_choice(slug: str | None, *, is_all: bool, is_of_operators: bool) -> None:
    if (slug is not None) + is_all + is_of_operators != 1:
        raise click.UsageError("Name one tenant by its slug, or use --all, or --operators.")
