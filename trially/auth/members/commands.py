"""`flask tenants members …`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import click

from trially.auth.members import managing
from trially.auth.members.model import MemberExistsError
from trially.auth.roles import PhiLevel, Role
from trially.database.rows import Item
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, Loss, json_option, print_item, print_items, table_options

ROLES = click.Choice([role.value for role in Role])
PHI_LEVELS = click.Choice([level.value for level in PhiLevel])

subject_option = click.option(
    "--subject", required=True, help="The member, as in the claim `sub` of the issuer's tokens."
)
issuer_option = click.option(
    "--issuer", help="The issuer of --subject. By default the first trusted issuer."
)


def loss_of_member(slug: str, subject: str, issuer: str | None, **_: Any) -> Loss:
    """Return whom a removal shuts out."""
    with administered_tenant(slug):
        member = managing.find_member(subject, issuer)
    name = f" ({member['display_name']})" if member["display_name"] else ""
    return Loss(
        f"{subject}{name}, {member['role']} of {slug}, will be shut out within 5 seconds.",
        f"Remove {subject}?",
    )


@catalog_command("add", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
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
    with administered_tenant(slug):
        requested: dict[str, Any] = {
            "role": Role(role),
            "phi_level": PhiLevel(phi_level) if phi_level else None,
            "site_ids": site_ids or None,
            "display_name": display_name,
            "email": email,
        }
        sentence = f"Added {subject} to {slug} as {role}."
        try:
            member = managing.add_member(subject, issuer=issuer, **requested)
        except MemberExistsError:
            member = managing.find_member(subject, issuer)
            if not _is_as_requested(member, requested):
                raise
            sentence = f"{subject} is a member of {slug} already, as {role}. Nothing was changed."
    print_item(member, sentence, as_json=as_json)


@catalog_command("change", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
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
    with administered_tenant(slug):
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


@catalog_command("list", loses=NOTHING, only_reads=True)
@click.argument("slug", shell_complete=complete_slug)
@table_options
def list_(slug: str, *, as_json: bool) -> None:
    """List the members of the tenant SLUG."""
    with administered_tenant(slug):
        items = managing.list_members()
    print_items(
        items,
        ("subject", "role", "phi_level", "display_name", "email", "issuer"),
        as_json=as_json,
        texts=("display_name",),
        optional=("issuer", "phi_level", "email", "display_name"),
    )


@catalog_command("remove", loses=loss_of_member)
@click.argument("slug", shell_complete=complete_slug)
@subject_option
@issuer_option
@json_option
def remove(slug: str, subject: str, issuer: str | None, *, as_json: bool) -> None:
    """Remove a member from the tenant SLUG."""
    with administered_tenant(slug):
        managing.remove_member(subject, issuer)
    print_item(
        {"tenant": slug, "subject": subject, "removed": True},
        f"Removed {subject} from {slug}.",
        as_json=as_json,
    )


@catalog_command("reindex", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@json_option
def reindex(slug: str, *, as_json: bool) -> None:
    """Rebuild the catalog's member index for SLUG."""
    with administered_tenant(slug):
        count = managing.rewrite_index()
    print_item(
        {"tenant": slug, "members": count},
        f"Rebuilt the member index of {slug}. Members: {count}.",
        as_json=as_json,
    )


def _is_as_requested(member: Item, requested: Mapping[str, Any]) -> bool:
    """Return whether a member has every value that was passed."""
    passed = {name: value for name, value in requested.items() if value is not None}
    if "site_ids" in passed:
        passed["site_ids"] = sorted(set(passed["site_ids"]))
    elif member["site_ids"] is not None:
        return False
    return all(member[name] == value for name, value in passed.items())
