"""`flask plans …`."""

from collections.abc import Mapping
from typing import Any

import click

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.plans import managing
from trially.tenancy.lifecycle.plans.managing import ALL, PlanChange
from trially.tenancy.lifecycle.plans.options import (
    UNLIMITED,
    describe_limits,
    limit_option,
    plan_feature_option,
)
from trially.tenancy.tiers import TIERS
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    print_record,
    table_options,
)

OFFERED = [tier.value for tier, kind in TIERS.items() if kind.is_offered_by_plans]

name_argument = click.argument("name")
description_option = click.option("--description", help="For whom the plan is, in a line.")
tier_option = click.option(
    "--tier",
    "tiers",
    type=click.Choice([*OFFERED, ALL]),
    multiple=True,
    help="A tier that its tenants may be in; the first one is that of new tenants. Can be repeated."
    " By default all.",
)


def loss_of_changing(name: str, *, dry_run: bool = False, **options: Any) -> Loss | None:
    """Return what the tenants of a plan lose by its change."""
    before, after = managing.preview_plan(name, _change_of(**options))
    lost = _taken(before, after)
    if dry_run or not lost or not before["tenants"]:
        return None
    tenants = plural(before["tenants"], "tenant")
    return Loss(
        f"{tenants} of the plan {name}: {'; '.join(lost)}. Nothing that they have is deleted.",
        f"Change {name}?",
    )


def loss_of_deleting(name: str, **_: Any) -> Loss:
    """Return what is lost with a plan."""
    return Loss(f"The plan {name} will be deleted. No tenant has it.", f"Delete {name}?")


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@table_options
def list_(*, as_json: bool) -> None:
    """List the plans, with the number of their tenants."""
    print_items(
        managing.list_plans(),
        ("name", "tenants", "tiers", "features", "description"),
        as_json=as_json,
        texts=("description",),
        optional=("description", "features"),
    )


@catalog_command("show", loses=NOTHING, only_reads=True, needs_routes=False)
@name_argument
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show the plan NAME: its tiers, features and limits."""
    _print(managing.show_plan(name), as_json=as_json)


@catalog_command("create", loses=NOTHING)
@name_argument
@click.option("--like", help="The plan to start from. By default one without limits and features.")
@description_option
@tier_option
@limit_option
@plan_feature_option
@json_option
def create(name: str, *, like: str | None, as_json: bool, **options: Any) -> None:
    """Create the plan NAME.

    \b
    Example:
      flask plans create clinic --like pro --limit patients=5000 --feature exports=off
    """  # noqa: D301
    plan = managing.create_plan(name, _change_of(**options), like)
    print_item(plan, f"Created the plan {name}. {_sentence(plan)}", as_json=as_json)


@catalog_command("change", loses=loss_of_changing)
@name_argument
@description_option
@tier_option
@limit_option
@plan_feature_option
@click.option("--dry-run", is_flag=True, help="Only show what the plan would be.")
@json_option
def change(name: str, *, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Change the plan NAME for all its tenants, within 5 seconds.

    A tenant that has more than a lower limit keeps it, and can add nothing.

    \b
    Example:
      flask plans change pro --limit patients=100000 --feature fhir=on
    """  # noqa: D301
    wanted = _change_of(**options)
    if dry_run:
        _, plan = managing.preview_plan(name, wanted)
        print_item(
            plan, f"Nothing was changed. {name} would be: {_sentence(plan)}", as_json=as_json
        )
        return
    plan = managing.change_plan(name, wanted)
    print_item(plan, f"Changed the plan {name}. {_sentence(plan)}", as_json=as_json)


@catalog_command("delete", loses=loss_of_deleting)
@name_argument
@json_option
def delete(name: str, *, as_json: bool) -> None:
    """Delete the plan NAME, which no tenant may have."""
    managing.delete_plan(name)
    print_item({"name": name}, f"Deleted the plan {name}.", as_json=as_json)


def _change_of(
    *,
    description: str | None = None,
    tiers: tuple[str, ...] = (),
    limits: tuple[tuple[Any, int | None], ...] = (),
    features: tuple[tuple[str, bool], ...] = (),
    **_: Any,
) -> PlanChange:
    chosen = [] if ALL in tiers else [Tier(tier) for tier in tiers]
    return PlanChange(description, chosen if tiers else None, dict(limits), dict(features))


def _taken(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what a change takes away, as parts of a sentence."""
    taken = [
        f"{name} {UNLIMITED if former is None else f'{former:,}'} becomes {most:,}"
        for name, former in before["limits"].items()
        if (most := after["limits"][name]) is not None and (former is None or most < former)
    ]
    if after["features"] != [ALL]:
        had = before["features"]
        lost = ["others"] if had == [ALL] else sorted(set(had) - set(after["features"]))
        taken += [f"the feature {name} ends" for name in lost]
    return taken


def _print(plan: dict[str, Any], *, as_json: bool) -> None:
    shown = plan if as_json else {**plan, "limits": describe_limits(plan["limits"])}
    print_record(shown, as_json=as_json)


def _sentence(plan: Mapping[str, Any]) -> str:
    return (
        f"Tiers: {', '.join(plan['tiers'])}. Features: {', '.join(plan['features']) or 'none'}."
        f" Limits: {describe_limits(plan['limits'])}."
    )
