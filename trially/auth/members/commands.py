"""`flask tenants members …`."""

from uuid import UUID

import click

from trially.auth.members import managing
from trially.auth.permissions import PhiLevel, Role
from trially.tenancy.command_groups import CatalogGroup
from trially.tenancy.context import tenant_context
from trially.terminal import json_option, print_item, print_items

members = CatalogGroup("members", help="Manage the members of a tenant.")

ROLES = click.Choice([role.value for role in Role])
PHI_LEVELS = click.Choice([level.value for level in PhiLevel])

role_option = click.option("--role", type=ROLES, required=True)
issuer_option = click.option("--issuer", help="Who vouches for them; the first trusted by default.")


@members.command("add")
@click.argument("slug")
@click.option("--subject", required=True, help="Who it is, as the issuer's tokens say it.")
@role_option
@issuer_option
@click.option("--name", "display_name")
@click.option("--email")
@click.option(
    "--phi-level",
    type=PHI_LEVELS,
    help="How much they are shown of patients; by default what is usual for the role.",
)
@click.option(
    "--site",
    "site_ids",
    type=click.UUID,
    multiple=True,
    help="Id of a site whose patients they may see; may be repeated. All sites by default.",
)
@json_option
def add(
    slug: str,
    subject: str,
    role: str,
    issuer: str | None,
    display_name: str | None,
    email: str | None,
    phi_level: str | None,
    site_ids: tuple[UUID, ...],
    *,
    as_json: bool,
) -> None:
    """Make someone a member of the tenant SLUG."""
    with tenant_context(slug):
        member = managing.add_member(
            subject,
            Role(role),
            issuer=issuer,
            display_name=display_name,
            email=email,
            phi_level=PhiLevel(phi_level) if phi_level else None,
            site_ids=site_ids or None,
        )
    print_item(member, f"Added {subject} to {slug} as {role}.", as_json=as_json)


@members.command("change")
@click.argument("slug")
@click.option("--subject", required=True)
@issuer_option
@click.option("--role", type=ROLES)
@click.option("--phi-level", type=PHI_LEVELS, help="How much they are shown of patients.")
@click.option(
    "--site",
    "site_ids",
    type=click.UUID,
    multiple=True,
    help="Id of a site whose patients they may see from now on, and no others; may be repeated.",
)
@click.option("--all-sites", "has_all_sites", is_flag=True, help="Restrict them to sites no more.")
@json_option
def change(
    slug: str,
    subject: str,
    issuer: str | None,
    role: str | None,
    phi_level: str | None,
    site_ids: tuple[UUID, ...],
    *,
    has_all_sites: bool,
    as_json: bool,
) -> None:
    """Change what a member of the tenant SLUG may do and see, within 5 seconds everywhere.

    What no option names stays as it is: another role brings no other PHI level.
    """
    if has_all_sites and site_ids:
        raise click.UsageError("--site and --all-sites contradict each other.")
    if not (role or phi_level or site_ids or has_all_sites):
        raise click.UsageError("Say --role, --phi-level, --site or --all-sites.")
    with tenant_context(slug):
        member = managing.change_member(
            subject,
            issuer,
            role=Role(role) if role else None,
            phi_level=PhiLevel(phi_level) if phi_level else None,
            site_ids=site_ids or None,
            has_all_sites=has_all_sites,
        )
    sites = "all" if member["site_ids"] is None else len(member["site_ids"])
    print_item(
        member,
        f"Changed {subject} of {slug}: role {member['role']}, PHI level {member['phi_level']},"
        f" sites {sites}.",
        as_json=as_json,
    )


@members.command("list")
@click.argument("slug")
@json_option
def list_(slug: str, *, as_json: bool) -> None:
    """List the members of the tenant SLUG."""
    with tenant_context(slug):
        items = managing.list_members()
    print_items(
        items, ("subject", "role", "phi_level", "display_name", "email", "issuer"), as_json=as_json
    )


@members.command("remove")
@click.argument("slug")
@click.option("--subject", required=True)
@issuer_option
@json_option
def remove(slug: str, subject: str, issuer: str | None, *, as_json: bool) -> None:
    """Take someone's membership of the tenant SLUG away."""
    with tenant_context(slug):
        managing.remove_member(subject, issuer)
    print_item(
        {"tenant": slug, "subject": subject, "removed": True},
        f"Removed {subject} from {slug}.",
        as_json=as_json,
    )


@members.command("reindex")
@click.argument("slug")
@json_option
def reindex(slug: str, *, as_json: bool) -> None:
    """Note anew in the catalog who the members of the tenant SLUG are."""
    with tenant_context(slug):
        count = managing.rewrite_index()
    print_item({"tenant": slug, "members": count}, f"Noted {count} of {slug}.", as_json=as_json)
