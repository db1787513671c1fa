"""`flask tenants create`, `rename`, `suspend`, `resume` and `silo`."""

import time
from pathlib import Path
from typing import Any

import click

from trially.database.model import length_of
from trially.tenancy.catalog import (
    DEFAULT_TIME_ZONE,
    MembershipIndex,
    Tenant,
    TenantKind,
    TenantStatus,
    Tier,
)
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle import status
from trially.tenancy.lifecycle.completing import complete_server, complete_slug
from trially.tenancy.lifecycle.listing import count_members, get_tenant
from trially.tenancy.lifecycle.listing_commands import describe
from trially.tenancy.lifecycle.provisioning import TenantExistsError, create_tenant
from trially.tenancy.lifecycle.silos import SETTINGS_FILE, SiloPlan, write_silo
from trially.tenancy.names import UnknownTenantError, check_line
from trially.tenancy.tiers import DEFAULT_TIER, PINNED_TIER
from trially.terminal import NOTHING, Loss, json_option, plural, print_item

slug_argument = click.argument("slug", shell_complete=complete_slug)


def loss_of_suspending(slug: str, **_: Any) -> Loss | None:
    """Return who is shut out by suspending a tenant."""
    tenant = get_tenant(slug)
    if tenant.status == TenantStatus.SUSPENDED:
        return None
    return Loss(
        f"{plural(count_members(tenant), 'member')} of {tenant.slug} ({tenant.name}), and its"
        " machine clients, will be shut out at once. Its data stay.",
        f"Suspend {tenant.slug}?",
    )


def loss_of_renaming(slug: str, new_slug: str, **_: Any) -> Loss | None:
    """Return what a new slug changes for ever."""
    tenant = get_tenant(slug)
    if tenant.slug == new_slug:
        return None
    return Loss(
        f"{tenant.slug} ({tenant.name}) will be called {new_slug}. Both slugs stay reserved for"
        f" it for ever. {plural(count_members(tenant), 'member')} will see the new slug.",
        f"Rename {tenant.slug}?",
    )


@catalog_command("create", loses=NOTHING)
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
    "--server",
    shell_complete=complete_server,
    help="The server that holds it. By default the emptiest server of its region.",
)
@click.option("--plan", default="standard", show_default=True, help="The name of its plan.")
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
@json_option
def create(
    slug: str,
    *,
    as_json: bool,
    kind: str,
    tier: str | None,
    owner: str | None,
    owner_issuer: str | None,
    if_not_exists: bool,
    **options: Any,
) -> None:
    """Create the tenant SLUG and its storage.

    \b
    Example:
      flask tenants create acme --name "Acme Research" --owner "auth0|123"
    """  # noqa: D301
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
        kind=TenantKind(kind),
        tier=Tier(tier) if tier else None,
        parameters=parameters,
        **options,
    )
    ms = (time.perf_counter() - started) * 1000
    print_item(
        describe(tenant), f"Created {tenant.slug} ({tenant.id}) in {ms:.0f} ms.", as_json=as_json
    )


@catalog_command("rename", loses=loss_of_renaming)
@slug_argument
@click.argument("new_slug")
@json_option
def rename(slug: str, new_slug: str, *, as_json: bool) -> None:
    """Change the slug of the tenant SLUG to NEW_SLUG.

    SLUG keeps working and is never given to another tenant.
    """
    was_called = get_tenant(slug).slug
    tenant = status.rename_tenant(slug, new_slug)
    sentence = (
        f"{tenant.slug} has this slug already. Nothing was changed."
        if was_called == tenant.slug
        else f"Renamed {slug} to {tenant.slug}."
    )
    print_item(describe(tenant), sentence, as_json=as_json)


@catalog_command("suspend", loses=loss_of_suspending)
@slug_argument
@json_option
def suspend(slug: str, *, as_json: bool) -> None:
    """Suspend the tenant SLUG.

    Requests of its members are refused until `flask tenants resume`. Its data stay.
    """
    before = get_tenant(slug).status
    tenant = status.suspend_tenant(slug)
    sentence = (
        f"{tenant.slug} is suspended already."
        if before == TenantStatus.SUSPENDED
        else f"Suspended {tenant.slug}."
    )
    print_item(describe(tenant), sentence, as_json=as_json)


@catalog_command("resume", loses=NOTHING)
@slug_argument
@json_option
def resume(slug: str, *, as_json: bool) -> None:
    """Resume the suspended tenant SLUG."""
    before = get_tenant(slug).status
    tenant = status.resume_tenant(slug)
    sentence = (
        f"{tenant.slug} is active already."
        if before == TenantStatus.ACTIVE
        else f"Resumed {tenant.slug}."
    )
    print_item(describe(tenant), sentence, as_json=as_json)


# Without --force it overwrites nothing, and with --force the files of this silo only.
@catalog_command("silo", loses=NOTHING)
@slug_argument
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
        f"Wrote {plural(len(files.written), 'file')} to {plan.directory}.",
        "README.md lists the next steps.",
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
