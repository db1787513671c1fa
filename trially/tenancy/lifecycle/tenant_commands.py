"""`flask tenants rename`, `suspend`, `resume` and `silo`."""

from pathlib import Path
from typing import Any

import click

from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle import status
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import count_members, get_tenant
from trially.tenancy.lifecycle.listing_commands import describe
from trially.tenancy.lifecycle.silo_folders import SETTINGS_FILE
from trially.tenancy.lifecycle.silos import SiloPlan, write_silo
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
    "--master-key",
    help="The URL of the silo's own master key, in a KMS, a token or a file. By default you set it"
    " in settings.env.",
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
            " copied. Move the data before you add the silo to the router. The silo cannot open"
            " archives that were written here."
        )
    item = {"slug": plan.slug, "directory": str(plan.directory), **vars(files)}
    print_item(item, "\n".join(sentences), as_json=as_json)
