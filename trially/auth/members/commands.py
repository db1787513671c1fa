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

subject_option = click.option(
    "--subject", required=True, help="The member, as in the claim `sub` of the issuer's tokens."
)
issuer_option = click.option(
    "--issuer", help="The issuer of --subject. By default the first trusted issuer."
)


@members.command("add")
@click.argument("slug")
@subject_option
@click.option("--role", type=ROLES, required=True, help="The member's role.")
@issuer_option
@click.option("--name", "display_name", help="The member's name, for display.")
@click.option("--email", help="The member's email address.")
@click.option(
    "--phi-level",
    type=PHI_LEVELS,
    help="How much of patients' data the member sees. By default the usual level of the role.",
)
@click.option(
    "--site",
    "site_ids",
    type=click.UUID,
    multiple=True,
    help="The id of a site whose patients the member sees. May be repeated. By default all sites.",
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
    """Add a member to the tenant SLUG.

    \b
    Example:
      flask tenants members add acme --subject "auth0|123" --role coordinator
    """  # noqa: D301
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
@subject_option
@issuer_option
@click.option("--role", type=ROLES, help="The role to set.")
@click.option("--phi-level", type=PHI_LEVELS, help="The PHI level to set.")
@click.option(
    "--site",
    "site_ids",
    type=click.UUID,
    multiple=True,
    help="The id of a site whose patients the member sees. May be repeated. Replaces all sites.",
)
@click.option("--all-sites", "has_all_sites", is_flag=True, help="Remove the restriction to sites.")
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
    """Change a member's role, PHI level or sites.

    Options that are not passed stay unchanged; in particular, another role does not change the PHI
    level. Every process applies the change within 5 seconds.
    """
    if has_all_sites and site_ids:
        raise click.UsageError("--site and --all-sites contradict each other. Pass one of them.")
    if not (role or phi_level or site_ids or has_all_sites):
        raise click.UsageError("Pass --role, --phi-level, --site or --all-sites.")
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
@subject_option
@issuer_option
@json_option
def remove(slug: str, subject: str, issuer: str | None, *, as_json: bool) -> None:
    """Remove a member from the tenant SLUG."""
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
    """Rebuild the catalog's member index for SLUG."""
    with tenant_context(slug):
        count = managing.rewrite_index()
    print_item(
        {"tenant": slug, "members": count},
        f"Rebuilt the member index of {slug}. Members: {count}.",
        as_json=as_json,
    )
