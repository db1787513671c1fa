"""`flask tenants create`."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from trially.database.model import length_of
from trially.tenancy.catalog import DEFAULT_TIME_ZONE, MembershipIndex, Tenant
from trially.tenancy.catalog_choices import TenantKind, Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.entitlements.model import DEFAULT_PLAN
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.creating_many import (
    Planned,
    Result,
    SomeFailedError,
    carry_out,
    plan,
)
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.listing_commands import describe
from trially.tenancy.lifecycle.provisioning import TenantExistsError, create_tenant
from trially.tenancy.lifecycle.tenant_files import read_tenants
from trially.tenancy.names import UnknownTenantError, check_line
from trially.tenancy.tiers import DEFAULT_TIER, PINNED_TIER
from trially.terminal import NOTHING, plural, print_item, print_items, progress_bar, table_options

OF_A_FILE = frozenset({"file", "workers", "dry_run", "as_json"})
"""The parameters that --from allows."""


@catalog_command("create", loses=NOTHING)
@click.argument("slug", required=False)
@click.option("--name", help="The organisation's name.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in TenantKind]),
    default=TenantKind.SITE.value,
    show_default=True,
    help="The kind of organisation.",
)
@click.option(
    "--tier",
    type=click.Choice([tier.value for tier in Tier]),
    help="Where its rows are stored. By default the tier of its plan in TRIALLY_PLAN_TIERS, else"
    f" the first one that the plan allows, else {DEFAULT_TIER}; on an instance pinned to a tenant,"
    f" {PINNED_TIER}.",
)
@click.option(
    "--server",
    shell_complete=complete_server,
    help="The server that holds it. By default the emptiest server of its region.",
)
@click.option("--plan", default=DEFAULT_PLAN, show_default=True, help="The name of its plan.")
@click.option("--region", help="The region that its rows must stay in.")
@click.option(
    "--time-zone",
    default=DEFAULT_TIME_ZONE,
    show_default=True,
    help="The IANA time zone of times that its sources write without one.",
)
@click.option("--owner", help="The first member, as in the claim `sub` of the issuer's tokens.")
@click.option("--owner-issuer", help="The issuer of --owner. By default the first trusted issuer.")
@click.option(
    "--if-not-exists",
    is_flag=True,
    help="If SLUG is a tenant's slug already, change nothing and exit with 0.",
)
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Create the tenants that a CSV, JSON or TOML file lists, with these options as names."
    " Existing ones are left alone.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="The tenants of --from that are created at a time.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only check the file of --from, and show what would be created."
)
@table_options
@click.pass_context
def create(
    ctx: click.Context,
    /,
    slug: str | None,
    *,
    as_json: bool,
    file: Path | None,
    workers: int,
    dry_run: bool,
    name: str | None,
    kind: str,
    tier: str | None,
    owner: str | None,
    owner_issuer: str | None,
    if_not_exists: bool,
    **options: Any,
) -> None:
    """Create the tenant SLUG and its storage.

    \b
    Examples:
      flask tenants create acme --name "Acme Research" --owner "auth0|123"
      flask tenants create --from tenants.csv
    """  # noqa: D301
    _check_usage(ctx, slug, name, file)
    if file is not None:
        _create_many(file, workers, dry_run=dry_run, as_json=as_json)
        return
    assert slug is not None and name is not None  # noqa: S101, PT018
    if if_not_exists and (existing := _existing(slug)):
        print_item(
            describe(existing),
            f"{existing.slug} ({existing.id}) already exists. Nothing was changed.",
            as_json=as_json,
        )
        return
    started = time.perf_counter()
    parameters = None
    if owner is not None:
        check_line(owner, "The owner", length_of(MembershipIndex.subject))
        parameters = {"owner": owner, "owner_issuer": owner_issuer}
    tenant = create_tenant(
        slug,
        name,
        kind=TenantKind(kind),
        tier=Tier(tier) if tier else None,
        parameters=parameters,
        **options,
    )
    ms = (time.perf_counter() - started) * 1000
    print_item(
        describe(tenant), f"Created {tenant.slug} ({tenant.id}) in {ms:.0f} ms.", as_json=as_json
    )


def _check_usage(ctx: click.Context, slug: str | None, name: str | None, file: Path | None) -> None:
    """Raise `UsageError` unless one tenant or one file is given."""
    given = {
        each
        for each in ctx.params
        if ctx.get_parameter_source(each) not in (ParameterSource.DEFAULT, None)
    }
    if file is None:
        if slug is None or name is None:
            raise click.UsageError("Pass SLUG and --name, or --from.")
        if given & {"workers", "dry_run"}:
            raise click.UsageError("--workers and --dry-run go with --from only.")
    elif given - OF_A_FILE:
        named = ", ".join(sorted(each.replace("_", "-") for each in given - OF_A_FILE))
        raise click.UsageError(f"With --from, the file says what to create: remove {named}.")


def _create_many(file: Path, workers: int, *, dry_run: bool, as_json: bool) -> None:
    planned = plan(read_tenants(file))
    if not dry_run:
        missing = sum(each.result is not Result.EXISTS for each in planned)
        with progress_bar(carry_out(planned, workers), "Tenants", missing) as done:
            for _ in done:
                pass
    print_items(
        [_describe(each) for each in planned],
        ("slug", "result", "tier", "id", "ms", "error"),
        as_json=as_json,
        texts=("error",),
        optional=("error", "tier", "ms"),
    )
    _raise_if_failed(planned)


def _raise_if_failed(planned: Sequence[Planned]) -> None:
    failed = [each.wanted.slug for each in planned if each.result is Result.FAILED]
    if failed:
        raise SomeFailedError(
            f"{plural(len(failed), 'tenant')} could not be created: {', '.join(failed[:20])}."
            " Correct the causes, and run the command again: it creates only what is missing."
        )


def _describe(each: Planned) -> dict[str, Any]:
    return {
        "slug": each.wanted.slug,
        "name": each.wanted.name,
        "result": each.result.value,
        "tier": each.wanted.options.get("tier"),
        "id": None if each.tenant_id is None else str(each.tenant_id),
        "ms": each.ms,
        "error": each.error,
    }


def _existing(slug: str) -> Tenant | None:
    """Return the tenant with a slug, or None. Raises `TenantExistsError` for a former slug."""
    try:
        tenant = get_tenant(slug)
    except UnknownTenantError:
        return None
    if tenant.slug != slug:
        raise TenantExistsError(
            f"The slug {slug!r} is a former slug of {tenant.slug!r}. Choose another one."
        )
    return tenant
