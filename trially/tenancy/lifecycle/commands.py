"""`flask tenants …` and `flask operations …`."""

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from trially.database.model import length_of
from trially.tenancy.catalog import MembershipIndex, Operation, Tenant, TenantKind, Tier
from trially.tenancy.command_groups import CatalogGroup
from trially.tenancy.lifecycle import status
from trially.tenancy.lifecycle.operations import (
    OperationBusyError,
    all_operations,
    run_operation,
    undo_operation,
    unfinished_operations,
)
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.silos import SETTINGS_FILE, SiloPlan, write_silo
from trially.tenancy.names import check_line
from trially.tenancy.tiers import DEFAULT_TIER, PINNED_TIER
from trially.terminal import json_option, print_item, print_items

tenants = CatalogGroup("tenants", help="Create and manage tenants.")
operations = CatalogGroup("operations", help="List, resume and undo lifecycle operations.")


@tenants.command("create")
@click.argument("slug")
@click.option("--name", required=True, help="The organisation's name.")
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
    f" {DEFAULT_TIER}; on an instance pinned to a tenant, {PINNED_TIER}.",
)
@click.option(
    "--server", help="The server that holds it. By default the emptiest server of its region."
)
@click.option("--plan", default="standard", show_default=True, help="The name of its plan.")
@click.option("--region", help="The region that its rows must stay in.")
@click.option("--owner", help="The first member, as in the claim `sub` of the issuer's tokens.")
@click.option("--owner-issuer", help="The issuer of --owner. By default the first trusted issuer.")
@json_option
def create(
    slug: str,
    *,
    as_json: bool,
    kind: str,
    tier: str | None,
    owner: str | None,
    owner_issuer: str | None,
    **options: Any,
) -> None:
    """Create the tenant SLUG and its storage.

    \b
    Example:
      flask tenants create acme --name "Acme Research" --owner "auth0|123"
    """  # noqa: D301
    started = time.perf_counter()
    parameters = None
    if owner is not None:
        check_line(owner, "The owner", length_of(MembershipIndex.subject))
        parameters = {"owner": owner, "owner_issuer": owner_issuer}
    tenant = create_tenant(
        slug,
        kind=TenantKind(kind),
        tier=Tier(tier) if tier else None,
        parameters=parameters,
        **options,
    )
    ms = (time.perf_counter() - started) * 1000
    print_item(
        _describe(tenant), f"Created {tenant.slug} ({tenant.id}) in {ms:.0f} ms.", as_json=as_json
    )


@tenants.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the tenants."""
    items = [_describe(tenant) for tenant in status.list_tenants()]
    print_items(
        items, ("slug", "name", "kind", "status", "tier", "server", "plan"), as_json=as_json
    )


@tenants.command("show")
@click.argument("slug")
@json_option
def show(slug: str, *, as_json: bool) -> None:
    """Show the tenant SLUG and its placement."""
    item = _describe(status.get_tenant(slug))
    rows = "\n".join(
        f"{name:<12} {value if value is not None else '-'}" for name, value in item.items()
    )
    print_item(item, rows, as_json=as_json)


@tenants.command("rename")
@click.argument("slug")
@click.argument("new_slug")
@json_option
def rename(slug: str, new_slug: str, *, as_json: bool) -> None:
    """Change the slug of the tenant SLUG to NEW_SLUG.

    SLUG keeps working and is never given to another tenant.
    """
    tenant = status.rename_tenant(slug, new_slug)
    print_item(_describe(tenant), f"Renamed {slug} to {tenant.slug}.", as_json=as_json)


@tenants.command("suspend")
@click.argument("slug")
@json_option
def suspend(slug: str, *, as_json: bool) -> None:
    """Suspend the tenant SLUG.

    Requests of its members are refused until `flask tenants resume`. Its data stay.
    """
    tenant = status.suspend_tenant(slug)
    print_item(_describe(tenant), f"Suspended {tenant.slug}.", as_json=as_json)


@tenants.command("resume")
@click.argument("slug")
@json_option
def resume(slug: str, *, as_json: bool) -> None:
    """Resume the suspended tenant SLUG."""
    tenant = status.resume_tenant(slug)
    print_item(_describe(tenant), f"Resumed {tenant.slug}.", as_json=as_json)


@tenants.command("silo")
@click.argument("slug")
@click.option(
    "--out",
    "directory",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    required=True,
    help="The folder to write to. The files contain its path.",
)
@click.option("--name", help="The organisation's name. By default its name in this installation.")
@click.option("--host-name", help="A host name that the router reserves for this tenant.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8001,
    show_default=True,
    help="The loopback port that the silo listens on.",
)
@click.option(
    "--shared",
    default="127.0.0.1:8000",
    show_default=True,
    help="Host and port of the shared installation, for the router.",
)
@click.option(
    "--database-url",
    help="The administrator's URL of the silo's PostgreSQL server. By default the compose file"
    " starts one.",
)
@click.option(
    "--force", "is_forced", is_flag=True, help="Overwrite existing files, except secrets."
)
@json_option
def silo(*, is_forced: bool, as_json: bool, **options: Any) -> None:
    """Write the files that run a silo for the tenant SLUG.

    A silo is an instance of its own, pinned to one tenant. The files include its router.

    \b
    Example:
      flask tenants silo acme --out /etc/trially/acme --host-name acme.example.org
    """  # noqa: D301
    plan = SiloPlan(**options)
    files = write_silo(plan, is_forced=is_forced)
    sentences = [
        f"Wrote {len(files.written)} files to {plan.directory}. README.md lists the next steps."
    ]
    if files.kept:
        sentences.append(f"Kept {' and '.join(files.kept)}: secrets are never overwritten.")
    if files.to_fill_in:
        sentences.append(f"Set {', '.join(files.to_fill_in)} in {SETTINGS_FILE}.")
    if files.is_here:
        sentences.append(
            f"The tenant {plan.slug} exists in this installation, and its data have not been"
            " copied. Move the data before you add the silo to the router."
        )
    item = {"slug": plan.slug, "directory": str(plan.directory), **vars(files)}
    print_item(item, "\n".join(sentences), as_json=as_json)


@operations.command("list")
@json_option
def list_operations(*, as_json: bool) -> None:
    """List lifecycle operations, newest first."""
    items = [_describe_operation(operation) for operation in all_operations()]
    print_items(items, ("id", "kind", "tenant", "state", "step", "error"), as_json=as_json)


@operations.command("resume")
@click.argument("operation_id", required=False, type=click.UUID)
@click.option("--undo", is_flag=True, help="Undo instead of finishing.")
@json_option
def resume_operations(operation_id: UUID | None, *, undo: bool, as_json: bool) -> None:
    """Finish OPERATION_ID, or all interrupted operations.

    An operation is interrupted if its process died.
    """
    ids = [operation_id] if operation_id else [o.id for o in unfinished_operations()]
    finished = []
    for each in ids:
        try:
            operation = undo_operation(each, "undone by command") if undo else run_operation(each)
        except OperationBusyError:
            if operation_id:
                raise
            continue
        finished.append(_describe_operation(operation))
    if as_json or finished:
        print_items(finished, ("id", "kind", "tenant", "state"), as_json=as_json)
    else:
        click.echo("No operation is interrupted.")


def _describe(tenant: Tenant) -> dict[str, Any]:
    record = tenant.placement
    return {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "kind": tenant.kind,
        "status": tenant.status,
        "plan": tenant.plan,
        "region": tenant.region,
        "tier": record.tier,
        "server": record.server.name,
        "database": record.database,
        "schema": record.schema,
        "epoch": record.epoch,
        "created_at": tenant.created_at,
    }


def _describe_operation(operation: Operation) -> dict[str, Any]:
    return {
        "id": str(operation.id),
        "kind": operation.kind,
        "tenant": operation.tenant_slug,
        "state": operation.state,
        "step": operation.step,
        "error": operation.error,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
    }
